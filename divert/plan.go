package divert

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"koweld/internal/dpkg"
)

// Plan returns the steps from a state to a wanted one; none if it is so already.
// What must not be done is a *RefusedError.
//
// Where /usr is merged a name below it is diverted under both spellings, to
// targets that are different places (DEP17, M18): so it holds whichever spelling
// a package ships, now or later. Each step leaves a state from which a plan leads
// on: a diversion is recorded before the file is moved, and forgotten after the
// file is back. What was moved is always the file of another package, or of
// nobody; after a diversion is recorded only that of another package, since the
// holder's own may be there by then.
func Plan(st *State, w Want) ([]Step, error) {
	p := &planning{st: viewOf(st), w: w}
	if err := p.spelling(); err != nil {
		return nil, err
	}
	p.wanted = p.diversions()
	steps, err := p.present()
	if w.Absent {
		steps, err = p.absent()
	}
	if err == nil && len(steps) == 0 {
		return nil, nil
	}
	// While /usr is being merged nothing else that is in the way matters.
	if p.st.Layout.Usr == Converting {
		err = p.refuse(NotConverted, "usrmerge", "/usr is being merged: %s", p.st.Layout.Why)
	}
	if err == nil {
		err = p.layout()
	}
	if err == nil {
		err = p.writable(steps)
	}
	if err != nil {
		return nil, err
	}
	return steps, nil
}

// writable refuses to move a file where nothing can be renamed: that would be met
// only after dpkg has recorded the diversion.
func (p *planning) writable(steps []Step) error {
	for _, s := range steps {
		var names []string
		switch {
		case s.Move != nil:
			names = []string{s.Move.From, s.Move.To}
		case s.Unlink != nil:
			names = []string{s.Unlink.Name}
		}
		for _, name := range names {
			if p.st.name(name).ReadOnly {
				return p.refuse(NotWritable, "", "%s is on a file system that is read-only", name)
			}
		}
	}
	return nil
}

type planning struct {
	st     *view
	w      Want
	wanted []Diversion // the canonical spelling first
}

func (p *planning) refuse(why Reason, holder, format string, args ...any) error {
	return &RefusedError{p.w, why, holder, fmt.Sprintf(format, args...)}
}

// spelling refuses names that dpkg and the kernel do not mean alike.
func (p *planning) spelling() error {
	if p.w.Package != "" && !dpkg.IsPackageName(p.w.Package) {
		return p.refuse(NotClean, "", "%q is no name of a package", p.w.Package)
	}
	names := []string{p.w.From}
	if p.w.To != "" || !p.w.Absent {
		names = append(names, p.w.To)
	}
	for _, name := range names {
		if why := unclean(name); why != "" {
			return p.refuse(NotClean, "", "%q %s", name, why)
		}
		n := p.st.name(name)
		if n.Kind == Hidden {
			return p.refuse(NotReadable, "", "%s may not be looked at", name)
		}
		if n.Fault != "" {
			return p.refuse(NoWay, "", "there is no way to %s: %s", name, n.Fault)
		}
		if p.w.Absent {
			continue // what was recorded under an aliased name goes by that name
		}
		if name != p.w.To && p.st.samePlace(name, p.w.To) {
			return p.refuse(OnePlace, "", "%s is the same place", p.w.To)
		}
		twin := dpkg.Twin(name)
		if twin != "" && !p.w.Exact && !strings.HasPrefix(name, "/usr/") && p.st.samePlace(name, twin) {
			return p.refuse(NotCanonical, "", "%s is %s here", name, twin)
		}
	}
	return nil
}

// diversions are the records that a name has, or is to have.
func (p *planning) diversions() []Diversion {
	all := []Diversion{{p.w.From, p.w.To, p.w.Package}}
	twin := dpkg.Twin(p.w.From)
	if p.w.Exact || twin == "" || !strings.HasPrefix(p.w.From, "/usr/") || !p.st.samePlace(p.w.From, twin) {
		return all
	}
	to := ""
	if p.w.To != "" {
		to = aliasedTo(p.w.To)
	}
	return append(all, Diversion{twin, to, p.w.Package})
}

// layout refuses to do something in a top folder that is neither split nor merged.
func (p *planning) layout() error {
	for _, d := range p.wanted {
		for _, name := range []string{d.From, d.To} {
			if top := p.st.Layout.Top(name); top != nil && dpkg.Twin(name) != "" && top.State == TopBroken {
				return p.refuse(BrokenLayout, "", "/%s %s", top.Name, top.Why)
			}
		}
	}
	return nil
}

