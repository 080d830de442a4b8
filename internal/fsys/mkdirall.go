package fsys

import (
	"errors"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

// MkdirAll makes a directory and those above it that are missing. It returns
// the directories that it really made, outermost first, also when it fails:
// they are what an undo removes. Each one's name is durable when it returns. A
// symbolic link to a directory will do for one.
func MkdirAll(fsys FS, name string, perm fs.FileMode) (made []string, err error) {
	err = fsys.Mkdir(name, perm)
	if errors.Is(err, fs.ErrNotExist) && name != "/" {
		made, err = MkdirAll(fsys, path.Dir(name), perm)
		if err == nil {
			err = fsys.Mkdir(name, perm)
		}
	}
	if err == nil {
		return append(made, name), fsys.SyncDir(path.Dir(name))
	}
	if !errors.Is(err, fs.ErrExist) {
		return made, err
	}
	info, err := fsys.Stat(name)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "mkdir", Path: name, Err: unix.ENOTDIR}
	}
	return made, err
}
