// Package aferofs gives an [fsys.FS] the interface of afero, for libraries and
// tests that take one. It is no safety boundary by itself; it is safe since
// the FS below it is.
//
// A name is taken from the root whether or not it begins with a slash, and
// cleaned. As afero expects, calls that open, stat or change a file follow
// symbolic links. What an FS does not offer is missing here too: permission
// bits are given exactly, whatever the umask, an access time is not set, and a
// file is written only at its end (EOPNOTSUPP elsewhere).
//
// It is a package of its own because afero links net/http; the program koweld
// does not import it.
package aferofs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/spf13/afero"

	"koweld/internal/fsys"
)

// New returns an afero.Fs over fsys. It is an afero.Symlinker too.
func New(f fsys.FS) afero.Fs { return adapter{f} }

type adapter struct {
	fs fsys.FS
}

var _ afero.Symlinker = adapter{}

func clean(name string) string { return path.Clean("/" + name) }

func (a adapter) Name() string { return "koweld" }

// Create makes or truncates a file; a new one gets the mode 0644.
func (a adapter) Create(name string) (afero.File, error) {
	return a.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
}

func (a adapter) Open(name string) (afero.File, error) {
	return a.OpenFile(name, os.O_RDONLY, 0)
}

func (a adapter) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	real, err := a.target(name, flag, perm)
	if err != nil {
		return nil, err
	}
	var f fsys.File
	if flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		f, err = a.fs.Open(real)
	} else {
		f, err = a.fs.OpenAppend(real, perm)
	}
	if err != nil {
		return nil, err
	}
	if flag&os.O_TRUNC != 0 {
		if err := f.Truncate(0); err != nil {
			f.Close()
			return nil, err
		}
	}
	return &file{File: f, fs: a.fs, real: real, name: name, appends: flag&os.O_APPEND != 0}, nil
}

// target resolves the name of a file to open and makes the file if that is
// asked for.
func (a adapter) target(name string, flag int, perm os.FileMode) (string, error) {
	name = clean(name)
	if flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL {
		f, err := a.fs.Create(name, perm)
		if err != nil {
			return "", err
		}
		return name, f.Close()
	}
	real, err := a.fs.Resolve(name)
	if flag&os.O_CREATE != 0 && errors.Is(err, fs.ErrNotExist) {
		return name, nil // OpenAppend makes it, or refuses a dangling link
	}
	return real, err
}

func (a adapter) Mkdir(name string, perm os.FileMode) error {
	return a.fs.Mkdir(clean(name), perm)
}

func (a adapter) MkdirAll(name string, perm os.FileMode) error {
	_, err := fsys.MkdirAll(a.fs, clean(name), perm)
	return err
}

func (a adapter) Remove(name string) error {
	info, err := a.fs.Lstat(clean(name))
	if err != nil {
		return err
	}
	if info.IsDir() {
		return a.fs.Rmdir(clean(name))
	}
	return a.fs.Unlink(clean(name))
}

func (a adapter) RemoveAll(name string) error { return fsys.RemoveAll(a.fs, clean(name)) }

func (a adapter) Rename(oldname, newname string) error {
	return a.fs.Rename(clean(oldname), clean(newname))
}

func (a adapter) Stat(name string) (os.FileInfo, error) {
	info, err := a.fs.Stat(clean(name))
	if err != nil {
		return nil, err
	}
	return info.FileInfo(clean(name)), nil
}

func (a adapter) LstatIfPossible(name string) (os.FileInfo, bool, error) {
	info, err := a.fs.Lstat(clean(name))
	if err != nil {
		return nil, true, err
	}
	return info.FileInfo(clean(name)), true, nil
}

func (a adapter) SymlinkIfPossible(target, name string) error {
	return a.fs.Symlink(target, clean(name))
}

func (a adapter) ReadlinkIfPossible(name string) (string, error) {
	return a.fs.Readlink(clean(name))
}

func (a adapter) Chmod(name string, mode os.FileMode) error {
	return a.change(name, func(f fsys.File) error { return f.Chmod(mode) })
}

func (a adapter) Chown(name string, uid, gid int) error {
	return a.change(name, func(f fsys.File) error { return f.Chown(uid, gid) })
}

// Chtimes sets the modification time only.
func (a adapter) Chtimes(name string, _, mtime time.Time) error {
	return a.change(name, func(f fsys.File) error { return f.SetMtime(mtime) })
}

func (a adapter) change(name string, change func(fsys.File) error) error {
	real, err := a.fs.Resolve(clean(name))
	if err != nil {
		return err
	}
	f, err := a.fs.Open(real)
	if err != nil {
		return err
	}
	defer f.Close()
	return change(f)
}
