package assemble_test

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"koweld/manifest"
)

// The floor of a weld is one SHA-256 of the image; BenchmarkWeld tells how far
// above it the whole way of a large module is.
const large = 64 << 20

func noise(size int) []byte {
	r := rand.NewChaCha8([32]byte{})
	b := make([]byte, size)
	_, _ = r.Read(b)
	return b
}

func BenchmarkSHA256(b *testing.B) {
	data := elfFile(noise(large))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		sha256.Sum256(data)
	}
}

func BenchmarkWeld(b *testing.B) {
	for name, size := range map[string]int{"64MiB": large, "64KiB": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			t := newBench(b)
			image := elfFile(noise(size))
			m := t.whole("large", image, image)
			b.SetBytes(int64(len(image)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := t.weld(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWeldLink(b *testing.B) {
	t, m, image := linkBench(b)
	m.Compress = manifest.None
	b.SetBytes(int64(len(image)))
	for b.Loop() {
		if _, err := t.weld(m); err != nil {
			b.Fatal(err)
		}
	}
}