// present plans a diversion.
func (p *planning) present() ([]Step, error) {
	if p.w.Absent {
		return nil, nil
	}
	from := p.st.name(p.w.From)
	var steps []Step
	old := p.replaced()
	for _, d := range slices.Backward(old) {
		steps = append(steps, Step{Forget: &d})
	}
	recorded := false
	for _, d := range p.wanted {
		if have := p.st.from(d.From); have != nil && *have == d {
			recorded = true
			continue
		}
		if err := p.mayRecord(d, old); err != nil {
			return nil, err
		}
		steps = append(steps, Step{Record: &d})
	}
	if !recorded {
		if err := p.mayDivert(from); err != nil {
			return nil, err
		}
	}
	// One that ships the name has its file elsewhere when it becomes the holder,
	// or is not any more.
	if len(old) > 0 && old[0].Package != p.w.Package && !p.w.NoMove && !p.w.Exact {
		for _, pkg := range []string{old[0].Package, p.w.Package} {
			if p.st.ships(pkg, from.Path) {
				return nil, p.refuse(HolderShips, pkg, "package %s ships it, and would have its file elsewhere", pkg)
			}
		}
	}
	on, err := p.moveOn(old)
	if err != nil {
		return nil, err
	}
	away, err := p.moveAway(from, recorded || len(old) > 0)
	switch {
	case err != nil:
		return nil, err
	case on != nil && away != nil:
		return nil, p.refuse(UnclearTarget, "", "there are files at %s and at %s", on.Move.From, from.Path)
	case on != nil:
		steps = append(steps, *on)
	case away != nil:
		steps = append(steps, *away)
	}
	return steps, nil
}

// replaced are the diversions that are there and are to be replaced.
func (p *planning) replaced() (old []Diversion) {
	in := p.w.Instead
	if in == nil || in.From != p.w.From || *in == p.wanted[0] {
		return nil
	}
	all := []Diversion{*in}
	if len(p.wanted) > 1 {
		all = append(all, Diversion{p.wanted[1].From, aliasedTo(in.To), in.Package})
	}
	for _, d := range all {
		if have := p.st.from(d.From); have != nil && *have == d {
			old = append(old, d)
		}
	}
	return old
}

// moveOn plans the move of the file that is diverted from its old target to the
// new one.
func (p *planning) moveOn(old []Diversion) (*Step, error) {
	if p.w.NoMove || p.w.Exact {
		return nil, nil
	}
	var move *Step
	for i, d := range old {
		at, to := p.st.name(d.To), p.st.name(p.wanted[i].To)
		switch {
		case at.Kind == Absent, at.Path == to.Path, len(p.st.ownersOfPlace(at.Path, "")) > 0:
			continue
		case at.Kind != File && at.Kind != Link:
			return nil, p.refuse(IsSpecial, "", "%s is no file", at.Path)
		case at.Mount || to.Mount:
			return nil, p.refuse(Mounted, "", "a file is mounted on %s or %s", at.Path, to.Path)
		case move != nil:
			return nil, p.refuse(UnclearTarget, "", "there are files at %s and at %s", move.Move.From, at.Path)
		case to.Kind != Absent:
			return nil, p.refuse(Exists, "", "there is a file at %s, and it is another", to.Path)
		}
		move = &Step{Move: &Move{at.Path, to.Path, at.Dev != to.Dev}}
	}
	return move, nil
}

// mayRecord refuses a diversion that dpkg would refuse, or that another would
// meet.
func (p *planning) mayRecord(d Diversion, old []Diversion) error {
	if p.st.samePlace(d.From, d.To) {
		return p.refuse(OnePlace, "", "%s is the same place", d.To)
	}
	// First those with the very names: they tell more.
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, p.st.samePlace} {
		for _, e := range p.st.Diversions {
			if slices.Contains(p.wanted, e) || slices.Contains(old, e) {
				continue
			}
			if same(d.From, e.From) || same(d.From, e.To) || same(d.To, e.From) || same(d.To, e.To) {
				return p.refuse(Diverted, e.Package, "there is a %s already", e)
			}
		}
	}
	to := p.st.name(d.To)
	if pkgs := p.st.ownersOfPlace(d.To, ""); len(pkgs) > 0 {
		return p.refuse(Owned, pkgs[0], "package %s ships %s", pkgs[0], d.To)
	}
	switch {
	case to.Kind == Folder:
		return p.refuse(IsFolder, "", "%s is a folder", d.To)
	case to.Kind == Special:
		return p.refuse(IsSpecial, "", "%s is no file", d.To)
	case !to.Entry.HasFolder():
		return p.refuse(NoParent, "", "there is no folder %s, and dpkg makes none", path.Dir(d.To))
	}
	return nil
}

