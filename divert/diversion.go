// Package divert judges and plans diversions of dpkg.
//
// A diversion says that every package but its holder has its file under another
// name. dpkg compares those names as strings. Where /usr is merged a file has
// two spellings, /lib/x and /usr/lib/x, and a diversion of the one means nothing
// for a package that ships the other; worse, `dpkg-divert --rename` takes the two
// spellings of one file for hard links and deletes it. So here a name is never
// only a string: it is a directory, by device and inode, and an entry in it.
//
// [Measure] looks at a system and makes a [State]. [Check] says of a state which
// diversions do nothing or do harm, whoever made them. [Plan] says how a state
// becomes the wanted one, or refuses. Both are pure, and the steps of a plan are
// data: what dpkg-divert is to record, without moving anything, and what is to be
// moved by us. A plan that was carried out has no second one.
package divert

import "fmt"

// Diversion is one record of dpkg's.
type Diversion struct {
	// From is the name that is diverted: a file that any package but the
	// holder ships as From lies at To.
	From string `json:"from"`
	To   string `json:"to"`
	// Package holds it, which need not be installed or exist; "" for a local
	// diversion, which the administrator made and which holds for every package.
	Package string `json:"package,omitempty"`
}

// Holder names who made it.
func (d Diversion) Holder() string {
	if d.Package == "" {
		return "the administrator"
	}
	return "package " + d.Package
}

func (d Diversion) String() string {
	if d.Package == "" {
		return fmt.Sprintf("local diversion of %s to %s", d.From, d.To)
	}
	return fmt.Sprintf("diversion of %s to %s by %s", d.From, d.To, d.Package)
}
