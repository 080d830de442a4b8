package fsys

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Exists reports whether there is something at name, be it a dangling
// symbolic link.
func Exists(fsys FS, name string) (bool, error) {
	_, err := fsys.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	return err == nil, err
}
