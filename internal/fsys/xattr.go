package fsys

import (
	"bytes"

	"golang.org/x/sys/unix"
)

func (f *file) Xattrs() (map[string][]byte, error) {
	all := map[string][]byte{}
	err := f.call("listxattr", func(fd int) error {
		names, err := sized(func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) })
		switch {
		case err == unix.EOPNOTSUPP:
			return nil
		case err != nil:
			return err
		}
		for name := range bytes.SplitSeq(names, []byte{0}) {
			if len(name) == 0 {
				continue
			}
			value, err := sized(func(buf []byte) (int, error) { return unix.Fgetxattr(fd, string(name), buf) })
			switch err {
			case nil:
				all[string(name)] = value
			case unix.ENODATA, unix.EPERM, unix.EACCES, unix.EOPNOTSUPP: // gone, or not ours to read
			default:
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (f *file) SetXattr(name string, value []byte) error {
	return f.call("setxattr", func(fd int) error {
		return unix.Fsetxattr(fd, name, value, 0)
	})
}

// sized asks for a size, then for the bytes, and again while they grow
// in between (ERANGE, xattr(7)).
func sized(get func(buf []byte) (int, error)) ([]byte, error) {
	for {
		n, err := get(nil)
		if err != nil || n == 0 {
			return []byte{}, err
		}
		buf := make([]byte, n)
		n, err = get(buf)
		if err == unix.ERANGE {
			continue
		}
		return buf[:max(n, 0)], err
	}
}
