package fsys_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

func TestLstatAndReadlinkDoNotFollow(t *testing.T) {
	r, _ := newRoot(t, "file = text", "link -> /file")
	info, err := r.Lstat("/link")
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSymlink, info.Mode.Type())
	text, err := r.Readlink("/link")
	require.NoError(t, err)
	assert.Equal(t, "/file", text)
	_, err = r.Readlink("/file")
	assert.Equal(t, unix.EINVAL, code(t, err))
	info, err = r.Stat("/link")
	require.NoError(t, err)
	assert.True(t, info.IsRegular())
	assert.EqualValues(t, 4, info.Size)
}

func TestInfoIsWhatTheHostSays(t *testing.T) {
	r, dir := newRoot(t, "file = text", "dir/", "link -> x")
	require.NoError(t, os.Chmod(filepath.Join(dir, "file"), 0o640|fs.ModeSetuid|fs.ModeSetgid))
	require.NoError(t, os.Chmod(filepath.Join(dir, "dir"), 0o777|fs.ModeSticky))
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	names := []string{"file", "dir", "link", "fifo"}
	if unix.Mknod(filepath.Join(dir, "char"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) == nil {
		names = append(names, "char")
	}
	for _, name := range names {
		want, err := os.Lstat(filepath.Join(dir, name))
		require.NoError(t, err)
		info, err := r.Lstat("/" + name)
		require.NoError(t, err)
		assert.Equal(t, want.Mode(), info.Mode, name)
		assert.Equal(t, want.Size(), info.Size, name)
		assert.True(t, want.ModTime().Equal(info.Mtime), name)
		std := info.FileInfo("/" + name)
		assert.Equal(t, name, std.Name())
		assert.Equal(t, want.IsDir(), std.IsDir())
		assert.Equal(t, info, std.Sys())
	}
}

func TestReadDirIsSorted(t *testing.T) {
	r, _ := newRoot(t, "d/b = bb", "d/a/", "d/c -> b", "link -> d")
	entries, err := r.ReadDir("/d")
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		assert.Equal(t, e.Type(), info.Mode().Type())
		got = append(got, e.Type().String()+" "+e.Name())
	}
	assert.Equal(t, []string{"d--------- a", "---------- b", "L--------- c"}, got)
	_, err = r.ReadDir("/link")
	assert.Equal(t, unix.ENOTDIR, code(t, err))
}

func TestMkdirAndCreateGiveExactPermissions(t *testing.T) {
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		old := unix.Umask(0o077)
		defer unix.Umask(old)
		r, dir := newRoot(t, "setgid/")
		prepare(r)
		require.NoError(t, os.Chmod(filepath.Join(dir, "setgid"), 0o755|fs.ModeSetgid))
		for _, below := range []string{"/", "/setgid/"} {
			for _, perm := range []fs.FileMode{0o755, 0o777, 0o600, 0o444, 0, 0o777 | fs.ModeSticky} {
				name := below + "d" + perm.String()
				require.NoError(t, r.Mkdir(name, perm))
				info, err := r.Lstat(name)
				require.NoError(t, err)
				assert.Equal(t, perm|fs.ModeDir, info.Mode)
				assert.Equal(t, unix.EEXIST, code(t, r.Mkdir(name, perm)))

				for kind, open := range map[string]func(string, fs.FileMode) (fsys.File, error){
					"f": r.Create, "a": r.OpenAppend,
				} {
					name = below + kind + perm.String()
					require.NoError(t, closed(open(name, perm)))
					info, err = r.Lstat(name)
					require.NoError(t, err)
					assert.Equal(t, perm, info.Mode)
				}
			}
		}
	})
}

func TestCreateFollowsAndReplacesNothing(t *testing.T) {
	r, dir := newRoot(t, "file = old", "link -> file", "dangling -> none")
	for _, name := range []string{"/file", "/link", "/dangling", "/"} {
		assert.Equal(t, unix.EEXIST, code(t, closed(r.Create(name, 0o644))), name)
	}
	assert.NoFileExists(t, filepath.Join(dir, "none"))
	assert.Equal(t, unix.ELOOP, code(t, closed(r.OpenAppend("/dangling", 0o644))))
	assert.NoFileExists(t, filepath.Join(dir, "none"))
}

