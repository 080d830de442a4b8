package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pault.ag/go/debian/version"

	"koweld/internal/dpkg"
)

// Divert is a diversion of dpkg's that the package holds from its preinst to its
// postrm. What it says becomes shell when the package is built; koweld need not
// be there when it is installed.
type Divert struct {
	ID string
	// From is diverted: the file that any other package ships there lies at To. It
	// is spelt below /usr if it has two spellings, unless Until is set.
	From, To string
	Ship     bool // the package has a file From of its own
	Move     Move
	Alias    Alias
	// Since is the version of the package that began to divert; "" if every version
	// that can be upgraded from does. Until is the one that no longer does; "" if
	// the one at hand does.
	Since, Until string
	OnConflict   Conflict
	Pos          Pos
}

// Move says what becomes of a file that is at the diverted name already.
type Move string

// The ways.
const (
	MoveAuto  Move = "auto"
	MoveNever Move = "never" // it stays, until the next version of its package comes to the other name
)

// Alias says what is done about the other spelling of the diverted name.
type Alias string

// The ways.
const (
	AliasAuto Alias = "auto" // it is diverted too, where /usr is merged
	AliasNone Alias = "none"
)

// Conflict says what is done when both names have a file and only one may stay.
type Conflict string

// The ways.
const (
	ConflictSave  Conflict = "save"  // the one that is in the way is put aside
	ConflictLeave Conflict = "leave" // both stay where they are
	ConflictFail  Conflict = "fail"
)

// Twin is the other spelling of From if that is diverted too; else "".
func (d *Divert) Twin() string {
	if d.Alias == AliasNone {
		return ""
	}
	return dpkg.Twin(d.From)
}

// Past reports whether the package has diverted it and no longer does.
func (d *Divert) Past() bool { return d.Until != "" }

// OnePlace reports whether two diverted names mean one place where /usr is merged.
func (d *Divert) OnePlace(o *Divert) bool { return inUsr(d.From) == inUsr(o.From) }

// inUsr is the spelling of a path below /usr.
func inUsr(name string) string {
	if twin := dpkg.Twin(name); twin != "" && !strings.HasPrefix(name, "/usr/") {
		return twin
	}
	return name
}

// distrib is what dpkg-divert(1) adds to a name.
const distrib = ".distrib"

// protected ends the names to which aliased spellings are diverted (DEP17, M18).
const protected = ".usr-is-merged"

// divertName: the names stand in maintainer scripts, unquoted, and are patterns
// of dpkg-query.
var divertName = regexp.MustCompile(`^[A-Za-z0-9/._+:~,@=-]+$`)

// debianVersion: Policy 5.6.12.
var debianVersion = regexp.MustCompile(`^(?:[0-9]+:)?[0-9][A-Za-z0-9.+~-]*$`)

// divertID names a diversion within its package.
var divertID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// overridden are folders of which each file has a way of its own to be replaced by
// an administrator or another package: Policy, appendix 7, forbids to divert
// those of systemd and udev, and modprobe.d(5) and depmod.d(5) are alike.
var overridden = []string{
	"systemd", "udev", "tmpfiles.d", "sysusers.d", "modules-load.d", "sysctl.d", "binfmt.d", "environment.d", "modprobe.d", "depmod.d",
}

func (d *decoder) diverts(v *value) []Divert {
	var all []Divert
	ids := map[string]Pos{}
	items := d.elements(v)
	for _, e := range items {
		f := d.fields(e, "id", "from", "to", "ship", "move", "alias", "since", "until", "on_conflict")
		id := f.need("id")
		t := Divert{Pos: e.pos, ID: d.plain(id, divertID, "of lower case letters, digits and -")}
		d.once(ids, id, t.ID, "id")
		t.Until = d.plain(f.get("until"), debianVersion, versionRule)
		t.Since = d.plain(f.get("since"), debianVersion, versionRule)
		if t.Since != "" && t.Until != "" && compareVersions(t.Since, t.Until) >= 0 {
			d.errorf(f.get("until"), "", "%s is no later version than %s, since which it diverts", t.Until, t.Since)
		}
		t.From = d.diverted(f.need("from"), t.Past())
		t.To = d.divertedTo(f.get("to"), e, t.From)
		t.Ship = d.bool(f.get("ship"), true)
		t.Move = Move(d.oneOf(f.get("move"), string(MoveAuto), string(MoveAuto), string(MoveNever)))
		t.Alias = Alias(d.oneOf(f.get("alias"), string(AliasAuto), string(AliasAuto), string(AliasNone)))
		if t.From != "" && inUsr(t.From) != t.From {
			t.Alias = AliasNone // the canonical one is another item
		}
		t.OnConflict = Conflict(d.oneOf(f.get("on_conflict"), string(ConflictSave),
			string(ConflictSave), string(ConflictLeave), string(ConflictFail)))
		all = append(all, t)
	}
	d.apart(all, items)
	return all
}

