package divert

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"koweld/internal/dpkg"
)

// Finding is a diversion that is not what it looks like, or a layout of /usr in
// which none can be judged.
type Finding struct {
	Kind      Problem   `json:"kind"`
	Severity  Severity  `json:"severity"`
	Diversion Diversion `json:"diversion,omitzero"`
	// Text says what is wrong, and with whom.
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
	// Source is where the rule comes from.
	Source string `json:"source"`
}

// Severity says what a finding means.
type Severity string

// The severities.
const (
	Harmful Severity = "harmful" // a file is lost, or dpkg will fail
	Idle    Severity = "idle"    // the diversion does nothing
	Doubt   Severity = "doubt"   // perhaps as it is meant to be: somebody should look
)

// Problem is a kind of finding.
type Problem string

// The kinds.
const (
	Ineffective Problem = "ineffective"  // the package ships the other spelling
	Itself      Problem = "onto-itself"  // both names are one place
	Clash       Problem = "clash"        // two diversions meet at one place
	TargetOwned Problem = "target-owned" // a package ships the name it goes to
	NoFolder    Problem = "no-folder"    // the folder it goes to is not there
	Orphan      Problem = "orphan"       // its holder is not installed
	Unclean     Problem = "unclean"      // a spelling that no package uses
	OfConffile  Problem = "conffile"     // of a conffile
	OfFolder    Problem = "folder"       // of a folder
	Unreachable Problem = "unreachable"  // there is no way to the place
	Unmoved     Problem = "unmoved"      // the file still lies at its first name
	Missing     Problem = "missing"      // the diverted file is nowhere
	UsrState    Problem = "layout"       // /usr is being converted, or broken
)

// Check says which diversions of a state do nothing or do harm, whoever made
// them. The findings are in the order of the diverted names.
func Check(st *State) []Finding {
	c := checking{st: viewOf(st)}
	switch st.Layout.Usr {
	case Converting:
		c.add(UsrState, Harmful, Diversion{}, "/usr is being merged: "+st.Layout.Why,
			"end it first: dpkg --configure -a, and what usrmerge says", "usrmerge, README.Debian")
	case Partial:
		c.add(UsrState, Doubt, Diversion{}, "/usr is neither split nor merged: "+st.Layout.Why,
			"a top folder is a folder, or a link to the one in /usr", "DEP17")
	}
	for _, d := range st.Diversions {
		c.diversion(d)
	}
	return c.found
}

type checking struct {
	st    *view
	found []Finding
}

func (c *checking) add(kind Problem, sev Severity, d Diversion, text, hint, source string) {
	c.found = append(c.found, Finding{kind, sev, d, text, hint, source})
}

const (
	sourceDEP17  = "DEP17"
	sourcePolicy = "Policy, appendix 7"
	sourceDivert = "dpkg-divert(1)"
	sourceDpkg   = "dpkg, archives.c"
)

func (c *checking) diversion(d Diversion) {
	from, to := c.st.name(d.From), c.st.name(d.To)
	if d.Package != "" && !c.st.Packages[d.Package].HasFiles() {
		c.add(Orphan, Doubt, d, fmt.Sprintf("its holder %s is not installed, so that nobody will remove it", d.Package),
			fmt.Sprintf("koweld divert plan --remove --package %s %s says how to remove it", d.Package, d.From),
			"lintian, orphaned-diversion")
	}
	if why := unclean(d.From); why != "" {
		c.add(Unclean, Idle, d, d.From+" "+why+", and dpkg compares names as they are written", "divert "+path.Clean(d.From), sourceDivert)
		return
	}
	if from.Fault != "" || to.Fault != "" {
		c.fault(d, from, to)
		return
	}
	if from.Kind == Folder {
		c.add(OfFolder, Idle, d, d.From+" is a folder, and dpkg diverts none", "divert the files in it", sourceDivert)
		return
	}
	if c.st.samePlace(d.From, d.To) {
		c.itself(d)
		return
	}
	if twin := dpkg.Twin(d.From); twin != "" && from.Kind == Link && from.Leads == twin && !c.st.samePlace(d.From, twin) {
		c.add(UsrState, Doubt, d, fmt.Sprintf("%s is a link to %s, as convert-usrmerge makes them one by one", d.From, twin),
			"end the conversion, if there is one", "usrmerge, convert-usrmerge")
	}
	idle := c.ineffective(d)
	c.clashes(d)
	c.target(d, to)
	others := c.st.owners(from, d.Package)
	for _, pkg := range others {
		if slices.Contains(c.st.Packages[pkg].Conffiles, d.From) {
			c.add(OfConffile, Harmful, d, fmt.Sprintf("%s is a conffile of %s: a purge will leave %s behind", d.From, pkg, d.To),
				"conffiles are not diverted; let the administrator edit it", sourcePolicy)
		}
	}
	if !idle && len(others) > 0 && to.Kind == Absent && to.Entry.HasFolder() {
		c.absent(d, from, others)
	}
}

// fault tells of a name that cannot be reached. What may not be looked at is not
// judged.
func (c *checking) fault(d Diversion, from, to *Name) {
	for _, n := range []*Name{from, to} {
		if n.Fault != "" && n.Kind != Hidden {
			c.add(Unreachable, Harmful, d, "no file can be put at "+n.Path+": "+n.Fault, "mend the link or the folder", sourceDpkg)
			return
		}
	}
}

