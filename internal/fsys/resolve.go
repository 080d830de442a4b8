package fsys

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// handle is a descriptor that may be borrowed from the root.
type handle struct {
	fd    int
	owned bool
}

func (h handle) close() {
	if h.owned {
		unix.Close(h.fd)
	}
}

// parent opens the directory that holds the last component of name.
func (r *Root) parent(name string) (dir handle, base string, err error) {
	if err := checkName(name); err != nil {
		return handle{}, "", err
	}
	rel, base := split(name)
	if rel == "" {
		return handle{fd: r.fd}, base, nil
	}
	dir, err = r.resolve(rel, unix.O_DIRECTORY)
	return dir, base, err
}

// resolve opens what rel, a path relative to the root, resolves to, with
// O_PATH and the given flags. It asks openat2(2) and, where that cannot
// answer, walks; the two agree, except that openat2 also obeys
// fs.protected_symlinks.
func (r *Root) resolve(rel string, flags int) (handle, error) {
	if !r.walkOnly.Load() {
		fd, err := r.openat2(rel, flags)
		switch err {
		case nil:
			return handle{fd, true}, nil
		case unix.ENOSYS, // before Linux 5.6
			unix.EPERM, // a seccomp filter that does not know it
			unix.E2BIG: // a kernel that knows less than we ask for
			r.walkOnly.Store(true)
		case unix.EAGAIN: // something was renamed while ".." was resolved
		case unix.ELOOP: // too many links, or a magic one: the walk knows
		default:
			return handle{}, err
		}
	}
	t, err := r.walk(rel, nil)
	if err != nil {
		return handle{}, err
	}
	defer t.close()
	if flags&unix.O_DIRECTORY != 0 && !t.top().dir {
		return handle{}, unix.ENOTDIR
	}
	return t.take(), nil
}

// openat2 is the fast path of resolve, openat2(2).
func (r *Root) openat2(rel string, flags int) (fd int, err error) {
	how := unix.OpenHow{
		Flags:   uint64(unix.O_PATH | unix.O_CLOEXEC | flags),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	err = restart(func() error {
		fd, err = unix.Openat2(r.fd, rel, &how)
		return err
	})
	return fd, err
}

// Resolve implements FS.
func (r *Root) Resolve(name string) (string, error) {
	err := checkName(name)
	var t *trail
	if err == nil {
		t, err = r.walk(name, nil)
	}
	if err != nil {
		return "", &fs.PathError{Op: "resolve", Path: name, Err: err}
	}
	defer t.close()
	return t.top().name, nil
}

// follow opens what name resolves to, with O_PATH.
func (r *Root) follow(name string) (handle, error) {
	if err := checkName(name); err != nil {
		return handle{}, err
	}
	if name == "/" {
		return handle{fd: r.fd}, nil
	}
	return r.resolve(name[1:], 0)
}