// mayDivert refuses what lies at a name that is not diverted yet.
func (p *planning) mayDivert(from *Name) error {
	for _, n := range p.st.spellings(from.Path) {
		for _, pkg := range n.Owners {
			if slices.Contains(p.st.Packages[pkg].Conffiles, n.Path) {
				return p.refuse(IsConffile, pkg, "it is a conffile of package %s", pkg)
			}
		}
	}
	switch from.Kind {
	case Folder:
		return p.refuse(IsFolder, "", "it is a folder")
	case Special:
		return p.refuse(IsSpecial, "", "it is no file")
	}
	if p.w.Exact { // what lies there is not touched
		return nil
	}
	if from.Kind == Link && from.Leads == "" {
		return p.refuse(Dangling, "", "it is a link that leads nowhere")
	}
	for _, d := range p.wanted {
		to := p.st.name(d.To)
		switch {
		case from.Mount:
			return p.refuse(Mounted, "", "a file is mounted on it")
		case to.Mount:
			return p.refuse(Mounted, "", "a file is mounted on %s", d.To)
		case to.Kind == Link && to.Leads == "":
			return p.refuse(Dangling, "", "%s is a link that leads nowhere", d.To)
		case from.Kind == Link && p.st.samePlace(from.Leads, d.To) || to.Kind == Link && p.st.samePlace(to.Leads, from.Path):
			return p.refuse(Linked, "", "of it and %s one is a link to the other", d.To)
		case from.Kind == File && to.Kind == File && from.Ino == to.Ino && from.Nlink == 1:
			return p.refuse(Mounted, "", "one file is mounted on it and %s", d.To)
		}
	}
	// While a conversion goes on, or where there is a link for each file.
	if twin := dpkg.Twin(from.Path); twin != "" && !p.st.samePlace(from.Path, twin) {
		t := p.st.name(twin)
		if from.Kind == Link && from.Leads == twin || t.Kind == Link && t.Leads == from.Path {
			return p.refuse(Linked, "", "of it and %s one is a link to the other", twin)
		}
	}
	return nil
}

// moveAway plans the move of the file that is diverted, if it is not yet moved.
func (p *planning) moveAway(from *Name, recorded bool) (*Step, error) {
	if p.w.NoMove || p.w.Exact || from.Kind == Absent {
		return nil, nil
	}
	foreign := p.st.ownersOfPlace(from.Path, p.w.Package)
	if p.st.ships(p.w.Package, from.Path) {
		if !recorded && len(foreign) > 0 { // by two spellings, or dpkg would have refused
			return nil, p.refuse(Shared, foreign[0], "packages %s and %s both ship it, and dpkg does not tell whose file is there", foreign[0], p.w.Package)
		}
		return nil, nil
	}
	if recorded && len(foreign) == 0 {
		return nil, nil
	}
	for _, pkg := range foreign {
		if p.st.Packages[pkg].Essential {
			return nil, p.refuse(IsEssential, pkg, "its package %s is essential, and the name must not be without a file", pkg)
		}
	}
	// dpkg has it at the target of the spelling that its package ships.
	d := p.wanted[0]
	var shipped []Diversion
	for _, d := range p.wanted {
		if len(p.st.owners(p.st.name(d.From), p.w.Package)) > 0 {
			shipped = append(shipped, d)
		}
	}
	switch len(shipped) {
	case 1:
		d = shipped[0]
	case 2:
		if recorded && p.st.name(shipped[0].To).Kind != Absent && p.st.name(shipped[1].To).Kind != Absent {
			return nil, nil
		}
		return nil, p.refuse(Shared, foreign[0], "it is shipped as %s and as %s by %s, and dpkg does not tell whose file is there", shipped[0].From, shipped[1].From, strings.Join(foreign, " and "))
	}
	to := p.st.name(d.To)
	switch {
	case from.Mount:
		return nil, p.refuse(Mounted, "", "a file is mounted on it")
	case to.Kind == Absent:
		return &Step{Move: &Move{d.From, d.To, from.Dev != to.Dev}}, nil
	case to.Ino == from.Ino && to.Kind != Folder: // a move by two links was cut off
		return &Step{Unlink: &Unlink{d.From, d.To}}, nil
	case recorded: // the next version has come there
		return nil, nil
	}
	return nil, p.refuse(Exists, "", "there is a file at %s, and it is another", d.To)
}

