package fsys

import (
	"errors"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

// RemoveAll removes name and all below it; nothing there is no error. It
// removes symbolic links and does not follow them, and it refuses the root
// (EBUSY) and a directory on another device (EXDEV), so that a forgotten mount
// loses nothing. It is for trees that only root can write: from one that
// changes meanwhile it may remove what it did not list, though never outside
// the root.
func RemoveAll(fsys FS, name string) error {
	if name == "/" {
		return &fs.PathError{Op: "remove", Path: name, Err: unix.EBUSY}
	}
	info, err := fsys.Lstat(name)
	if err != nil {
		return unlessGone(err)
	}
	if !info.IsDir() {
		return unlessGone(fsys.Unlink(name))
	}
	return removeDir(fsys, name, info.Dev)
}

func removeDir(fsys FS, name string, dev uint64) error {
	info, err := fsys.Lstat(name)
	if err != nil {
		return unlessGone(err)
	}
	if info.Dev != dev {
		return &fs.PathError{Op: "remove", Path: name, Err: unix.EXDEV}
	}
	entries, err := fsys.ReadDir(name)
	if err != nil {
		return unlessGone(err)
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		if e.IsDir() {
			err = removeDir(fsys, child, dev)
		} else {
			err = unlessGone(fsys.Unlink(child))
		}
		if err != nil {
			return err
		}
	}
	return unlessGone(fsys.Rmdir(name))
}

func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
