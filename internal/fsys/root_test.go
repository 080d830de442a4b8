package fsys_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

func TestOpenRootRefusesWhatIsNoDirectory(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "file = x")
	_, err := fsys.OpenRoot(filepath.Join(dir, "file"))
	assert.Equal(t, unix.ENOTDIR, code(t, err))
	_, err = fsys.OpenRoot(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestNamesHaveOneSpelling(t *testing.T) {
	names := []struct {
		name string
		in   string
		want unix.Errno
	}{
		{"empty", "", unix.EINVAL},
		{"relative", "dir/file", unix.EINVAL},
		{"dot", ".", unix.EINVAL},
		{"parent", "/dir/../file", unix.EINVAL},
		{"parent of the root", "/..", unix.EINVAL},
		{"dot inside", "/dir/./file", unix.EINVAL},
		{"double slash", "/dir//file", unix.EINVAL},
		{"double slash in front", "//dir", unix.EINVAL},
		{"trailing slash", "/dir/", unix.EINVAL},
		{"NUL", "/dir\x00", unix.EINVAL},
		{"long", "/" + strings.Repeat("x/", 2047) + "x", unix.ENAMETOOLONG}, // 4096 bytes
		{"long component", "/" + strings.Repeat("x", 256), unix.ENAMETOOLONG},
	}
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		r, _ := newRoot(t, "source = s", "dir/file = x")
		prepare(r)
		for _, n := range names {
			for _, c := range allCalls() {
				assert.Equal(t, n.want, code(t, c.run(r, n.in)), "%s of %s", c.name, n.name)
			}
		}
	})
}

func TestTheLongestNameIsWalked(t *testing.T) {
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		r, _ := newRoot(t)
		prepare(r)
		name := "/" + strings.Repeat("x/", 2046) + "xx" // 4095 bytes
		for _, c := range allCalls() {
			assert.Equal(t, unix.ENOENT, code(t, c.run(r, name)), c.name)
		}
	})
}

func TestErrorsNameNothingOfTheHost(t *testing.T) {
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		r, dir := newRoot(t, "file = x", "loop -> loop")
		prepare(r)
		for _, name := range []string{"/none/x", "/file/x", "/loop/x", "bad"} {
			for _, c := range allCalls() {
				err := c.run(r, name)
				require.Error(t, err, "%s %s", c.name, name)
				assert.NotContains(t, err.Error(), dir)
				assert.Contains(t, err.Error(), name)
			}
		}
		f, err := r.Create("/closed", 0o600)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		_, err = f.Stat()
		assert.ErrorIs(t, err, os.ErrClosed)
		assert.EqualError(t, err, "stat /closed: file already closed")
	})
}

func TestTheRootItself(t *testing.T) {
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		r, dir := newRoot(t, "a = x")
		prepare(r)
		info, err := r.Lstat("/")
		require.NoError(t, err)
		assert.True(t, info.IsDir())
		entries, err := r.ReadDir("/")
		require.NoError(t, err)
		assert.Len(t, entries, 1)
		resolved, err := r.Resolve("/")
		require.NoError(t, err)
		assert.Equal(t, "/", resolved)
		assert.NoError(t, r.SyncDir("/"))
		for _, c := range writing {
			assert.Error(t, c.run(r, "/"), c.name)
		}
		assert.DirExists(t, dir)
	})
}

func TestTheRootStaysTheRootWhenItIsMoved(t *testing.T) {
	dir := t.TempDir()
	grow(t, dir, "old/file = mine")
	r := openRoot(t, filepath.Join(dir, "old"))
	require.NoError(t, os.Rename(filepath.Join(dir, "old"), filepath.Join(dir, "new")))
	grow(t, dir, "old/file = another")
	got, err := read(r, "/file")
	require.NoError(t, err)
	assert.Equal(t, "mine", got)
}

func TestHostIsBelowTheRoot(t *testing.T) {
	r, dir := newRoot(t)
	for name, want := range map[string]string{
		"/":           dir,
		"/lib/x":      dir + "/lib/x",
		"/../../etc":  dir + "/etc",
		"../../etc":   dir + "/etc",
		"/a/../../..": dir,
	} {
		assert.Equal(t, want, r.Host(name), name)
	}
	slash := openRootSlash(t)
	assert.Equal(t, "/lib", slash.Host("/lib"))
}

func openRootSlash(t *testing.T) *fsys.Root {
	r, err := fsys.OpenRoot("/")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func TestAClosedRootRefuses(t *testing.T) {
	dir := t.TempDir()
	r, err := fsys.OpenRoot(dir)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	for _, c := range allCalls() {
		assert.Equal(t, unix.EBADF, code(t, c.run(r, "/a/b")), c.name)
	}
	assert.Error(t, r.Close())
}
