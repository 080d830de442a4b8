package aferofs

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// file keeps the position that an fsys.File does not have: it reads with
// ReadAt, and it was opened to append, so the position matters to a write only
// in that it must be the end.
type file struct {
	fsys.File
	fs      fsys.FS
	real    string // resolved
	name    string // as the caller knows it
	appends bool   // O_APPEND: a write goes to the end from anywhere
	pos     int64

	entries []fs.DirEntry // not yet returned by Readdir
	listed  bool          // entries has been read
}

func (f *file) Name() string { return f.name }

func (f *file) Stat() (os.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return nil, err
	}
	return info.FileInfo(f.name), nil
}

func (f *file) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		info, err := f.File.Stat()
		if err != nil {
			return 0, err
		}
		offset += info.Size
	default:
		offset = -1
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: unix.EINVAL}
	}
	f.pos = offset
	return offset, nil
}

func (f *file) Write(p []byte) (int, error) {
	if f.appends {
		if _, err := f.Seek(0, io.SeekEnd); err != nil {
			return 0, err
		}
	}
	n, err := f.WriteAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	info, err := f.File.Stat()
	if err != nil {
		return 0, err
	}
	if off != info.Size {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: unix.EOPNOTSUPP}
	}
	return f.File.Write(p)
}

func (f *file) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *file) Readdir(count int) ([]os.FileInfo, error) {
	if !f.listed {
		var err error
		if f.entries, err = f.fs.ReadDir(f.real); err != nil {
			return nil, err
		}
		f.listed = true
	}
	n := len(f.entries)
	if count > 0 {
		if n == 0 {
			return nil, io.EOF
		}
		n = min(n, count)
	}
	infos := make([]os.FileInfo, n)
	for i, e := range f.entries[:n] {
		var err error
		if infos[i], err = e.Info(); err != nil {
			return nil, err
		}
	}
	f.entries = f.entries[n:]
	return infos, nil
}

func (f *file) Readdirnames(n int) ([]string, error) {
	infos, err := f.Readdir(n)
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.Name()
	}
	return names, err
}