func TestUnlinkAndRmdir(t *testing.T) {
	r, dir := newRoot(t, "d/f = x", "link -> d")
	assert.Equal(t, unix.ENOTEMPTY, code(t, r.Rmdir("/d")))
	assert.Equal(t, unix.EISDIR, code(t, r.Unlink("/d")))
	assert.Equal(t, unix.ENOTDIR, code(t, r.Rmdir("/link")))
	require.NoError(t, r.Unlink("/link/f"))
	require.NoError(t, r.Unlink("/link"))
	require.NoError(t, r.Rmdir("/d"))
	assert.Equal(t, unix.ENOENT, code(t, r.Unlink("/d")))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestSymlinkAndLink(t *testing.T) {
	r, _ := newRoot(t, "file = x", "d/", "to-d -> d")
	require.NoError(t, r.Symlink("../../any text", "/to-d/link"))
	text, err := r.Readlink("/d/link")
	require.NoError(t, err)
	assert.Equal(t, "../../any text", text)
	assert.Equal(t, unix.EINVAL, code(t, r.Symlink("a\x00", "/nul")))
	assert.Equal(t, unix.EEXIST, code(t, r.Symlink("x", "/file")))

	require.NoError(t, r.Link("/file", "/to-d/second"))
	a, err := r.Lstat("/file")
	require.NoError(t, err)
	b, err := r.Lstat("/d/second")
	require.NoError(t, err)
	assert.True(t, a.SameFile(b))
	assert.EqualValues(t, 2, a.Nlink)
	// A link to a symbolic link is a link to it, not to its target.
	require.NoError(t, r.Link("/to-d", "/third"))
	text, err = r.Readlink("/third")
	require.NoError(t, err)
	assert.Equal(t, "d", text)
	assert.Equal(t, unix.EEXIST, code(t, r.Link("/file", "/third")))
}

func TestRename(t *testing.T) {
	r, _ := newRoot(t, "d/a = a", "b = b", "to-d -> d")
	require.NoError(t, r.Rename("/to-d/a", "/b"))
	got, err := read(r, "/b")
	require.NoError(t, err)
	assert.Equal(t, "a", got)
	err = r.Rename("/none", "/b")
	assert.EqualError(t, err, "rename /none /b: no such file or directory")
}

func TestRenameNoReplaceKeepsWhatIsThere(t *testing.T) {
	r, _ := newRoot(t, "a = a", "b = b", "link -> none", "d/x = x", "e/")
	assert.Equal(t, unix.EEXIST, code(t, r.RenameNoReplace("/a", "/b")))
	assert.Equal(t, unix.EEXIST, code(t, r.RenameNoReplace("/a", "/link")))
	assert.Equal(t, unix.ENOENT, code(t, r.RenameNoReplace("/none", "/new")))
	for _, name := range []string{"/a", "/b"} {
		got, err := read(r, name)
		require.NoError(t, err)
		assert.Equal(t, name[1:], got)
	}
	require.NoError(t, r.RenameNoReplace("/a", "/d/a"))
	require.NoError(t, r.RenameNoReplace("/link", "/d/link"))
	gone, err := fsys.Exists(r, "/a")
	require.NoError(t, err)
	assert.False(t, gone)
	got, err := read(r, "/d/a")
	require.NoError(t, err)
	assert.Equal(t, "a", got)
	text, err := r.Readlink("/d/link")
	require.NoError(t, err)
	assert.Equal(t, "none", text)
}

func TestRenameNoReplaceMovesDirectories(t *testing.T) {
	r, _ := newRoot(t, "d/x = x", "e/")
	assert.Equal(t, unix.EEXIST, code(t, r.RenameNoReplace("/d", "/e")))
	require.NoError(t, r.RenameNoReplace("/d", "/f"))
	got, err := read(r, "/f/x")
	require.NoError(t, err)
	assert.Equal(t, "x", got)
}

func TestExchangeIsAtomic(t *testing.T) {
	r, dir := newRoot(t, "a = one", "b = two", "c -> none")
	stop := meanwhile(t, func() { assert.NoError(t, r.Exchange("/a", "/b")) })
	for range 2000 {
		text, err := os.ReadFile(filepath.Join(dir, "a"))
		if assert.NoError(t, err) { // there is one at every instant
			assert.Contains(t, []string{"one", "two"}, string(text))
		}
	}
	stop()
	assert.Equal(t, unix.ENOENT, code(t, r.Exchange("/a", "/none")))
	require.NoError(t, r.Exchange("/a", "/c"))
	text, err := r.Readlink("/a")
	require.NoError(t, err)
	assert.Equal(t, "none", text)
}

func TestSyncFollowsLinks(t *testing.T) {
	r, _ := newRoot(t, "usr/lib/x = x", "lib -> /usr/lib")
	for _, name := range []string{"/", "/lib", "/usr/lib"} {
		assert.NoError(t, r.SyncDir(name), name)
		assert.NoError(t, syncVolume(r, name), name)
	}
	assert.Equal(t, unix.ENOTDIR, code(t, r.SyncDir("/lib/x")))
	assert.Equal(t, unix.ENOTDIR, code(t, syncVolume(r, "/lib/x")))
	assert.Equal(t, unix.ENOENT, code(t, syncVolume(r, "/none")))
}

func TestSpaceIsWhatStatfsSays(t *testing.T) {
	r, dir := newRoot(t, "d/", "link -> /d")
	got, err := r.Space("/link")
	require.NoError(t, err)
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &st))
	// Others write meanwhile: within a half is not another unit.
	assert.InEpsilon(t, float64(st.Bavail)*float64(st.Frsize), float64(got.Bytes), 0.5)
	assert.Equal(t, st.Files == 0, got.InodesUnlimited)
	_, err = r.Space("/none")
	assert.Equal(t, unix.ENOENT, code(t, err))
}
