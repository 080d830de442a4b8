package fsys

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Open implements FS.
func (r *Root) Open(name string) (File, error) {
	return r.open(name, func(dir int, base string) (int, error) {
		return openQuiet(dir, base, unix.O_RDONLY)
	})
}

// Create implements FS.
func (r *Root) Create(name string, perm fs.FileMode) (File, error) {
	return r.open(name, func(dir int, base string) (int, error) {
		return create(dir, base, unix.O_RDWR, unixPerm(perm))
	})
}

// OpenAppend implements FS.
func (r *Root) OpenAppend(name string, perm fs.FileMode) (File, error) {
	return r.open(name, func(dir int, base string) (int, error) {
		const flags = unix.O_RDWR | unix.O_APPEND
		for {
			fd, err := openQuiet(dir, base, flags)
			if err != unix.ENOENT {
				return fd, err
			}
			fd, err = create(dir, base, flags, unixPerm(perm))
			if err != unix.EEXIST { // made since: open it
				return fd, err
			}
		}
	})
}

// open makes a File of the descriptor that call opens.
func (r *Root) open(name string, call func(dir int, base string) (int, error)) (File, error) {
	fd := -1
	err := r.at("open", name, func(dir int, base string) (err error) {
		fd, err = call(dir, base)
		return err
	})
	if err != nil {
		return nil, err
	}
	return newFile(fd, name), nil
}

func newFile(fd int, name string) File {
	return &file{os.NewFile(uintptr(fd), name)}
}

// create makes a regular file, with the permission bits that the umask would
// take away.
func create(dir int, base string, flags int, perm uint32) (int, error) {
	fd, err := openat(dir, base, flags|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, perm)
	if err != nil {
		return -1, err
	}
	if err := restart(func() error { return unix.Fchmod(fd, perm) }); err != nil {
		unix.Close(fd)
		_ = unix.Unlinkat(dir, base, 0) // the first error tells more
		return -1, err
	}
	return fd, nil
}

// openQuiet opens a regular file or a directory that exists. It looks before
// it opens, since to open a device may do something, and again afterwards,
// since the name may have got another meaning; then O_NONBLOCK has kept a FIFO
// from blocking.
func openQuiet(dir int, base string, flags int) (int, error) {
	st, err := lstatat(dir, base)
	if err == nil {
		err = mustOpen(&st)
	}
	if err != nil {
		return -1, err
	}
	fd, err := openat(dir, base, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err = unix.Fstat(fd, &st); err == nil {
		err = mustOpen(&st)
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags) // O_NONBLOCK off
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// mustOpen refuses what is neither a regular file nor a directory.
func mustOpen(st *unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		return nil
	case unix.S_IFLNK:
		return unix.ELOOP
	}
	return unix.EOPNOTSUPP
}

// withReal calls what needs a descriptor that is not O_PATH, on what name
// resolves to.
func (r *Root) withReal(op, name string, flags int, call func(fd int) error) error {
	err := func() error {
		if err := checkName(name); err != nil {
			return err
		}
		t, err := r.walk(name, nil)
		if err != nil {
			return err
		}
		defer t.close()
		fd, err := t.reopen(unix.O_RDONLY | flags)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return restart(func() error { return call(fd) })
	}()
	if err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}
