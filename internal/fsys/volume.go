package fsys

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// volume is the Volume of a Root: a descriptor, of the directory by which the
// file system was opened.
type volume struct {
	file
	dev uint64
}

// OpenVolume implements FS.
//
// The kernel compares the write errors of a file system with those that were
// there when the descriptor was opened (f_sb_err in include/linux/fs.h). It
// does so since Linux 5.8; but until 5.17 syncfs(2) ignored what the file
// system itself answers (sync_filesystem in fs/sync.c). And it depends on the
// file system: overlayfs tells nothing of the one below it, FUSE and network
// file systems what their servers like. So there is a list of those known.
func (r *Root) OpenVolume(name string) (Volume, error) {
	v := &volume{}
	err := r.withReal("open", name, unix.O_DIRECTORY, func(fd int) error {
		if err := reportsWrites(fd); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		v.dev = st.Dev
		kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) // the same open file
		if err == nil {
			v.f = os.NewFile(uintptr(kept), name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// reportsWrites is EOPNOTSUPP unless syncfs(2) can be relied upon.
func reportsWrites(fd int) error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	if !kernelReports(unix.ByteSliceToString(uts.Release[:])) {
		return unix.EOPNOTSUPP
	}
	switch int64(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return nil
	}
	return unix.EOPNOTSUPP
}

// kernelReports reports whether a release is 5.17 or newer.
func kernelReports(release string) bool {
	first, rest, _ := strings.Cut(release, ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return false
	}
	end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(rest)
	}
	minor, err := strconv.Atoi(rest[:end])
	return major > 5 || err == nil && major == 5 && minor >= 17
}

func (v *volume) Dev() uint64 { return v.dev }

// Sync is syncfs(2). An ext4 that has become read-only by an error passes it
// silently; fsync(2) of anything there does not (ext4_sync_file).
func (v *volume) Sync() error {
	if err := v.call("syncfs", unix.Syncfs); err != nil {
		return err
	}
	return v.file.Sync()
}

// WriteOut is sync_file_range(2). Where there is none, fsync(2) does more.
func (f *file) WriteOut() error {
	err := f.call("sync_file_range", func(fd int) error {
		return unix.SyncFileRange(fd, 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	})
	if e := errno(err); e == unix.ENOSYS || e == unix.EPERM {
		return f.Sync()
	}
	return err
}
