package fsys_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkLstat(b *testing.B) {
	const name = "/usr/lib/modules/6.1/kernel/acme.ko"
	r, dir := newRoot(b, name[1:]+" = x")
	w := openRoot(b, dir)
	w.WalkOnly()
	b.Run("os", func(b *testing.B) {
		for b.Loop() {
			_, err := os.Lstat(dir + name)
			require.NoError(b, err)
		}
	})
	b.Run("openat2", func(b *testing.B) {
		for b.Loop() {
			_, err := r.Lstat(name)
			require.NoError(b, err)
		}
	})
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			_, err := w.Lstat(name)
			require.NoError(b, err)
		}
	})
}
