package divert

import "fmt"

// Reason says why a wanted state is refused.
type Reason string

// The reasons.
const (
	NotClean      Reason = "unclean"        // the spelling of a name
	NotCanonical  Reason = "aliased"        // the other spelling is to be given
	OnePlace      Reason = "one-place"      // both names mean one place
	Diverted      Reason = "diverted"       // another diversion has one of the names
	Owned         Reason = "owned"          // a package ships the target
	Exists        Reason = "exists"         // a file is where one is to be moved
	NoParent      Reason = "no-folder"      // the folder of a name is missing
	IsConffile    Reason = "conffile"       // it is a conffile
	IsFolder      Reason = "folder"         // it is a folder
	IsSpecial     Reason = "special"        // it is a device, a socket or a FIFO
	NoWay         Reason = "unreachable"    // a loop of links, or no folder, on the way
	Dangling      Reason = "dangling"       // a link that leads nowhere
	Linked        Reason = "linked"         // one name is a link to the other
	Mounted       Reason = "mounted"        // a file is mounted there, and cannot be moved
	IsEssential   Reason = "essential"      // of an essential package, not to be missed for a moment
	HolderShips   Reason = "holder-ships"   // the holder still has its file there
	Shared        Reason = "shared"         // two packages ship it by two spellings
	NotConverted  Reason = "converting"     // /usr is being merged
	BrokenLayout  Reason = "layout"         // the top folder is neither split nor merged
	NotWritable   Reason = "read-only"      // a file is to be moved on a file system that is
	NotReadable   Reason = "hidden"         // it may not be looked at
	UnclearTarget Reason = "unclear-target" // two files could be the diverted one
)

// RefusedError says that a wanted state is not planned. Nothing was changed.
type RefusedError struct {
	Want   Want
	Reason Reason
	// Holder is the package that stands in the way; "" if it is no package.
	Holder string
	Text   string
}

func (e *RefusedError) Error() string {
	verb := "divert"
	if e.Want.Absent {
		verb = "take back the diversion of"
	}
	return fmt.Sprintf("cannot %s %s: %s", verb, e.Want.From, e.Text)
}

// Hint says what to do.
func (e *RefusedError) Hint() string {
	const unchanged = "nothing was changed; "
	switch e.Reason {
	case NotClean, NotCanonical:
		return unchanged + "spell the name so that dpkg and the file system mean the same"
	case Diverted:
		return unchanged + "koweld divert list says who diverts what"
	case NotConverted:
		return unchanged + "end the conversion first: dpkg --configure -a"
	case Exists, UnclearTarget:
		return unchanged + "look at both files, and put one aside"
	case Shared:
		return unchanged + "install again the one whose file it is to be, or leave the file where it is"
	case IsEssential:
		return unchanged + "leave the file where it is: the next version of its package goes to the other name"
	case NotWritable:
		return unchanged + "mount the file system writable and try again"
	case NotReadable:
		return "try again as root"
	}
	return unchanged + "choose another name, or remove what stands in the way"
}
