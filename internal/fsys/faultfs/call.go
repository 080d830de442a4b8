package faultfs

import (
	"fmt"
	"strings"
)

// Op names a method of [fsys.FS], or with the prefix "File." or "Volume." one of
// [fsys.File] or [fsys.Volume].
type Op string

// A Call is one call that was made, or that failed by a [Fault].
type Call struct {
	N    int // from 1
	Op   Op
	Path string // of a File or a Volume: the name it was opened by
	To   string // the second name of Link, Rename, RenameNoReplace, Exchange and Symlink
	Size int64  // bytes of Write and Reserve
	Err  error  // what it returned
}

func (c Call) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#%d %s %s", c.N, c.Op, c.Path)
	if c.To != "" {
		fmt.Fprintf(&b, " %s", c.To)
	}
	if c.Size != 0 {
		fmt.Fprintf(&b, " (%d bytes)", c.Size)
	}
	if c.Err != nil {
		fmt.Fprintf(&b, ": %v", c.Err)
	}
	return b.String()
}

// Changes reports whether a call of this kind can change what a later run
// sees. Before each of the others a kill is as good as before the next.
func (o Op) Changes() bool {
	switch o {
	case Create, OpenAppend, Mkdir, Rmdir, Unlink, Symlink, Link, Rename, RenameNoReplace, Exchange,
		Write, Truncate, Chmod, Chown, SetMtime, SetXattr, Step:
		return true
	}
	return false
}

// Syncs reports whether a call of this kind makes its Path durable: the bytes
// of a file, the names in a directory, or all.
func (o Op) Syncs() bool { return o == Sync || o == SyncDir || o == SyncFS }

// The calls.
const (
	Resolve         Op = "Resolve"
	Lstat           Op = "Lstat"
	Stat            Op = "Stat"
	Readlink        Op = "Readlink"
	IsMount         Op = "IsMount"
	ReadDir         Op = "ReadDir"
	Space           Op = "Space"
	Open            Op = "Open"
	OpenTrusted     Op = "OpenTrusted"
	Create          Op = "Create"
	OpenAppend      Op = "OpenAppend"
	Mkdir           Op = "Mkdir"
	Rmdir           Op = "Rmdir"
	Unlink          Op = "Unlink"
	Symlink         Op = "Symlink"
	Link            Op = "Link"
	Rename          Op = "Rename"
	RenameNoReplace Op = "RenameNoReplace"
	Exchange        Op = "Exchange"
	SyncDir         Op = "SyncDir"
	OpenVolume      Op = "OpenVolume"

	Read       Op = "File.Read"
	ReadAt     Op = "File.ReadAt"
	Write      Op = "File.Write"
	Close      Op = "File.Close"
	FileStat   Op = "File.Stat"
	Sync       Op = "File.Sync"
	WriteOut   Op = "File.WriteOut"
	Truncate   Op = "File.Truncate"
	Chmod      Op = "File.Chmod"
	Chown      Op = "File.Chown"
	SetMtime   Op = "File.SetMtime"
	Reserve    Op = "File.Reserve"
	Xattrs     Op = "File.Xattrs"
	SetXattr   Op = "File.SetXattr"
	Lock       Op = "File.Lock"
	LockRecord Op = "File.LockRecord"

	SyncFS      Op = "Volume.Sync"
	CloseVolume Op = "Volume.Close"

	// Step is something that another program does; see [FS.Step].
	Step Op = "Step"
)
