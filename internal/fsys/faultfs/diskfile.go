package faultfs

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// diskFile is an open file of a [Disk].
type diskFile struct {
	d      *Disk
	n      *node
	name   string
	at     int64 // where Read and Write are
	writes bool
	append bool // Write goes to the end
	closed bool
}

func (d *Disk) Open(name string) (fsys.File, error) { return d.open(Open, name, false) }

// OpenTrusted implements [fsys.FS]: everybody is trusted.
func (d *Disk) OpenTrusted(name string, _ fsys.Trust) (fsys.File, error) {
	return d.open(OpenTrusted, name, true)
}

func (d *Disk) open(op Op, name string, follow bool) (f fsys.File, err error) {
	err = d.one(op, name, func() error {
		p, err := d.there(name, follow)
		switch {
		case err != nil:
			return err
		case p.n.live.mode&fs.ModeSymlink != 0:
			return unix.ELOOP
		case op == OpenTrusted && p.n.live.mode.IsDir():
			return &fsys.TrustError{Path: name, Reason: "is a directory"}
		}
		f = &diskFile{d: d, n: p.n, name: name}
		return nil
	})
	return f, err
}

func (d *Disk) Create(name string, perm fs.FileMode) (f fsys.File, err error) {
	err = d.one(Create, name, func() error {
		p, err := d.free(name)
		if err == nil {
			n := d.add(perm, nothing, p.dir.dev)
			d.enter(p.dir, entry{p.base, n.ino})
			f = &diskFile{d: d, n: n, name: name, writes: true}
		}
		return err
	})
	return f, err
}

func (d *Disk) OpenAppend(name string, perm fs.FileMode) (f fsys.File, err error) {
	err = d.one(OpenAppend, name, func() error {
		p, err := d.find(name, false)
		switch {
		case err != nil:
			return err
		case p.n == nil:
			p.n = d.add(perm, nothing, p.dir.dev)
			d.enter(p.dir, entry{p.base, p.n.ino})
		case p.n.live.mode.IsDir():
			return unix.EISDIR
		case p.n.live.mode&fs.ModeSymlink != 0:
			return unix.ELOOP
		}
		f = &diskFile{d: d, n: p.n, name: name, writes: true, append: true}
		return nil
	})
	return f, err
}

// do makes a call on an open file.
func (f *diskFile) do(op Op, call func() error) error {
	return f.d.one(op, f.name, func() error {
		if f.closed {
			return os.ErrClosed
		}
		return call()
	})
}

// set gives the inode other contents.
func (f *diskFile) set(op Op, with func(c *content) error) error {
	return f.do(op, func() error {
		c := f.n.live
		if err := with(&c); err != nil {
			return err
		}
		f.d.touch(f.n)
		f.n.live = c
		return nil
	})
}

func (f *diskFile) Name() string { return f.name }

// Fd implements [fsys.File]: no program can have it.
func (f *diskFile) Fd() uintptr { return ^uintptr(0) }

// read reads at an offset. The end is io.EOF as it is and not in a PathError.
func (f *diskFile) read(op Op, p []byte, at int64) (n int, err error) {
	err = f.do(op, func() error {
		if f.n.live.mode.IsDir() {
			return unix.EISDIR
		}
		if data := f.n.live.data.bytes; at < int64(len(data)) {
			n = copy(p, data[at:])
		}
		return nil
	})
	return n, err
}

func (f *diskFile) Read(p []byte) (int, error) {
	n, err := f.read(Read, p, f.at)
	f.at += int64(n)
	if err == nil && n == 0 && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.read(ReadAt, p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (f *diskFile) Write(p []byte) (n int, err error) {
	err = f.set(Write, func(c *content) error {
		if !f.writes {
			return unix.EBADF
		}
		old := c.data.bytes
		if f.append {
			f.at = int64(len(old))
		}
		data := make([]byte, max(int64(len(old)), f.at+int64(len(p))))
		copy(data, old)
		n = copy(data[f.at:], p)
		f.at += int64(n)
		c.data = &blob{bytes: data}
		c.mtime = f.d.tick()
		return nil
	})
	return n, err
}

// tick is the next instant.
func (d *Disk) tick() int64 {
	d.ticks++
	return d.ticks
}

func (f *diskFile) Close() error {
	return f.do(Close, func() error {
		f.closed = true
		if f.n.holder == f {
			f.n.holder = nil
		}
		return nil
	})
}

func (f *diskFile) Stat() (info fsys.Info, err error) {
	err = f.do(FileStat, func() error {
		info = f.d.info(f.n)
		return nil
	})
	return info, err
}

// Sync makes bytes and metadata durable, and no name.
func (f *diskFile) Sync() error {
	return f.do(Sync, func() error {
		f.n.sync()
		return nil
	})
}

// WriteOut implements [fsys.File]: there is a place for all.
func (f *diskFile) WriteOut() error { return f.do(WriteOut, func() error { return nil }) }

func (f *diskFile) Truncate(size int64) error {
	return f.set(Truncate, func(c *content) error {
		f.n.cut = append(slices.Clip(f.n.cut), *c)
		data := make([]byte, size)
		copy(data, c.data.bytes)
		c.data = &blob{bytes: data}
		c.mtime = f.d.tick()
		return nil
	})
}

func (f *diskFile) Chmod(mode fs.FileMode) error {
	return f.set(Chmod, func(c *content) error {
		c.mode = c.mode.Type() | mode
		return nil
	})
}

func (f *diskFile) Chown(uid, gid int) error {
	return f.set(Chown, func(c *content) error {
		c.uid, c.gid = uid, gid
		return nil
	})
}

func (f *diskFile) SetMtime(t time.Time) error {
	return f.set(SetMtime, func(c *content) error {
		c.mtime = t.UnixNano()
		return nil
	})
}

// Reserve implements [fsys.File]: there is enough.
func (f *diskFile) Reserve(int64) error { return f.do(Reserve, func() error { return nil }) }

func (f *diskFile) Xattrs() (all map[string][]byte, err error) {
	err = f.do(Xattrs, func() error {
		all = maps.Clone(f.n.live.xattrs)
		return nil
	})
	return all, err
}

func (f *diskFile) SetXattr(name string, value []byte) error {
	return f.set(SetXattr, func(c *content) error {
		all := maps.Clone(c.xattrs)
		if all == nil {
			all = map[string][]byte{}
		}
		all[name] = append([]byte(nil), value...)
		c.xattrs = all
		return nil
	})
}

func (f *diskFile) Lock() error {
	return f.do(Lock, func() error {
		if f.n.holder != nil && f.n.holder != f {
			return unix.EWOULDBLOCK
		}
		f.n.holder = f
		return nil
	})
}

// LockRecord implements [fsys.File]. All open files of a disk are of one process,
// so that nobody else has a lock.
func (f *diskFile) LockRecord() (holder int, err error) {
	return 0, f.do(LockRecord, func() error { return nil })
}
