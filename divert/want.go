package divert

import (
	"fmt"
	"path"
	"strings"

	"koweld/internal/dpkg"
)

// Want is a wanted state of one name.
type Want struct {
	From string `json:"from"`
	// To is where other packages have their file; for an absent one it may be
	// "", which is any.
	To      string `json:"to,omitempty"`
	Package string `json:"package,omitempty"` // who holds it; "" for a local diversion
	// Absent says that the name is not to be diverted.
	Absent bool `json:"absent,omitempty"`
	// NoMove leaves files where they are: for a name whose next version is to
	// come to To while the old one is still in use.
	NoMove bool `json:"noMove,omitempty"`
	// Instead is the diversion of the name that is to be replaced, by the same
	// or another holder; any other is refused. nil: none is. What lies at its
	// target goes to the new one, unless NoMove is set.
	Instead *Diversion `json:"instead,omitempty"`
	// Exact says that the spelling is meant as it is, and no other: to protect an
	// aliased name, that of a top folder too, from dpkg (DEP17, M4 and M8). No file
	// is moved.
	Exact bool `json:"exact,omitempty"`
	// Save says that a file which came to From meanwhile, and is nobody's, is
	// put aside when the one at To goes back; otherwise that is refused.
	Save bool `json:"save,omitempty"`
}

// protected is what the name ends in to which the aliased spelling of a name is
// diverted (DEP17, mitigations M8 and M18).
const protected = ".usr-is-merged"

// aliasedTo is where the aliased spelling is diverted to. It must not mean the
// same place as where the canonical one is: an upgrade from the one spelling to
// the other would delete the file (DEP17, M18).
func aliasedTo(to string) string {
	if twin := dpkg.Twin(to); twin != "" && strings.HasPrefix(to, "/usr/") {
		to = twin
	}
	return to + protected
}

// savedNames is how many files can be put aside for one name.
const savedNames = 9

func savedName(from string, n int) string { return fmt.Sprintf("%s.koweld-saved-%d", from, n) }

// names are those that a plan must know.
func (w Want) names() []string {
	all := []string{w.From}
	if w.To != "" {
		all = append(all, w.To, aliasedTo(w.To))
	}
	if w.Instead != nil {
		all = append(all, w.Instead.From, w.Instead.To, aliasedTo(w.Instead.To))
	}
	for n := 1; w.Absent && w.Save && n <= savedNames; n++ {
		all = append(all, savedName(w.From, n))
		if twin := dpkg.Twin(w.From); twin != "" {
			all = append(all, savedName(twin, n))
		}
	}
	return all
}

// unclean says what is wrong with a name, "" if nothing.
func unclean(name string) string {
	switch {
	case !path.IsAbs(name):
		return "is not absolute"
	case strings.ContainsAny(name, "\n\x00"):
		return "has a character that dpkg cannot record"
	case len(name) > maxLine:
		return "is longer than dpkg can record"
	case name == "/":
		return "is the root"
	case path.Clean(name) != name:
		return "is not the shortest spelling, which is " + path.Clean(name)
	}
	return ""
}
