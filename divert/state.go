package divert

import (
	"path"

	"koweld/internal/dpkg"
)

// State is what is known of a system as far as some names go: the input of
// [Check] and [Plan].
type State struct {
	Layout     Layout
	Diversions []Diversion // all of them
	// Names are those that were asked for, those of the diversions, and the
	// other spellings of each.
	Names map[string]*Name
	// Packages are the owners and holders that dpkg knows.
	Packages map[string]dpkg.Package
}

// Name is what is known of one spelling of a path, as dpkg has it.
type Name struct {
	Path string
	// Entry is the place it means; the same for two spellings of one place.
	Entry Entry
	Kind  Kind
	Ino   Inode // of what is there
	Nlink uint64
	// Mount says that it is mounted there, so that it cannot be moved.
	Mount bool
	Dev   uint64 // of the deepest folder that exists; two that differ need a copy
	// ReadOnly says that nothing can be renamed in that folder: its file system
	// or its mount is read-only.
	ReadOnly bool
	// Leads is where a link leads in the end, "" if nowhere.
	Leads string
	// Owners are the packages that ship this spelling.
	Owners []string
	// Fault says why the place cannot be reached, "" if it can, or could if
	// folders were made.
	Fault string
}

// Entry is a place in a file system: a folder that exists, by its inode, and
// the path below it. It is "x" below the folder of an /a/x that may be there or
// not, and "b/x" below /a for /a/b/x where /a/b is missing. The zero Entry is no
// place.
type Entry struct {
	Dir  Inode
	Rest string
}

// Inode is an inode of a device.
type Inode struct{ Dev, Ino uint64 }

// HasFolder reports whether the folder of the place is there.
func (e Entry) HasFolder() bool { return e.Rest != "" && path.Base(e.Rest) == e.Rest }

// Kind is what lies at a name.
type Kind string

// The kinds.
const (
	Absent  Kind = "absent"
	File    Kind = "file"
	Link    Kind = "link"
	Folder  Kind = "folder"
	Special Kind = "special" // a device, a socket, a FIFO
	Hidden  Kind = "hidden"  // may not be looked at
)
