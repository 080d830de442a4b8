package realfs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys/realfs"
)

var kinds = []realfs.Kind{realfs.Tmpfs, realfs.Ext4}

func TestFilledToTheBlock(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			v := realfs.New(t, kind, filepath.Join(t.TempDir(), "mnt"), 256, 64)
			for _, blocks := range []int{3, 0, 20, 1} {
				v.Leave(blocks)
				f, err := os.Create(filepath.Join(v.Dir, "new"))
				require.NoError(t, err)
				if blocks > 0 {
					assert.NoError(t, unix.Fallocate(int(f.Fd()), 0, 0, int64(blocks)*4096), "%d", blocks)
				}
				assert.ErrorIs(t, unix.Fallocate(int(f.Fd()), 0, 0, int64(blocks+1)*4096), unix.ENOSPC, "%d", blocks)
				require.NoError(t, f.Close())
				require.NoError(t, os.Remove(f.Name()))
			}
			v.Empty()
			entries, err := os.ReadDir(v.Dir)
			require.NoError(t, err)
			assert.Empty(t, entries)
		})
	}
}

func TestFilledToTheInode(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			v := realfs.New(t, kind, filepath.Join(t.TempDir(), "mnt"), 256, 64)
			for _, inodes := range []int{2, 0, 1} {
				v.LeaveInodes(inodes)
				for n := range inodes {
					require.NoError(t, os.Mkdir(filepath.Join(v.Dir, string(rune('a'+n))), 0o755))
				}
				assert.ErrorIs(t, os.Mkdir(filepath.Join(v.Dir, "more"), 0o755), unix.ENOSPC)
				for n := range inodes {
					require.NoError(t, os.Remove(filepath.Join(v.Dir, string(rune('a'+n)))))
				}
			}
		})
	}
}

func TestBrokenIsReadOnlyUntilMountedAgain(t *testing.T) {
	v := realfs.New(t, realfs.Ext4, filepath.Join(t.TempDir(), "mnt"), 256, 64)
	name := filepath.Join(v.Dir, "file")
	f, err := os.Create(name)
	require.NoError(t, err)
	v.Break()
	_, err = f.WriteString("x")
	assert.Error(t, err)
	assert.ErrorIs(t, os.Mkdir(filepath.Join(v.Dir, "folder"), 0o755), unix.EROFS)
	require.NoError(t, f.Close())
	v.Again()
	assert.NoError(t, os.WriteFile(name, []byte("x"), 0o644))
}
