package fsys_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// special puts a FIFO, a socket and, where permitted, a device into dir: to
// open one of them for reading blocks, fails or does something.
func special(t *testing.T, dir string) (names []string) {
	t.Helper()
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	t.Chdir(dir) // the name of a socket is at most 107 bytes long
	socket, err := net.Listen("unix", "socket")
	require.NoError(t, err)
	t.Cleanup(func() { socket.Close() })
	require.NoError(t, os.Chmod("socket", 0o644))
	names = []string{"fifo", "socket"}
	if unix.Mknod("device", unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))) == nil {
		names = append(names, "device")
	}
	return names
}

func TestOnlyFilesAndDirectoriesAreOpened(t *testing.T) {
	r, dir := newRoot(t, "file = x", "link -> file", "dir/")
	names := special(t, dir)
	if len(names) < 3 {
		t.Run("device", func(t *testing.T) { t.Skip("devices are not tested, they need CAP_MKNOD") })
	}
	for _, name := range names {
		for _, c := range []call{reading[6], writing[1]} { // Open, OpenAppend
			assert.Equal(t, unix.EOPNOTSUPP, code(t, c.run(r, "/"+name)), "%s %s", c.name, name)
		}
	}
	assert.Equal(t, unix.ELOOP, code(t, closed(r.Open("/link"))))
	assert.NoError(t, closed(r.Open("/dir")))
	assert.Equal(t, unix.EISDIR, code(t, closed(r.OpenAppend("/dir", 0o644))))
}

func TestOpenedFilesBlock(t *testing.T) {
	// O_NONBLOCK serves the opening only.
	r, _ := newRoot(t, "file = x")
	for _, open := range []func() (fsys.File, error){
		func() (fsys.File, error) { return r.Open("/file") },
		func() (fsys.File, error) { return r.OpenAppend("/file", 0o644) },
	} {
		f, err := open()
		require.NoError(t, err)
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
		require.NoError(t, err)
		assert.Zero(t, flags&unix.O_NONBLOCK)
		flags, err = unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		require.NoError(t, err)
		assert.NotZero(t, flags&unix.FD_CLOEXEC)
		require.NoError(t, f.Close())
	}
}

func TestCreatedFilesCanBeReadBack(t *testing.T) {
	r, dir := newRoot(t)
	f, err := r.Create("/new", 0o400)
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, "/new", f.Name())
	n, err := io.WriteString(f, "0123456789")
	require.NoError(t, err)
	assert.Equal(t, 10, n)
	part := make([]byte, 4)
	_, err = f.ReadAt(part, 3)
	require.NoError(t, err)
	assert.Equal(t, "3456", string(part))
	n, err = f.ReadAt(part, 8)
	assert.Equal(t, 2, n)
	assert.Equal(t, io.EOF, err)
	require.NoError(t, f.Truncate(5))
	require.NoError(t, f.Sync())
	text, err := os.ReadFile(filepath.Join(dir, "new"))
	require.NoError(t, err)
	assert.Equal(t, "01234", string(text))
}

func TestOpenAppendAppends(t *testing.T) {
	r, dir := newRoot(t, "old = old")
	require.NoError(t, os.Chmod(filepath.Join(dir, "old"), 0o640))
	for _, name := range []string{"/old", "/new"} {
		for range 2 {
			f, err := r.OpenAppend(name, 0o600)
			require.NoError(t, err)
			_, err = io.WriteString(f, "+line")
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
	}
	got, err := read(r, "/old")
	require.NoError(t, err)
	assert.Equal(t, "old+line+line", got)
	got, err = read(r, "/new")
	require.NoError(t, err)
	assert.Equal(t, "+line+line", got)
	info, err := r.Lstat("/old")
	require.NoError(t, err)
	assert.EqualValues(t, 0o640, info.Mode, "a file that exists keeps its permissions")
}

func TestAFullDiskIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a full disk is not tested, it needs CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	r := openRoot(t, dir)
	f, err := r.Create("/big", 0o600)
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, unix.ENOSPC, code(t, f.Reserve(1<<20)))
	n, err := f.Write(make([]byte, 1<<20))
	assert.Equal(t, unix.ENOSPC, code(t, err), "a short write goes on until it is none")
	info, serr := f.Stat()
	require.NoError(t, serr)
	assert.EqualValues(t, n, info.Size)
	assert.NotZero(t, n)
}
