package realfs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Brittle makes an ext4 of 64 MiB whose disk, a sparse file, is on a volume of
// 16 MiB: once that is full, no block can be written that was not before.
func Brittle(t testing.TB, dir string) *Brittled {
	t.Helper()
	under := New(t, Tmpfs, dir+".disk", 4096, 16)
	v := &Volume{Dir: dir, t: t, kind: Ext4, image: filepath.Join(under.Dir, "image")}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	v.makeImage(v.image, 16384, 256)
	if err := v.mount(); err != nil {
		t.Skipf("a disk that breaks is not tested, it needs a loop device: %v", err)
	}
	t.Cleanup(v.Unmount)
	return &Brittled{v, under}
}

// Brittled is a volume whose disk can be broken.
type Brittled struct {
	*Volume
	under *Volume
}

// Wear breaks the disk.
func (b *Brittled) Wear() {
	f, err := os.Create(filepath.Join(b.under.Dir, ballast))
	require.NoError(b.t, err)
	defer f.Close()
	require.NoError(b.t, unix.Fallocate(int(f.Fd()), 0, 0, int64(b.under.free())*block))
	require.Zero(b.t, b.under.free(), fmt.Sprintf("room is left on %s", b.under.Dir))
}
