package fsys

import (
	"golang.org/x/sys/unix"
)

// Unlink implements FS.
func (r *Root) Unlink(name string) error {
	return r.at("unlink", name, func(dir int, base string) error {
		return unix.Unlinkat(dir, base, 0)
	})
}

// Symlink implements FS.
func (r *Root) Symlink(target, name string) error {
	return r.at("symlink", name, func(dir int, base string) error {
		return unix.Symlinkat(target, dir, base)
	})
}

// Link implements FS.
func (r *Root) Link(oldname, newname string) error {
	return r.atBoth("link", oldname, newname, link)
}

func link(olddir int, oldbase string, newdir int, newbase string) error {
	return unix.Linkat(olddir, oldbase, newdir, newbase, 0)
}

// Rename implements FS.
func (r *Root) Rename(oldname, newname string) error {
	return r.atBoth("rename", oldname, newname, unix.Renameat)
}

// RenameNoReplace implements FS.
func (r *Root) RenameNoReplace(oldname, newname string) error {
	return r.atBoth("rename", oldname, newname, renameNoReplace)
}

func renameNoReplace(olddir int, oldbase string, newdir int, newbase string) error {
	err := unix.Renameat2(olddir, oldbase, newdir, newbase, unix.RENAME_NOREPLACE)
	switch err {
	case unix.EINVAL, // the file system has no flags
		unix.ENOSYS, // the kernel has not
		unix.EPERM:  // or a seccomp filter forbids the call
	default:
		return err
	}
	st, serr := lstatat(olddir, oldbase)
	if serr != nil {
		return serr
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR { // has no hard links
		return err
	}
	if err := link(olddir, oldbase, newdir, newbase); err != nil {
		return err
	}
	// A power cut must not take both names: the old one goes when the new
	// one is durable.
	err = syncAt(newdir)
	if err == nil {
		err = unix.Unlinkat(olddir, oldbase, 0)
	}
	if err != nil {
		_ = unix.Unlinkat(newdir, newbase, 0) // the first error tells more
		return err
	}
	return nil
}

// syncAt makes the entries of a directory durable, given its O_PATH descriptor.
func syncAt(dir int) error {
	fd, err := openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return restart(func() error { return unix.Fsync(fd) })
}

// Exchange implements FS.
func (r *Root) Exchange(a, b string) error {
	return r.atBoth("exchange", a, b, func(adir int, abase string, bdir int, bbase string) error {
		return unix.Renameat2(adir, abase, bdir, bbase, unix.RENAME_EXCHANGE)
	})
}
