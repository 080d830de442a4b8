package fsys_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"koweld/internal/fsys"
)

func TestReadFile(t *testing.T) {
	r, dir := newRoot(t, "five = 12345", "empty = ", "dir/", "link -> five")
	special(t, dir)
	tests := []struct {
		name  string
		in    string
		limit int64
		want  string
		err   string
	}{
		{"whole", "/five", 100, "12345", ""},
		{"exactly the limit", "/five", 5, "12345", ""},
		{"one more", "/five", 4, "", "cannot read /five: it is larger than 4 bytes"},
		{"empty", "/empty", 0, "", ""},
		{"directory", "/dir", 100, "", "read /dir: is a directory"},
		{"link", "/link", 100, "", "open /link: too many levels of symbolic links"},
		{"FIFO", "/fifo", 100, "", "open /fifo: operation not supported"},
		{"missing", "/none", 100, "", "open /none: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := fsys.ReadFile(r, tt.in, tt.limit)
			if tt.err != "" {
				assert.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, string(got))
		})
	}
}

func TestReadFileDoesNotBelieveTheSize(t *testing.T) {
	r := openRootSlash(t)
	want, err := os.ReadFile("/proc/self/status") // its size is 0
	require.NoError(t, err)
	name, err := r.Resolve("/proc/self/status")
	require.NoError(t, err)
	got, err := fsys.ReadFile(r, name, 1<<20)
	require.NoError(t, err)
	first, _, _ := bytes.Cut(want, []byte("\n"))
	assert.True(t, bytes.HasPrefix(got, first))
	_, err = fsys.ReadFile(r, name, 10)
	var large *fsys.SizeError
	assert.ErrorAs(t, err, &large)
}

func TestMkdirAll(t *testing.T) {
	r, dir := newRoot(t, "usr/lib/", "lib -> usr/lib", "file = x", "dangling -> none")
	made, err := fsys.MkdirAll(r, "/lib/modules/6.1/kernel", 0o750)
	require.NoError(t, err)
	assert.Equal(t, []string{"/lib/modules", "/lib/modules/6.1", "/lib/modules/6.1/kernel"}, made)
	assert.DirExists(t, filepath.Join(dir, "usr/lib/modules/6.1/kernel"))

	for _, name := range []string{"/lib/modules/6.1/kernel", "/lib", "/"} {
		made, err = fsys.MkdirAll(r, name, 0o755)
		require.NoError(t, err)
		assert.Empty(t, made)
	}
	for name, want := range map[string]error{
		"/file": unix.ENOTDIR, "/file/x/y": unix.ENOTDIR, "/dangling": unix.ENOENT, "/dangling/x": unix.ENOENT, "bad": unix.EINVAL,
	} {
		made, err = fsys.MkdirAll(r, name, 0o755)
		assert.ErrorIs(t, err, want, name)
		assert.Empty(t, made)
	}
}

// noMkdir is a file system on which one directory cannot be made.
type noMkdir struct {
	fsys.FS
	name string
}

var errNoMkdir = errors.New("injected")

func (n noMkdir) Mkdir(name string, perm os.FileMode) error {
	if name == n.name {
		// As on a real one, the parent comes first.
		if _, err := n.Lstat(filepath.Dir(name)); err != nil {
			return err
		}
		return errNoMkdir
	}
	return n.FS.Mkdir(name, perm)
}

func TestMkdirAllTellsWhatItMadeBeforeItFailed(t *testing.T) {
	r, _ := newRoot(t, "a/")
	made, err := fsys.MkdirAll(noMkdir{r, "/a/b/c/d"}, "/a/b/c/d/e", 0o755)
	assert.Equal(t, errNoMkdir, err)
	assert.Equal(t, []string{"/a/b", "/a/b/c"}, made)
}

func TestRemoveAll(t *testing.T) {
	r, dir := newRoot(t, "keep/file = x", "stage/a/b = y", "stage/link -> /keep", "stage/up -> ..", "stage/dangling -> none", "link -> keep")
	special(t, filepath.Join(dir, "stage"))
	require.NoError(t, fsys.RemoveAll(r, "/stage"))
	require.NoError(t, fsys.RemoveAll(r, "/stage"), "twice is once")
	require.NoError(t, fsys.RemoveAll(r, "/none/x"))
	require.NoError(t, fsys.RemoveAll(r, "/link"))
	assert.Equal(t, unix.EBUSY, code(t, fsys.RemoveAll(r, "/")))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	assert.FileExists(t, filepath.Join(dir, "keep/file"))
}

func TestExists(t *testing.T) {
	r, _ := newRoot(t, "file = x", "dangling -> none", "loop -> loop")
	for name, want := range map[string]bool{"/": true, "/file": true, "/dangling": true, "/none": false, "/none/x": false, "/file/x": false} {
		got, err := fsys.Exists(r, name)
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	for _, name := range []string{"/loop/x", "bad"} {
		_, err := fsys.Exists(r, name)
		assert.Error(t, err, name)
	}
}

func TestMkdirAllThenRemoveIsIdentity(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		growRandom(t, dir)
		r, err := fsys.OpenRoot(dir)
		require.NoError(t, err)
		defer r.Close()
		before := look(t, r, "/")
		name := path().Draw(t, "name")
		made, err := fsys.MkdirAll(r, name, 0o755)
		if err == nil {
			info, err := r.Stat(name)
			require.NoError(t, err)
			require.True(t, info.IsDir())
		}
		for i := range made {
			require.NoError(t, r.Rmdir(made[len(made)-1-i]))
		}
		require.Equal(t, before.entries, look(t, r, "/").entries)
		again, err2 := fsys.MkdirAll(r, name, 0o755)
		require.Equal(t, made, again)
		require.Equal(t, err == nil, err2 == nil)
	})
}
