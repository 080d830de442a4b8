package fsys_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// bind mounts one directory on another, or skips.
func bind(t *testing.T, from, to string) {
	t.Helper()
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("bind mounts are not tested, they need CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(to, 0)) })
}

func TestBindMounts(t *testing.T) {
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		// /lib is not a link but a mount of /usr/lib: still one directory.
		base := t.TempDir()
		grow(t, base, "root/usr/lib/acme.ko = x", "root/lib/", "root/usr/lib/up -> ../top", "root/top = t", "root/usr/top = u")
		dir := filepath.Join(base, "root")
		bind(t, filepath.Join(dir, "usr/lib"), filepath.Join(dir, "lib"))
		r := prepare(openRoot(t, dir))

		a, err := r.Lstat("/lib")
		require.NoError(t, err)
		b, err := r.Lstat("/usr/lib")
		require.NoError(t, err)
		assert.True(t, a.SameFile(b))
		got, err := read(r, "/lib/acme.ko")
		require.NoError(t, err)
		assert.Equal(t, "x", got)

		// ".." leaves a mount where it is mounted.
		got, err = read(r, "/lib/up")
		require.NoError(t, err)
		assert.Equal(t, "t", got)
		got, err = read(r, "/usr/lib/up")
		require.NoError(t, err)
		assert.Equal(t, "u", got)

		// A rename does not cross, even within one file system.
		assert.ErrorIs(t, r.Rename("/usr/lib/acme.ko", "/lib/moved.ko"), unix.EXDEV)
	})
}

func TestRemoveAllStopsAtADevice(t *testing.T) {
	base := t.TempDir()
	grow(t, base, "root/stage/mnt/", "root/stage/zzz = x")
	mnt := filepath.Join(base, "root/stage/mnt")
	if err := unix.Mount("none", mnt, "tmpfs", 0, ""); err != nil {
		t.Skipf("removal across devices is not tested, it needs CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(mnt, 0)) })
	grow(t, mnt, "precious = x")
	r := openRoot(t, filepath.Join(base, "root"))
	assert.ErrorIs(t, fsys.RemoveAll(r, "/stage"), unix.EXDEV)
	assert.FileExists(t, filepath.Join(mnt, "precious"))
}

func TestIsMount(t *testing.T) {
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		base := t.TempDir()
		grow(t, base, "root/a = a", "root/b = b", "root/dir/", "root/link -> b", "root/on/")
		dir := filepath.Join(base, "root")
		r := prepare(openRoot(t, dir))
		for _, name := range []string{"/b", "/link", "/on"} {
			mounted, err := r.IsMount(name)
			require.NoError(t, err)
			assert.False(t, mounted, name)
		}
		bind(t, filepath.Join(dir, "a"), filepath.Join(dir, "b"))
		bind(t, filepath.Join(dir, "dir"), filepath.Join(dir, "on"))
		for name, want := range map[string]bool{"/b": true, "/on": true, "/a": false, "/dir": false, "/link": false} {
			mounted, err := r.IsMount(name)
			require.NoError(t, err)
			assert.Equal(t, want, mounted, name)
		}
		// What it is for: a file that is mounted cannot be moved.
		assert.ErrorIs(t, r.Rename("/b", "/c"), unix.EBUSY)
	})
}
