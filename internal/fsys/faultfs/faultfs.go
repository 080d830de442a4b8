// Package faultfs wraps a file system for tests: it counts and records every
// call, lets one of them fail, and ends the run at one of them.
//
// [fsys.FS] has one method a system call, so a test that runs a scenario once
// for each number of a call, with [Kill] or [Error] there, has seen it break
// everywhere. What a kill leaves is really on the disk, below the wrapped FS,
// and the next run starts from it.
//
// A kill loses no data that was written and not synced: the kernel keeps it.
// What a power cut may lose is played on a [Disk], a file system in memory: a
// function in [FS.After] asks [Cuts] for the disks that a cut may leave there.
package faultfs

import (
	"io/fs"
	"sync"
	"time"

	"koweld/internal/fsys"
)

// FS wraps an [fsys.FS]. It is safe for concurrent use if the calls may then
// come in any order.
type FS struct {
	// SkipSync counts the syncs but does not do them. It is for tests that
	// end runs and cut no power: there a sync has no effect but time.
	SkipSync bool
	// After is told of every call when it is done; it may use the wrapped FS.
	After func(Call)

	base  fsys.FS
	fault Fault

	mu    sync.Mutex
	calls []Call
}

var _ fsys.FS = (*FS)(nil)

// New wraps base.
func New(base fsys.FS, f Fault) *FS { return &FS{base: base, fault: f} }

// Break sets another fault. It is for [FS.After], and not for calls that run at
// the same time.
func (x *FS) Break(f Fault) { x.fault = f }

// Calls returns the calls so far, in order.
func (x *FS) Calls() []Call {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]Call(nil), x.calls...)
}

// Step counts something that another program does to the same tree, so that
// its failures and its end have their number too. It returns the fault.
func (x *FS) Step(name string) error {
	return x.do(Call{Op: Step, Path: name}, func() error { return nil })
}

// do makes one call, or lets it fail and do nothing.
func (x *FS) do(c Call, call func() error) error { return x.doOr(c, call, func(bool) {}) }

// doOr is do for a call that has an effect even if it fails. The effect is
// told whether it is the first to fail.
func (x *FS) doOr(c Call, call func() error, effect func(first bool)) error {
	x.mu.Lock()
	// The number is taken before the call and the result noted after it:
	// no lock is held meanwhile.
	c.N = len(x.calls) + 1
	x.calls = append(x.calls, c)
	x.mu.Unlock()

	switch {
	case x.fault.hits(c.N):
		c.Err = x.fault.error(c)
		effect(c.N == x.fault.At)
	case x.SkipSync && c.Op.Syncs():
	default:
		c.Err = call()
	}

	x.mu.Lock()
	x.calls[c.N-1] = c
	x.mu.Unlock()
	if x.After != nil {
		x.After(c)
	}
	return c.Err
}

// get is do for a call that returns something, which a fault loses.
func get[T any](x *FS, c Call, call func() (T, error)) (T, error) {
	var got T
	err := x.do(c, func() (err error) {
		got, err = call()
		return err
	})
	return got, err
}

// open makes a call that opens a file.
func (x *FS) open(op Op, name string, call func() (fsys.File, error)) (fsys.File, error) {
	f, err := get(x, Call{Op: op, Path: name}, call)
	if err != nil {
		return nil, err
	}
	return &file{x, f}, nil
}

// Host implements [fsys.FS]. It makes no system call and is not counted.
func (x *FS) Host(name string) string { return x.base.Host(name) }

func (x *FS) Resolve(name string) (string, error) {
	return get(x, Call{Op: Resolve, Path: name}, func() (string, error) { return x.base.Resolve(name) })
}

func (x *FS) Lstat(name string) (fsys.Info, error) {
	return get(x, Call{Op: Lstat, Path: name}, func() (fsys.Info, error) { return x.base.Lstat(name) })
}

func (x *FS) Stat(name string) (fsys.Info, error) {
	return get(x, Call{Op: Stat, Path: name}, func() (fsys.Info, error) { return x.base.Stat(name) })
}

func (x *FS) Readlink(name string) (string, error) {
	return get(x, Call{Op: Readlink, Path: name}, func() (string, error) { return x.base.Readlink(name) })
}

func (x *FS) IsMount(name string) (bool, error) {
	return get(x, Call{Op: IsMount, Path: name}, func() (bool, error) { return x.base.IsMount(name) })
}

func (x *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	return get(x, Call{Op: ReadDir, Path: name}, func() ([]fs.DirEntry, error) { return x.base.ReadDir(name) })
}

func (x *FS) Space(name string) (fsys.Space, error) {
	return get(x, Call{Op: Space, Path: name}, func() (fsys.Space, error) { return x.base.Space(name) })
}

func (x *FS) Open(name string) (fsys.File, error) {
	return x.open(Open, name, func() (fsys.File, error) { return x.base.Open(name) })
}

func (x *FS) OpenTrusted(name string, t fsys.Trust) (fsys.File, error) {
	return x.open(OpenTrusted, name, func() (fsys.File, error) { return x.base.OpenTrusted(name, t) })
}

func (x *FS) Create(name string, perm fs.FileMode) (fsys.File, error) {
	return x.open(Create, name, func() (fsys.File, error) { return x.base.Create(name, perm) })
}

func (x *FS) OpenAppend(name string, perm fs.FileMode) (fsys.File, error) {
	return x.open(OpenAppend, name, func() (fsys.File, error) { return x.base.OpenAppend(name, perm) })
}

