package fsys

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// SizeError says that a file is larger than its reader allows.
type SizeError struct {
	Path  string
	Limit int64 // bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("cannot read %s: it is larger than %d bytes", e.Path, e.Limit)
}

// ReadFile returns the contents of a regular file of at most limit bytes. One
// that is larger is a *SizeError.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: name, Err: unix.EISDIR}
	case info.Size > limit:
		return nil, &SizeError{name, limit}
	}
	// The size is a claim: the file may grow, and procfs says 0.
	buf := bytes.NewBuffer(make([]byte, 0, info.Size+bytes.MinRead))
	n, err := buf.ReadFrom(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case n > limit:
		return nil, &SizeError{name, limit}
	}
	return buf.Bytes(), nil
}
