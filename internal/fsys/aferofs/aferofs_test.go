package aferofs_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/fsys/aferofs"
)

func newFs(t *testing.T) (a afero.Fs, dir string) {
	t.Helper()
	dir = t.TempDir()
	r, err := fsys.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return aferofs.New(r), dir
}

func TestWriteFileReadFile(t *testing.T) {
	a, dir := newFs(t)
	require.NoError(t, a.MkdirAll("usr/lib", 0o755))
	require.NoError(t, os.Symlink("/usr/lib", filepath.Join(dir, "lib")))
	require.NoError(t, afero.WriteFile(a, "/lib/file", []byte("longer text"), 0o640))
	require.NoError(t, afero.WriteFile(a, "lib/file", []byte("short"), 0o600))
	host, err := os.ReadFile(filepath.Join(dir, "usr/lib/file"))
	require.NoError(t, err)
	assert.Equal(t, "short", string(host))
	text, err := afero.ReadFile(a, "/lib/file")
	require.NoError(t, err)
	assert.Equal(t, "short", string(text))
	info, err := a.Stat("/lib/file")
	require.NoError(t, err)
	assert.EqualValues(t, 0o640, info.Mode())
}

func TestWalk(t *testing.T) {
	a, dir := newFs(t)
	require.NoError(t, a.MkdirAll("/a/b", 0o755))
	require.NoError(t, afero.WriteFile(a, "/a/b/file", []byte("x"), 0o600))
	require.NoError(t, os.Symlink("b", filepath.Join(dir, "a/link")))
	var got []string
	require.NoError(t, afero.Walk(a, "/", func(p string, info fs.FileInfo, err error) error {
		got = append(got, info.Mode().Type().String()[:1]+p)
		return err
	}))
	assert.Equal(t, []string{"d/", "d/a", "d/a/b", "-/a/b/file", "L/a/link"}, got)
}

func TestReadDirInPieces(t *testing.T) {
	a, _ := newFs(t)
	for _, name := range []string{"c", "a", "b"} {
		require.NoError(t, a.Mkdir(name, 0o755))
	}
	infos, err := afero.ReadDir(a, "/")
	require.NoError(t, err)
	assert.Len(t, infos, 3)
	d, err := a.Open("/")
	require.NoError(t, err)
	defer d.Close()
	names, err := d.Readdirnames(2)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, names)
	names, err = d.Readdirnames(2)
	require.NoError(t, err)
	assert.Equal(t, []string{"c"}, names)
	_, err = d.Readdirnames(2)
	assert.Equal(t, io.EOF, err)
	names, err = d.Readdirnames(-1)
	require.NoError(t, err)
	assert.Empty(t, names)
}

func TestTempFile(t *testing.T) {
	a, dir := newFs(t)
	require.NoError(t, a.Mkdir("/tmp", 0o755))
	f, err := afero.TempFile(a, "/tmp", "x*y")
	require.NoError(t, err)
	_, err = f.WriteString("hello ")
	require.NoError(t, err)
	_, err = f.Write([]byte("world"))
	require.NoError(t, err)
	_, err = f.Seek(-5, io.SeekEnd)
	require.NoError(t, err)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "world", string(text))
	require.NoError(t, f.Truncate(0))
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	_, err = f.WriteString("again")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	host, err := os.ReadFile(filepath.Join(dir, f.Name()))
	require.NoError(t, err)
	assert.Equal(t, "again", string(host))
}

func TestWritesGoToTheEndOnly(t *testing.T) {
	a, _ := newFs(t)
	f, err := a.Create("/file")
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString("12345")
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("x"), 2)
	assert.ErrorIs(t, err, unix.EOPNOTSUPP)
	_, err = f.Seek(2, io.SeekStart)
	require.NoError(t, err)
	_, err = f.WriteString("x")
	assert.ErrorIs(t, err, unix.EOPNOTSUPP)
	_, err = f.Seek(-1, io.SeekStart)
	assert.ErrorIs(t, err, unix.EINVAL)

	g, err := a.OpenFile("/file", os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	defer g.Close()
	_, err = g.WriteString("6")
	require.NoError(t, err)
	text, err := afero.ReadFile(a, "/file")
	require.NoError(t, err)
	assert.Equal(t, "123456", string(text))
}

func TestOpenFileFlags(t *testing.T) {
	a, dir := newFs(t)
	require.NoError(t, os.Symlink("none", filepath.Join(dir, "dangling")))
	_, err := a.OpenFile("/none", os.O_RDWR, 0o644)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = a.Create("/dangling")
	assert.ErrorIs(t, err, unix.ELOOP)
	f, err := a.OpenFile("/new", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = a.OpenFile("/new", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	assert.ErrorIs(t, err, fs.ErrExist)
}

func TestChangesFollowLinks(t *testing.T) {
	a, dir := newFs(t)
	require.NoError(t, afero.WriteFile(a, "/file", []byte("x"), 0o600))
	links := a.(afero.Symlinker)
	require.NoError(t, links.SymlinkIfPossible("/file", "link"))
	when := time.Unix(1_000_000_000, 0)
	require.NoError(t, a.Chmod("/link", 0o640))
	require.NoError(t, a.Chtimes("/link", time.Now(), when))
	require.NoError(t, a.Chown("/link", os.Getuid(), os.Getgid()))
	info, err := os.Stat(filepath.Join(dir, "file"))
	require.NoError(t, err)
	assert.EqualValues(t, 0o640, info.Mode())
	assert.True(t, when.Equal(info.ModTime()))
	text, err := links.ReadlinkIfPossible("/link")
	require.NoError(t, err)
	assert.Equal(t, "/file", text)
	linfo, did, err := links.LstatIfPossible("/link")
	require.NoError(t, err)
	assert.True(t, did)
	assert.Equal(t, fs.ModeSymlink, linfo.Mode().Type())
}

func TestRemoveAndRename(t *testing.T) {
	a, dir := newFs(t)
	require.NoError(t, a.MkdirAll("/d/e", 0o755))
	require.NoError(t, afero.WriteFile(a, "/d/f", nil, 0o600))
	assert.ErrorIs(t, a.Remove("/d"), unix.ENOTEMPTY)
	require.NoError(t, a.Rename("/d/f", "/d/g"))
	require.NoError(t, a.Remove("/d/g"))
	require.NoError(t, a.Remove("/d/e"))
	require.NoError(t, a.RemoveAll("/d"))
	assert.ErrorIs(t, a.Remove("/d"), fs.ErrNotExist)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestNoNameLeavesTheRoot(t *testing.T) {
	a, dir := newFs(t)
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "canary"), []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "out")))
	for _, name := range []string{"/out/canary", "../../../.." + outside + "/canary", outside + "/canary"} {
		_, err := afero.ReadFile(a, name)
		assert.ErrorIs(t, err, fs.ErrNotExist, name)
		assert.Error(t, afero.WriteFile(a, name, []byte("x"), 0o600), name)
	}
	text, err := os.ReadFile(filepath.Join(outside, "canary"))
	require.NoError(t, err)
	assert.Equal(t, "secret", string(text))
}
