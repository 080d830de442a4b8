package fsys

import (
	"io/fs"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// file is the File of a Root. Package os gives it EINTR, short writes and the
// safety of Close against calls in flight; the name it knows is the one below
// the root, so its errors are right as they are.
type file struct {
	f *os.File
}

func (f *file) Name() string                            { return f.f.Name() }
func (f *file) Fd() uintptr                             { return f.f.Fd() }
func (f *file) Close() error                            { return f.f.Close() }
func (f *file) Read(p []byte) (int, error)              { return f.f.Read(p) }
func (f *file) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }
func (f *file) Write(p []byte) (int, error)             { return f.f.Write(p) }
func (f *file) Sync() error                             { return f.f.Sync() }
func (f *file) Truncate(size int64) error               { return f.f.Truncate(size) }
func (f *file) Chmod(mode fs.FileMode) error            { return f.f.Chmod(mode) }
func (f *file) Chown(uid, gid int) error                { return f.f.Chown(uid, gid) }

// call makes a system call that package os does not have.
func (f *file) call(op string, call func(fd int) error) error {
	c, err := f.f.SyscallConn()
	if err == nil {
		held := c.Control(func(fd uintptr) {
			err = restart(func() error { return call(int(fd)) })
		})
		if held != nil { // its only cause
			err = fs.ErrClosed
		}
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: f.Name(), Err: err}
	}
	return nil
}

func (f *file) Stat() (info Info, err error) {
	err = f.call("stat", func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		info = newInfo(&st)
		return nil
	})
	return info, err
}

// SetMtime is futimens(3): utimensat(2) on the descriptor, without a path.
func (f *file) SetMtime(t time.Time) error {
	return f.call("utimensat", func(fd int) error {
		mtime, err := unix.TimeToTimespec(t)
		if err != nil {
			return err
		}
		times := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}
		_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
		if e != 0 {
			return e
		}
		return nil
	})
}

func (f *file) Reserve(size int64) error {
	return f.call("fallocate", func(fd int) error {
		err := unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size)
		switch err {
		case unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL: // nothing to reserve, or no way to
			return nil
		}
		return err
	})
}

func (f *file) Lock() error {
	return f.call("flock", func(fd int) error {
		return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	})
}

func (f *file) LockRecord() (holder int, err error) {
	err = f.call("fcntl", func(fd int) error {
		lock := unix.Flock_t{Type: unix.F_WRLCK} // from 0 to the end, however long
		err := unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &lock)
		if err != unix.EAGAIN && err != unix.EACCES {
			return err
		}
		if unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &lock) == nil && lock.Type != unix.F_UNLCK && lock.Pid > 0 {
			holder = int(lock.Pid)
		}
		return unix.EWOULDBLOCK
	})
	return holder, err
}