func (c *checking) itself(d Diversion) {
	hint := "remove it with dpkg-divert --no-rename, never with --rename"
	if d.Package != "" {
		hint = "upgrade or remove " + d.Package + "; by hand: dpkg-divert --no-rename, never --rename"
	}
	c.add(Itself, Harmful, d,
		fmt.Sprintf("%s and %s are one place here, so that nothing is diverted; dpkg refuses each package that ships %s, and dpkg-divert --rename would delete the file", d.From, d.To, d.To),
		hint, "LP: #1982534")
}

// ineffective tells of packages that ship the same place by a spelling that is
// not diverted. It is right where the holder ships it: then the diversion protects
// its file from a package that has the aliased name.
func (c *checking) ineffective(d Diversion) bool {
	idle := false
	for _, s := range c.st.spellings(d.From)[1:] {
		pkgs := c.st.owners(s, "")
		if len(pkgs) == 0 || slices.Contains(pkgs, d.Package) || c.st.from(s.Path) != nil {
			continue
		}
		idle = true
		c.add(Ineffective, Idle, d,
			fmt.Sprintf("%s ships %s, which is the same place by another name and is not diverted: its file replaces that of the holder", strings.Join(pkgs, " and "), s.Path),
			fmt.Sprintf("%s has to divert %s too, to a target that is another place", d.Holder(), s.Path),
			sourceDEP17+", problem P3, mitigation M18")
	}
	return idle
}

// clashes tells of other diversions that meet this one. dpkg sees to it that no
// name is in two, and knows nothing of other spellings.
func (c *checking) clashes(d Diversion) {
	to := c.st.name(d.To).Entry
	for _, e := range c.st.toAt[to] {
		switch {
		case compare(d.From, e.From) >= 0: // itself, or told of already
		case c.st.samePlace(d.From, e.From):
			c.add(Clash, Harmful, d,
				fmt.Sprintf("%s is the same place and is diverted to the same place: an upgrade that goes from one spelling to the other deletes the file", e.From),
				"divert the aliased name to "+aliasedTo(canonical(d.To)), sourceDEP17+", mitigation M18")
		default:
			c.add(Clash, Harmful, d,
				fmt.Sprintf("%s of %s is diverted to the same place: one file replaces the other", e.From, e.Holder()),
				"divert them to different places", sourceDpkg)
		}
	}
	for _, e := range c.st.fromAt[to] {
		c.add(Clash, Harmful, d,
			fmt.Sprintf("%s is the place of %s, which %s diverts: one file replaces the other", d.To, e.From, e.Holder()),
			"divert it to another place", sourceDpkg)
	}
}

// canonical is the spelling below /usr.
func canonical(name string) string {
	if twin := dpkg.Twin(name); twin != "" && !strings.HasPrefix(name, "/usr/") {
		return twin
	}
	return name
}

// target looks at where a diversion goes.
func (c *checking) target(d Diversion, to *Name) {
	if pkgs := c.st.ownersOfPlace(d.To, ""); len(pkgs) > 0 {
		c.add(TargetOwned, Harmful, d,
			fmt.Sprintf("%s ships %s: dpkg replaces its file by the diverted one, and later removes it", strings.Join(pkgs, " and "), d.To),
			"divert it to a name that nobody has", sourceDpkg+", which checks it only when the package is unpacked")
	}
	switch {
	case to.Kind == Folder:
		c.add(TargetOwned, Harmful, d, d.To+" is a folder", "divert it to the name of a file", sourceDpkg)
	case to.Entry.Rest != "" && !to.Entry.HasFolder():
		c.add(NoFolder, Harmful, d, fmt.Sprintf("there is no folder %s: dpkg cannot unpack a package that ships %s", path.Dir(d.To), d.From),
			"make the folder", sourceDpkg)
	}
}

// absent tells of a diverted file that is not where dpkg has it.
func (c *checking) absent(d Diversion, from *Name, others []string) {
	owner := strings.Join(others, " and ")
	// Both spellings are diverted, and the file was moved by the wrong one.
	for _, s := range c.st.spellings(d.From)[1:] {
		if e := c.st.from(s.Path); e != nil && c.st.name(e.To).Kind != Absent && len(c.st.owners(s, e.Package)) == 0 {
			c.add(Missing, Doubt, d, fmt.Sprintf("%s ships %s, but there is a file at %s, where it would be if that shipped %s", owner, d.From, e.To, e.From),
				fmt.Sprintf("move it to %s", d.To), sourceDEP17+", mitigation M18")
			return
		}
	}
	if from.Kind != Absent && !c.st.ships(d.Package, d.From) {
		c.add(Unmoved, Doubt, d, fmt.Sprintf("the file of %s still lies at %s, and the next version will come to %s", owner, d.From, d.To),
			"if it was to be moved, dpkg-divert --rename was interrupted: mv -n it there", sourceDivert)
		return
	}
	c.add(Missing, Doubt, d, fmt.Sprintf("the file of %s is not at %s; dpkg -V does not look there", owner, d.To),
		"unless path-exclude keeps it away, install "+owner+" again", "dpkg(1), --verify")
}