func (x *FS) Mkdir(name string, perm fs.FileMode) error {
	return x.do(Call{Op: Mkdir, Path: name}, func() error { return x.base.Mkdir(name, perm) })
}

func (x *FS) Rmdir(name string) error {
	return x.do(Call{Op: Rmdir, Path: name}, func() error { return x.base.Rmdir(name) })
}

func (x *FS) Unlink(name string) error {
	return x.do(Call{Op: Unlink, Path: name}, func() error { return x.base.Unlink(name) })
}

func (x *FS) Symlink(target, name string) error {
	return x.do(Call{Op: Symlink, Path: target, To: name}, func() error { return x.base.Symlink(target, name) })
}

func (x *FS) Link(oldname, newname string) error {
	return x.do(Call{Op: Link, Path: oldname, To: newname}, func() error { return x.base.Link(oldname, newname) })
}

func (x *FS) Rename(oldname, newname string) error {
	return x.do(Call{Op: Rename, Path: oldname, To: newname}, func() error { return x.base.Rename(oldname, newname) })
}

func (x *FS) RenameNoReplace(oldname, newname string) error {
	return x.do(Call{Op: RenameNoReplace, Path: oldname, To: newname}, func() error {
		return x.base.RenameNoReplace(oldname, newname)
	})
}

func (x *FS) Exchange(a, b string) error {
	return x.do(Call{Op: Exchange, Path: a, To: b}, func() error { return x.base.Exchange(a, b) })
}

func (x *FS) SyncDir(name string) error {
	return x.do(Call{Op: SyncDir, Path: name}, func() error { return x.base.SyncDir(name) })
}

func (x *FS) OpenVolume(name string) (fsys.Volume, error) {
	v, err := get(x, Call{Op: OpenVolume, Path: name}, func() (fsys.Volume, error) { return x.base.OpenVolume(name) })
	if err != nil {
		return nil, err
	}
	return &volume{x, v, name}, nil
}

// volume is an open volume of an FS.
type volume struct {
	x    *FS
	v    fsys.Volume
	name string
}

func (v *volume) Dev() uint64 { return v.v.Dev() }

func (v *volume) Sync() error { return v.x.do(Call{Op: SyncFS, Path: v.name}, v.v.Sync) }

// Close closes the descriptor whatever happens, as that of a file.
func (v *volume) Close() error {
	return v.x.doOr(Call{Op: CloseVolume, Path: v.name}, v.v.Close, func(bool) { _ = v.v.Close() })
}

// file is an open file of an FS.
type file struct {
	x *FS
	f fsys.File
}

func (f *file) do(op Op, size int64, call func() error) error {
	return f.x.do(Call{Op: op, Path: f.f.Name(), Size: size}, call)
}

func (f *file) Name() string { return f.f.Name() }
func (f *file) Fd() uintptr  { return f.f.Fd() }

func (f *file) Read(p []byte) (n int, err error) {
	err = f.do(Read, 0, func() (err error) { n, err = f.f.Read(p); return err })
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.do(ReadAt, 0, func() (err error) { n, err = f.f.ReadAt(p, off); return err })
	return n, err
}

func (f *file) Write(p []byte) (n int, err error) {
	c := Call{Op: Write, Path: f.f.Name(), Size: int64(len(p))}
	err = f.x.doOr(c, func() (err error) {
		n, err = f.f.Write(p)
		return err
	}, func(first bool) {
		if first && f.x.fault.Short {
			n, _ = f.f.Write(p[:len(p)/2])
		}
	})
	return n, err
}

// Close closes the descriptor whatever happens: so does the kernel.
func (f *file) Close() error {
	return f.x.doOr(Call{Op: Close, Path: f.f.Name()}, f.f.Close, func(bool) { _ = f.f.Close() })
}

func (f *file) Stat() (fsys.Info, error) {
	return get(f.x, Call{Op: FileStat, Path: f.f.Name()}, f.f.Stat)
}

func (f *file) Sync() error     { return f.do(Sync, 0, f.f.Sync) }
func (f *file) WriteOut() error { return f.do(WriteOut, 0, f.f.WriteOut) }

func (f *file) Truncate(size int64) error {
	return f.do(Truncate, size, func() error { return f.f.Truncate(size) })
}

func (f *file) Chmod(mode fs.FileMode) error {
	return f.do(Chmod, 0, func() error { return f.f.Chmod(mode) })
}

func (f *file) Chown(uid, gid int) error {
	return f.do(Chown, 0, func() error { return f.f.Chown(uid, gid) })
}

func (f *file) SetMtime(t time.Time) error {
	return f.do(SetMtime, 0, func() error { return f.f.SetMtime(t) })
}

func (f *file) Reserve(size int64) error {
	return f.do(Reserve, size, func() error { return f.f.Reserve(size) })
}

func (f *file) Xattrs() (map[string][]byte, error) {
	return get(f.x, Call{Op: Xattrs, Path: f.f.Name()}, f.f.Xattrs)
}

func (f *file) SetXattr(name string, value []byte) error {
	return f.do(SetXattr, 0, func() error { return f.f.SetXattr(name, value) })
}

func (f *file) Lock() error { return f.do(Lock, 0, f.f.Lock) }

func (f *file) LockRecord() (holder int, err error) {
	err = f.do(LockRecord, 0, func() error { holder, err = f.f.LockRecord(); return err })
	return holder, err
}
