package fsys

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Root is the FS below one directory of the host. It holds one descriptor,
// opened with O_PATH, and starts every walk there: that the directory is moved
// or that its name on the host is given to another changes nothing.
type Root struct {
	dir string
	fd  int
	// walkOnly is set once openat2(2) turned out to be missing or
	// forbidden; from then on every parent is found by walking.
	walkOnly atomic.Bool
}

var _ FS = (*Root)(nil)

// OpenRoot opens a directory of the host as a root. The caller closes it.
func OpenRoot(dir string) (*Root, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, &fs.PathError{Op: "open root", Path: dir, Err: err}
	}
	fd, err := openat(unix.AT_FDCWD, abs, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open root", Path: dir, Err: err}
	}
	return &Root{dir: abs, fd: fd}, nil
}

// Close releases the root. No call may run meanwhile; later ones fail with
// EBADF. Files opened through the root stay open.
func (r *Root) Close() error {
	fd := r.fd
	r.fd = -1
	if err := unix.Close(fd); err != nil {
		return &fs.PathError{Op: "close", Path: "/", Err: err}
	}
	return nil
}

// Host implements FS.
func (r *Root) Host(name string) string {
	return filepath.Join(r.dir, filepath.Clean("/"+name))
}

// at makes one system call on the parent directory and the last component of
// name.
func (r *Root) at(op, name string, call func(dir int, base string) error) error {
	dir, base, err := r.parent(name)
	if err == nil {
		err = call(dir.fd, base)
		dir.close()
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// atBoth is at for a call with two names.
func (r *Root) atBoth(op, oldname, newname string, call func(olddir int, oldbase string, newdir int, newbase string) error) error {
	err := func() error {
		olddir, oldbase, err := r.parent(oldname)
		if err != nil {
			return err
		}
		defer olddir.close()
		newdir, newbase, err := r.parent(newname)
		if err != nil {
			return err
		}
		defer newdir.close()
		return call(olddir.fd, oldbase, newdir.fd, newbase)
	}()
	if err != nil {
		return &os.LinkError{Op: op, Old: oldname, New: newname, Err: err}
	}
	return nil
}
