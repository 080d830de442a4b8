package fsys_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/fsys/realfs"
)

func TestKernelsThatReportWriteErrors(t *testing.T) {
	tests := []struct {
		release string
		want    bool
	}{
		{"4.15.0-213-generic", false},
		{"5.10.0-32-amd64", false},
		{"5.16.20", false},
		{"5.17", true},
		{"5.17-rc3", true},
		{"5.17.0-1-amd64", true},
		{"6.1.0-56-amd64", true},
		{"6.0+", true},
		{"10.0", true},
		{"5", false},
		{"", false},
		{"six.1", false},
	}
	for _, tt := range tests {
		t.Run(tt.release, func(t *testing.T) { assert.Equal(t, tt.want, fsys.KernelReports(tt.release)) })
	}
}

func TestAFileSystemOfWhichNothingIsKnown(t *testing.T) {
	r, err := fsys.OpenRoot("/proc")
	require.NoError(t, err)
	defer r.Close()
	_, err = r.OpenVolume("/")
	assert.Equal(t, unix.EOPNOTSUPP, code(t, err))
}

func TestAVolumeIsTheDeviceOfItsFolder(t *testing.T) {
	v := realfs.New(t, realfs.Tmpfs, filepath.Join(t.TempDir(), "mnt"), 64, 16)
	r, err := fsys.OpenRoot(filepath.Dir(v.Dir))
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, os.Symlink("mnt", filepath.Join(r.Host("/"), "link")))
	for _, name := range []string{"/mnt", "/link"} {
		info, err := r.Stat(name)
		require.NoError(t, err)
		volume, err := r.OpenVolume(name)
		require.NoError(t, err)
		assert.Equal(t, info.Dev, volume.Dev())
		assert.NoError(t, volume.Sync())
		require.NoError(t, volume.Close())
		assert.ErrorIs(t, volume.Sync(), os.ErrClosed)
	}
}

// Below the file system the disk breaks. What was written before Sync is lost,
// and it says so, once, whoever wrote the bytes back.
func TestAVolumeTellsOfFailedWrites(t *testing.T) {
	for _, early := range []bool{false, true} {
		v := realfs.Brittle(t, filepath.Join(t.TempDir(), "mnt"))
		r, err := fsys.OpenRoot(v.Dir)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, r.Close()) })
		volume, err := r.OpenVolume("/")
		require.NoError(t, err)
		sound, err := r.OpenVolume("/")
		require.NoError(t, err)
		require.NoError(t, sound.Sync(), "before the disk breaks")
		f, err := r.Create("/f", 0o600)
		require.NoError(t, err)
		_, err = f.Write(make([]byte, 1<<20))
		require.NoError(t, err, "the page cache takes it")
		v.Wear()
		if early { // as the kernel does after a while
			_ = f.WriteOut()
			fd, err := os.Open(filepath.Join(v.Dir, "f"))
			require.NoError(t, err)
			_ = unix.SyncFileRange(int(fd.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
			require.NoError(t, fd.Close())
		}
		require.NoError(t, f.Close())
		assert.Error(t, volume.Sync())
		assert.NoError(t, volume.Sync(), "it is told once")
		late, err := r.OpenVolume("/")
		require.NoError(t, err)
		assert.NoError(t, late.Sync(), "what was opened too late knows nothing")
		require.NoError(t, late.Close())
		require.NoError(t, volume.Close())
		require.NoError(t, sound.Close())
	}
}