const versionRule = "a version of a Debian package (Policy 5.6.12)"

// plain is a string of a known form in which no variable is expanded; "" if v is
// nil or wrong.
func (d *decoder) plain(v *value, form *regexp.Regexp, what string) string {
	s, ok := d.word(v)
	if !ok {
		return ""
	}
	if !form.MatchString(s) {
		d.errorf(v, "", "%s is not %s", s, what)
		return ""
	}
	return s
}

// scriptable is an absolute path that can stand in a maintainer script.
func (d *decoder) scriptable(v *value) string {
	s, ok := d.absolute(v)
	if !ok {
		return ""
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return !divertName.MatchString(string(r)) }); i >= 0 {
		d.errorf(v, "", "%q has no place in a name that is diverted", []rune(s[i:])[0])
		return ""
	}
	for _, dir := range closedFolders {
		if isIn(s, dir) {
			d.errorf(v, "", "nothing is diverted in %s", dir)
			return ""
		}
	}
	return s
}

// diverted is a name to divert. That of a diversion of the past may be spelt as it
// was then.
func (d *decoder) diverted(v *value, past bool) string {
	s := d.scriptable(v)
	switch canonical := inUsr(s); {
	case s == "":
		return ""
	case past:
		return s
	case canonical != s:
		d.errorf(v, "use "+canonical+"; the other spelling is diverted with it", "%s is an aliased spelling", s)
		return ""
	case isIn(s, "/etc"):
		d.errorf(v, "let the administrator edit it, or use the folder for fragments of its program",
			"%s is below /etc, where files are conffiles, and those are not diverted (Policy, appendix 7)", s)
		return ""
	}
	for _, dir := range overridden {
		if isIn(s, "/usr/lib/"+dir) {
			d.errorf(v, "put a file of the same name into /etc/"+dir,
				"%s is not to be diverted: what is in /usr/lib/%s has an override of its own (Policy, appendix 7)", s, dir)
			return ""
		}
	}
	return s
}

// divertedTo is where a name is diverted to; v may be nil.
func (d *decoder) divertedTo(v, item *value, from string) string {
	if v == nil {
		if from == "" {
			return ""
		}
		return from + distrib
	}
	var s string
	d.with("from", from, func() { s = d.scriptable(v) })
	switch {
	case s == "" || from == "":
	case inUsr(s) == inUsr(from):
		d.errorf(v, "", "%s is the name that is diverted", s)
	case isIn(inUsr(s), inUsr(from)):
		d.errorf(v, "", "%s is below %s, which is a file", s, from)
	case item.member("until") != nil:
	case inUsr(s) != s:
		d.errorf(v, "use "+inUsr(s), "%s is an aliased spelling", s)
	case strings.HasSuffix(s, protected):
		d.errorf(v, "", "names that end in %s are for aliased spellings", protected)
	case isIn(s, "/usr/lib/modules") && IsModuleFile(s):
		d.errorf(v, "let it end in something else", "depmod would take %s for a module", s)
	}
	return s
}

// apart refuses diversions that meet in one name: dpkg has it in one at a time. One
// may follow another.
func (d *decoder) apart(all []Divert, items []*value) {
	for i := range all {
		for j := range i {
			a, b := &all[j], &all[i]
			if a.From == "" || b.From == "" || follows(a, b) || follows(b, a) {
				continue
			}
			var met string
			names := []string{inUsr(a.From), inUsr(a.To)}
			if name := inUsr(b.From); slices.Contains(names, name) {
				met = name
			} else if name := inUsr(b.To); slices.Contains(names, name) {
				met = name
			}
			if met == "" {
				continue
			}
			hint := ""
			if a.OnePlace(b) {
				hint = "where the one has followed the other, say until which version and since which"
			}
			d.errorf(items[i], hint, "%s is in two diversions; the other is %s", met, a.name())
		}
	}
}

func (d *Divert) name() string {
	return fmt.Sprintf("that of %s, at %d:%d", d.From, d.Pos.Line, d.Pos.Column)
}

// follows reports whether a was there before b, and no longer.
func follows(a, b *Divert) bool {
	return a.Until != "" && b.Since != "" && compareVersions(a.Until, b.Since) <= 0
}

// compareVersions compares two that are well-formed.
func compareVersions(a, b string) int {
	x, errA := version.Parse(a)
	y, errB := version.Parse(b)
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	return version.Compare(x, y)
}
