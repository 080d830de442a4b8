package fsys_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

func TestFileMetadata(t *testing.T) {
	r, dir := newRoot(t)
	f, err := r.Create("/file", 0o600)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Chmod(0o751|fs.ModeSetuid|fs.ModeSticky))
	when := time.Unix(1_234_567_890, 987_654_321)
	before := atime(t, filepath.Join(dir, "file"))
	require.NoError(t, f.SetMtime(when))
	assert.Equal(t, before, atime(t, filepath.Join(dir, "file")), "the access time is left alone")
	info, err := f.Stat()
	require.NoError(t, err)
	assert.Equal(t, 0o751|fs.ModeSetuid|fs.ModeSticky, info.Mode)
	host, err := os.Stat(filepath.Join(dir, "file"))
	require.NoError(t, err)
	assert.Equal(t, host.Mode(), info.Mode)
	assert.True(t, when.Equal(host.ModTime()))
	assert.True(t, when.Equal(info.Mtime))

	if os.Geteuid() != 0 {
		assert.Equal(t, unix.EPERM, code(t, f.Chown(0, 0)))
		return
	}
	require.NoError(t, f.Chown(12345, 23456))
	info, err = f.Stat()
	require.NoError(t, err)
	assert.Equal(t, [2]int{12345, 23456}, [2]int{info.UID, info.GID})
}

func atime(t *testing.T, name string) unix.Timespec {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Lstat(name, &st))
	return st.Atim
}

func TestReserveKeepsTheSize(t *testing.T) {
	r, _ := newRoot(t)
	f, err := r.Create("/file", 0o600)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Reserve(1<<20))
	require.NoError(t, f.Reserve(0))
	info, err := f.Stat()
	require.NoError(t, err)
	assert.Zero(t, info.Size)
}

func TestXattrs(t *testing.T) {
	r, dir := newRoot(t)
	f, err := r.Create("/file", 0o600)
	require.NoError(t, err)
	defer f.Close()
	if err := f.SetXattr("user.koweld", []byte("value\x00binary")); err != nil {
		require.Equal(t, unix.EOPNOTSUPP, code(t, err))
		t.Skip("extended attributes are not tested, this file system has none")
	}
	require.NoError(t, f.SetXattr("user.empty", nil))
	got, err := f.Xattrs()
	require.NoError(t, err)
	assert.Equal(t, []byte("value\x00binary"), got["user.koweld"])
	assert.Equal(t, []byte{}, got["user.empty"])
	buf := make([]byte, 100)
	n, err := unix.Getxattr(filepath.Join(dir, "file"), "user.koweld", buf)
	require.NoError(t, err)
	assert.Equal(t, "value\x00binary", string(buf[:n]))
}

func TestAFileSystemWithoutXattrsHasNone(t *testing.T) {
	r := openRootSlash(t)
	f, err := r.Open("/proc/version")
	require.NoError(t, err)
	defer f.Close()
	got, err := f.Xattrs()
	require.NoError(t, err)
	assert.Empty(t, got)
}

// dpkg's locks are of processes: another one is the test itself, called again.
func TestLockRecordExcludesAnotherProcess(t *testing.T) {
	const child = "KOWELD_TEST_LOCK"
	if dir := os.Getenv(child); dir != "" {
		r, err := fsys.OpenRoot(dir)
		require.NoError(t, err)
		f, err := r.OpenAppend("/lock", 0o640)
		require.NoError(t, err)
		holder, err := f.LockRecord()
		fmt.Printf("holder %d: %v\n", holder, errors.Is(err, unix.EWOULDBLOCK))
		return
	}
	r, dir := newRoot(t)
	other := func() string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLockRecordExcludesAnotherProcess$")
		cmd.Env = append(os.Environ(), child+"="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	f, err := r.OpenAppend("/lock", 0o640)
	require.NoError(t, err)
	_, err = f.LockRecord()
	require.NoError(t, err)
	_, err = f.LockRecord()
	require.NoError(t, err, "it holds it already")
	assert.Contains(t, other(), fmt.Sprintf("holder %d: true", os.Getpid()))
	require.NoError(t, f.Close())
	assert.Contains(t, other(), "holder 0: false")
}

func TestLockExcludesAnotherOpenFile(t *testing.T) {
	r, _ := newRoot(t)
	first, err := r.OpenAppend("/lock", 0o600)
	require.NoError(t, err)
	second, err := r.OpenAppend("/lock", 0o600)
	require.NoError(t, err)
	defer second.Close()
	require.NoError(t, first.Lock())
	require.NoError(t, first.Lock(), "it holds it already")
	assert.Equal(t, unix.EWOULDBLOCK, code(t, second.Lock()))
	require.NoError(t, first.Close())
	assert.NoError(t, second.Lock())
}
