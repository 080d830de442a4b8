package fsys

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// Lstat implements FS.
func (r *Root) Lstat(name string) (info Info, err error) {
	err = r.at("lstat", name, func(dir int, base string) error {
		st, err := lstatat(dir, base)
		info = newInfo(&st)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return info, nil
}

// Stat implements FS.
func (r *Root) Stat(name string) (Info, error) {
	var st unix.Stat_t
	h, err := r.follow(name)
	if err == nil {
		err = unix.Fstat(h.fd, &st)
		h.close()
	}
	if err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return newInfo(&st), nil
}

// Readlink implements FS.
func (r *Root) Readlink(name string) (target string, err error) {
	err = r.at("readlink", name, func(dir int, base string) error {
		target, err = readlinkat(dir, base)
		return err
	})
	return target, err
}

// IsMount implements FS. Where statx(2) is forbidden or unknown it tells as
// little as an old kernel does.
func (r *Root) IsMount(name string) (mounted bool, err error) {
	err = r.at("statx", name, func(dir int, base string) error {
		var st unix.Statx_t
		err := restart(func() error {
			return unix.Statx(dir, base, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &st)
		})
		if err == unix.ENOSYS || err == unix.EPERM {
			_, err = lstatat(dir, base)
		}
		mounted = err == nil && st.Attributes&st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0
		return err
	})
	return mounted, err
}

// Space implements FS.
func (r *Root) Space(name string) (Space, error) {
	var st unix.Statfs_t
	h, err := r.follow(name)
	if err == nil {
		err = restart(func() error { return unix.Fstatfs(h.fd, &st) })
		h.close()
	}
	if err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	// f_frsize is the unit of f_bavail (statvfs(3)); old kernels leave it 0.
	unit := uint64(st.Frsize)
	if unit == 0 {
		unit = uint64(st.Bsize)
	}
	return Space{
		Bytes:           st.Bavail * unit,
		Inodes:          st.Ffree,
		InodesUnlimited: st.Files == 0,
		ReadOnly:        st.Flags&unix.ST_RDONLY != 0,
	}, nil
}
