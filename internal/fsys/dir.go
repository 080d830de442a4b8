package fsys

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// ReadDir implements FS. The entries carry what lstat(2) said while the
// directory was open: an fs.DirEntry of package os would ask by a path of the
// host.
func (r *Root) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = r.at("readdir", name, func(dir int, base string) error {
		fd, err := openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		entries, err = list(f, fd)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

func list(f *os.File, fd int) ([]fs.DirEntry, error) {
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, errno(err)
	}
	slices.Sort(names)
	entries := make([]fs.DirEntry, 0, len(names))
	for _, n := range names {
		st, err := lstatat(fd, n)
		switch {
		case err == nil:
			entries = append(entries, fs.FileInfoToDirEntry(newInfo(&st).FileInfo(n)))
		case err != unix.ENOENT: // ENOENT: removed since
			return nil, err
		}
	}
	return entries, nil
}

// errno takes away what package os wraps around an errno.
func errno(err error) error {
	if e := unix.Errno(0); errors.As(err, &e) {
		return e
	}
	return err
}

// Mkdir implements FS.
func (r *Root) Mkdir(name string, perm fs.FileMode) error {
	return r.at("mkdir", name, func(dir int, base string) error {
		// Read permission lets setDirPerm open it.
		if err := unix.Mkdirat(dir, base, unixPerm(perm)|0o400); err != nil {
			return err
		}
		err := setDirPerm(dir, base, unixPerm(perm))
		if err != nil {
			_ = unix.Unlinkat(dir, base, unix.AT_REMOVEDIR) // the first error tells more
		}
		return err
	})
}

// setDirPerm gives a new directory the bits that the umask took or that its
// parent's set-group-id bit added.
func setDirPerm(dir int, base string, perm uint32) error {
	st, err := lstatat(dir, base)
	if err != nil || st.Mode&^unix.S_IFMT == perm {
		return err
	}
	fd, err := openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return restart(func() error { return unix.Fchmod(fd, perm) })
}

// Rmdir implements FS.
func (r *Root) Rmdir(name string) error {
	return r.at("rmdir", name, func(dir int, base string) error {
		return unix.Unlinkat(dir, base, unix.AT_REMOVEDIR)
	})
}

// SyncDir implements FS.
func (r *Root) SyncDir(name string) error {
	return r.withReal("fsync", name, unix.O_DIRECTORY, unix.Fsync)
}
