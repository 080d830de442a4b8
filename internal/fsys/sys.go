package fsys

import (
	"golang.org/x/sys/unix"
)

// restart makes a system call again while a signal interrupts it. Only calls
// for which POSIX lists EINTR go through it: of the others (rename, link,
// mkdir) nobody knows whether an interrupted one took effect.
func restart(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// openat is openat(2), close-on-exec.
func openat(dir int, name string, flags int, mode uint32) (fd int, err error) {
	err = restart(func() error {
		fd, err = unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// lstatat is fstatat(2) that does not follow a symbolic link.
func lstatat(dir int, name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// readlinkat reads a symbolic link: name in the directory dir or, with an
// empty name, the link that dir is an O_PATH descriptor of.
func readlinkat(dir int, name string) (string, error) {
	var buf [unix.PathMax]byte // Linux has no longer ones (fs/namei.c, getname)
	n, err := unix.Readlinkat(dir, name, buf[:])
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}
