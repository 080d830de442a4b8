package quirks

import (
	"slices"
	"strings"
)

// Facts is what is known of a system: plain values that another package measured.
type Facts struct {
	OS Fact[OS]
	// Upgrade is what a release upgrader said of its way. The zero Upgrade says
	// that none is under way.
	Upgrade Fact[Upgrade]
	Arch    Fact[string] // as dpkg --print-architecture
	Layout  Fact[Layout]
	// Packages are those that were asked for. One that dpkg does not know has no
	// instances.
	Packages map[string]Fact[[]Instance]
	// Incoming is what the transaction that begins now brings, and Candidate what
	// an upgrader has marked.
	Incoming, Candidate Changes
	Paths               map[string]Path
	Relations           map[Pair]Fact[Relation]
	Diversions          Fact[[]Diversion] // all of them
	FIPS                Fact[bool]        // /proc/sys/crypto/fips_enabled
	Running             Fact[string]      // kernel, as uname -r
	Kernels             Fact[[]string]    // installed ones
	Dpkg                Fact[string]      // its version
}

// OS is what os-release says.
type OS struct{ ID, Codename, Version string }

// Upgrade is from which release to which an upgrader goes, by codename.
type Upgrade struct{ From, To string }

// Layout is how /usr lies; the words are those of koweld divert list.
type Layout struct {
	Usr string
	// Tops is how each top folder lies, by its name without a slash.
	Tops map[string]string
	Why  string
}

// The words of layouts. [Layouts] and [TopLayouts] list them.
const (
	converting = "converting"
	split      = "split"
	merged     = "merged"
	bind       = "bind"
	partial    = "partial"
	broken     = "broken"
	absent     = "absent"
)

// Layouts are the words for how /usr lies.
var Layouts = []string{split, merged, bind, converting, partial}

// TopLayouts are the words for how one top folder lies.
var TopLayouts = []string{split, merged, bind, broken, absent}

// Instance is a package of one architecture, as dpkg has it.
type Instance struct {
	Arch    string
	Status  string // as dpkg-query's ${db:Status-Status}
	Version string
}

// Statuses are those that dpkg-query tells.
var Statuses = []string{
	"not-installed", "config-files", "half-installed", "unpacked", "half-configured",
	"triggers-awaited", "triggers-pending", "installed",
}

func (i Instance) hasFiles() bool {
	return i.Status != "" && i.Status != "not-installed" && i.Status != "config-files"
}

// Changes are packages that come or go.
type Changes struct {
	// Complete says that no other package does. If it is false, what is not
	// listed is not known.
	Complete bool
	List     []Change
}

// Change is one of them.
type Change struct {
	Package string
	Arch    string // "" for any
	Version string // "" if it is removed
}

func (c Changes) of(pkg string) []Change {
	var all []Change
	for _, e := range c.List {
		if e.Package == pkg {
			all = append(all, e)
		}
	}
	return all
}

// Path is what is known of a name.
type Path struct {
	Kind Fact[Kind]
	Mode Fact[uint32] // permission bits
	// SHA256 is that of a file's bytes, where they were asked for.
	SHA256 Fact[string]
	// Verified says whether the bytes are those that a package has for the file
	// that it has here, under whichever name it ships it.
	Verified Fact[bool]
	// Owners ship this place, by this spelling or another of the same place.
	Owners Fact[[]Owner]
}

// Owner is a package that ships a name.
type Owner struct {
	Package string
	As      string // the spelling
	Version string
}

// Kind is what lies at a name.
type Kind string

// The kinds.
const (
	NoFile  Kind = "absent"
	File    Kind = "file"
	Dir     Kind = "dir"
	Symlink Kind = "symlink"
	Special Kind = "special"
	Loop    Kind = "loop" // there is no way to it
)

// Kinds lists them.
var Kinds = []string{string(NoFile), string(File), string(Dir), string(Symlink), string(Special), string(Loop)}

// Pair are two names, in an order.
type Pair struct{ A, B string }

// Relation is how two names stand to each other.
type Relation string

// The relations.
const (
	// Distinct: two places, and no file of the one is that of the other.
	Distinct Relation = "distinct"
	// OneAbsent: two places, of which one has nothing.
	OneAbsent Relation = "absent"
	// SameEntry: one place, by two spellings. To remove the one is to remove the
	// other.
	SameEntry Relation = "same-entry"
	// HardLink: two places of one file.
	HardLink Relation = "hard-link"
	// Mounted: one file is mounted on the other name.
	Mounted Relation = "mounted"
	// LinkTo: the first is a symbolic link to the second; LinkFrom the reverse.
	LinkTo   Relation = "link-to"
	LinkFrom Relation = "link-from"
	// BrokenLink: one is a link that leads nowhere, or there is no way to it.
	BrokenLink Relation = "broken"
)

// Relations lists them.
var Relations = []string{
	string(Distinct), string(OneAbsent), string(SameEntry), string(HardLink), string(Mounted),
	string(LinkTo), string(LinkFrom), string(BrokenLink),
}

// Diversion is one that dpkg has.
type Diversion struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Package string `json:"package,omitempty"` // "" for a local one
}

func (d Diversion) holder() string {
	if d.Package == "" {
		return "local"
	}
	return d.Package
}

func (d Diversion) by() string {
	if d.Package == "" {
		return "the administrator"
	}
	return d.Package
}

func (d Diversion) String() string { return d.From + " to " + d.To + ", " + d.holder() }

// from is the diversion of a name.
func (f *Facts) from(name string) (Diversion, bool) {
	i := slices.IndexFunc(f.Diversions.Value, func(d Diversion) bool { return d.From == name })
	if i < 0 {
		return Diversion{}, false
	}
	return f.Diversions.Value[i], true
}

// to is the diversion to a name.
func (f *Facts) to(name string) (Diversion, bool) {
	i := slices.IndexFunc(f.Diversions.Value, func(d Diversion) bool { return d.To == name })
	if i < 0 {
		return Diversion{}, false
	}
	return f.Diversions.Value[i], true
}

// isDiverted reports whether a package's file of a name lies elsewhere.
func (f *Facts) isDiverted(o Owner) bool {
	d, is := f.from(o.As)
	return is && (d.Package == "" || d.Package != o.Package)
}

// undiverted are those owners whose file does lie there.
func (f *Facts) undiverted(owners []Owner) []Owner {
	return slices.DeleteFunc(slices.Clone(owners), f.isDiverted)
}

func names(owners []Owner) string {
	var all []string
	for _, o := range owners {
		if !slices.Contains(all, o.Package) {
			all = append(all, o.Package)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