// absent plans the end of a diversion.
func (p *planning) absent() ([]Step, error) {
	records, err := p.recorded()
	if err != nil {
		return nil, err
	}
	var steps []Step
	if !p.w.NoMove && !p.w.Exact {
		if steps, err = p.moveBack(records); err != nil {
			return nil, err
		}
	}
	// The aliased one first: what is left in between is whole.
	for _, d := range slices.Backward(records) {
		steps = append(steps, Step{Forget: &d})
	}
	return steps, nil
}

// recorded are the diversions that are to end. That of the other spelling is one
// of them, on any layout, if it goes to where the two would be recorded; any other
// stays.
func (p *planning) recorded() ([]Diversion, error) {
	var records []Diversion
	to := p.w.To
	if have := p.st.from(p.w.From); have != nil {
		if have.Package != p.w.Package {
			return nil, p.refuse(Diverted, have.Package, "the %s is not that of %s", have, Diversion{Package: p.w.Package}.Holder())
		}
		if to != "" && have.To != to {
			return nil, p.refuse(Diverted, have.Package, "there is a %s, which goes elsewhere", have)
		}
		to = have.To
		records = append(records, *have)
	}
	if twin := dpkg.Twin(p.w.From); !p.w.Exact && twin != "" && to != "" && strings.HasPrefix(p.w.From, "/usr/") {
		other := Diversion{twin, aliasedTo(to), p.w.Package}
		if have := p.st.from(other.From); have != nil && *have == other {
			records = append(records, *have)
		}
	}
	return records, nil
}

// moveBack plans how the diverted files come back to their names.
func (p *planning) moveBack(records []Diversion) ([]Step, error) {
	var back []Diversion // whose file lies at its target
	for _, d := range records {
		to := p.st.name(d.To)
		// A file that a package ships under that name is that package's.
		if to.Kind == Absent || p.st.samePlace(d.From, d.To) || len(p.st.ownersOfPlace(d.To, "")) > 0 {
			continue
		}
		if to.Kind != File && to.Kind != Link {
			return nil, p.refuse(IsSpecial, "", "%s is no file", d.To)
		}
		back = append(back, d)
	}
	if len(back) > 1 && p.st.samePlace(back[0].From, back[1].From) {
		return nil, p.refuse(UnclearTarget, "", "there are files at %s and at %s", back[0].To, back[1].To)
	}
	var steps []Step
	for _, d := range back {
		more, err := p.moveOneBack(d)
		if err != nil {
			return nil, err
		}
		steps = append(steps, more...)
	}
	return steps, nil
}

func (p *planning) moveOneBack(d Diversion) ([]Step, error) {
	from, to := p.st.name(d.From), p.st.name(d.To)
	move := Step{Move: &Move{d.To, d.From, from.Dev != to.Dev}}
	switch {
	case from.Mount:
		return nil, p.refuse(Mounted, "", "a file is mounted on it")
	case to.Mount:
		return nil, p.refuse(Mounted, "", "a file is mounted on %s", d.To)
	case !from.Entry.HasFolder():
		return nil, p.refuse(NoParent, "", "there is no folder %s for the file at %s", path.Dir(d.From), d.To)
	case from.Kind == Absent:
		return []Step{move}, nil
	case from.Kind == Folder:
		return nil, p.refuse(IsFolder, "", "it is a folder, and the file at %s cannot come back", d.To)
	case p.st.ships(d.Package, d.From):
		return nil, p.refuse(HolderShips, d.Package, "its holder %s still ships a file there", d.Package)
	case from.Kind == File && from.Ino == to.Ino && from.Nlink == 1:
		return nil, p.refuse(Mounted, "", "one file is mounted on it and %s", d.To)
	case from.Ino == to.Ino: // it came back by two links
		return []Step{{Unlink: &Unlink{d.To, d.From}}}, nil
	case !p.w.Save:
		return nil, p.refuse(Exists, "", "there is a file already, and that at %s is another", d.To)
	}
	for n := 1; n <= savedNames; n++ {
		saved := p.st.name(savedName(d.From, n))
		if p.st.Names[saved.Path] != nil && saved.Kind == Absent {
			return []Step{{Move: &Move{d.From, saved.Path, false}}, move}, nil
		}
	}
	return nil, p.refuse(Exists, "", "there is a file already, and %d are put aside beside it", savedNames)
}
