package divert

import (
	"path"
	"slices"

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

// name returns what is known of a spelling; of one that was not asked for it is
// nothing.
func (st *State) name(p string) *Name {
	if n := st.Names[p]; n != nil {
		return n
	}
	return &Name{Path: p, Kind: Absent}
}

// spellings returns the names that mean the same place, p first, the others
// sorted.
func (st *State) spellings(p string) []*Name {
	n := st.name(p)
	all := []*Name{n}
	if n.Entry == (Entry{}) {
		return all
	}
	var others []*Name
	for _, o := range st.Names {
		if o != n && o.Entry == n.Entry {
			others = append(others, o)
		}
	}
	slices.SortFunc(others, func(a, b *Name) int { return compare(a.Path, b.Path) })
	return append(all, others...)
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// samePlace reports whether two names mean one directory entry.
func (st *State) samePlace(a, b string) bool {
	x, y := st.name(a), st.name(b)
	return a == b || x.Entry != (Entry{}) && x.Entry == y.Entry
}

// owners returns the packages with files that ship a spelling, but for one.
func (st *State) owners(n *Name, but string) []string {
	var all []string
	for _, pkg := range n.Owners {
		if (pkg != but || but == "") && st.Packages[pkg].HasFiles() {
			all = append(all, pkg)
		}
	}
	return all
}

// ownersOfPlace is owners for all spellings of a place.
func (st *State) ownersOfPlace(p, but string) []string {
	var all []string
	for _, n := range st.spellings(p) {
		for _, pkg := range st.owners(n, but) {
			if !slices.Contains(all, pkg) {
				all = append(all, pkg)
			}
		}
	}
	return all
}

// ships reports whether a package with files ships any spelling of a place.
func (st *State) ships(pkg, p string) bool {
	return pkg != "" && slices.Contains(st.ownersOfPlace(p, ""), pkg)
}

// from returns the diversion of a spelling; nil if there is none.
func (st *State) from(p string) *Diversion {
	for i := range st.Diversions {
		if st.Diversions[i].From == p {
			return &st.Diversions[i]
		}
	}
	return nil
}
