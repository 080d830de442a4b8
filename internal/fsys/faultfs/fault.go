package faultfs

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrKilled is what every call returns once the run is dead.
var ErrKilled = errors.New("killed")

// A Fault says which call goes wrong, and how. The zero Fault is none.
type Fault struct {
	At  int   // number of the call, from 1
	Err error // what it returns: a unix.Errno or ErrKilled
	// Short writes half of the bytes before Err, if the call at At writes.
	Short bool
	// Sticky: every later call fails in the same way. It is a device that is
	// gone or, with ErrKilled, a process that is.
	Sticky bool
}

// Error lets the call at fail with an errno, once.
func Error(at int, err unix.Errno) Fault { return Fault{At: at, Err: err} }

// Dead lets the call at and every later one fail with an errno.
func Dead(at int, err unix.Errno) Fault { return Fault{At: at, Err: err, Sticky: true} }

// Short lets the call at run out of space half-way if it is a write, and at
// once if it is another.
func Short(at int) Fault { return Fault{At: at, Err: unix.ENOSPC, Short: true} }

// Kill ends the run at a call: it and every later one does nothing, those of
// deferred functions included. Only descriptors are closed, as the kernel does.
func Kill(at int) Fault { return Fault{At: at, Err: ErrKilled, Sticky: true} }

// Tear is Kill in the middle of a write.
func Tear(at int) Fault { return Fault{At: at, Err: ErrKilled, Short: true, Sticky: true} }

// hits reports whether the n-th call fails.
func (f Fault) hits(n int) bool {
	return f.At > 0 && (n == f.At || f.Sticky && n > f.At)
}

// error is what the call returns, in the form that [fsys.FS] promises.
func (f Fault) error(c Call) error {
	if c.To != "" {
		return &os.LinkError{Op: string(c.Op), Old: c.Path, New: c.To, Err: f.Err}
	}
	return &fs.PathError{Op: string(c.Op), Path: c.Path, Err: f.Err}
}
