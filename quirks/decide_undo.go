package quirks

import (
	"fmt"
	"slices"
)

// undoAllBut takes back what is on record but for some, which are to be on record
// afterwards.
func (d *deciding) undoAllBut(stay []Done) {
	d.next.Done = stay
	all := true
	var kept, said []Done                     // the last first
	for i := len(d.r.Done) - 1; i >= 0; i-- { // the last that was done first
		done := d.r.Done[i]
		switch {
		case done.Divert != nil:
			if slices.ContainsFunc(stay, func(o Done) bool {
				return o.Divert != nil && o.Divert.diversion() == done.Divert.diversion()
			}) {
				continue
			}
			if !d.undivert(done.Divert) {
				all = false
				kept = append(kept, done)
			}
		case done.Mirror != nil:
			if slices.ContainsFunc(stay, func(o Done) bool { return o.Mirror != nil && o.Mirror.To == done.Mirror.To }) {
				continue
			}
			if !d.unmirror(done.Mirror) {
				all = false
				kept = append(kept, done)
			}
		case done.Said != nil:
			if !slices.ContainsFunc(stay, func(o Done) bool { return o.Said != nil && o.Said.Text == done.Said.Text }) {
				said = append(said, done)
			}
		default: // of a later koweld
			kept = append(kept, done)
		}
	}
	if !all {
		kept = append(said, kept...) // it has not come to its end
	} else if d.s == TakeBack && slices.ContainsFunc(d.r.Done, func(o Done) bool { return o.Divert != nil || o.Mirror != nil }) {
		d.out.Say = append(d.out.Say, Message{"warning", "it is no longer held: " + d.out.Title})
	}
	slices.Reverse(kept)
	d.next.Done = append(d.next.Done, kept...)
}

// undivert ends a diversion; false if it cannot be known whether it is there.
func (d *deciding) undivert(was *Diverted) bool {
	if !d.f.Diversions.Known {
		d.unsure("what is diverted is known", d.f.Diversions.why())
		return false
	}
	have, is := d.f.from(was.From)
	if !is || have != was.diversion() {
		return true // somebody has ended it
	}
	whose := d.whose(was.From, was.Package)
	// What lay there before the diversion is nobody's orphan.
	sum := d.digest(was.To)
	if sum == was.Found {
		sum = ""
	}
	back := was.Target == MoveBack
	if d.s == TakeBack && !back && !was.Protected {
		isThere := whose.Package != "" && sum != ""
		back = (isThere || d.isAliased(was)) && d.mayReturn(was)
		if isThere && !back {
			d.out.Say = append(d.out.Say, Message{"warning", fmt.Sprintf(
				"the file of %s stays at %s: what lies at %s is not to be put aside", whose.Package, was.To, was.From,
			)})
		}
	}
	d.out.Wants = append(d.out.Wants, Want{
		From: was.From, To: was.To, Package: was.Package, Absent: true, Protected: was.Protected,
		NoMove: !back, Save: back,
	})
	d.ended = append(d.ended, have)
	if was.Target == DeleteOrphan && sum != "" && !back {
		d.leave(Left{Path: was.To, SHA256: sum, Package: whose.Package, Version: whose.Version})
	}
	if was.Stale == DeleteOrphan && !back && d.isStale(was, whose) {
		d.leave(Left{Path: was.From, SHA256: was.Behind, Package: whose.Package, Version: whose.Version})
	}
	return true
}

// isStale reports whether what lies at a diverted name is of a version of its package
// that is gone. A file of the version that is there still was never stale, and one that
// was no package's is not ours to remove.
func (d *deciding) isStale(was *Diverted, whose Owner) bool {
	return was.Behind != "" && was.Version != "" && was.Behind == d.digest(was.From) && whose.Version != was.Version
}

// isAliased reports whether a package ships the name by another spelling and may have
// its file where that is diverted to: both are, where /usr is merged (DEP17, M18).
func (d *deciding) isAliased(was *Diverted) bool {
	to := d.f.Paths[was.To].Kind
	return to.Known && to.Value == NoFile && slices.ContainsFunc(d.f.Paths[was.From].Owners.Value, func(o Owner) bool {
		return o.As != was.From && (was.Package == "" || o.Package != was.Package)
	})
}

// mayReturn reports whether a package's file can come back to its name: what is there
// can be put aside, and is not the holder's own.
func (d *deciding) mayReturn(was *Diverted) bool {
	p := d.f.Paths[was.From]
	return p.Kind.Known && slices.Contains([]Kind{NoFile, File, Symlink}, p.Kind.Value) && p.Owners.Known &&
		!slices.ContainsFunc(p.Owners.Value, func(o Owner) bool { return was.Package != "" && o.Package == was.Package })
}

// leave notes a file.
func (d *deciding) leave(l Left) {
	if !slices.ContainsFunc(d.next.Left, func(o Left) bool { return o.Path == l.Path }) {
		d.next.Left = append(d.next.Left, l)
	}
}

// found is the digest of a file that no diversion of ours has left there.
func (d *deciding) found(name string) string {
	sum := d.digest(name)
	if slices.ContainsFunc(d.next.Left, func(l Left) bool { return l.Path == name && l.SHA256 == sum }) {
		return ""
	}
	return sum
}

// whose is the package that ships a name and does not hold its diversion.
func (d *deciding) whose(name, holder string) Owner {
	for _, o := range d.f.Paths[name].Owners.Value {
		if o.As == name && (holder == "" || o.Package != holder) {
			return o
		}
	}
	return Owner{}
}

func (d *deciding) unsure(text, why string) {
	d.out.State, d.out.Why = Unsure, text+": "+why
}

// left looks at the files that diversions left behind.
func (d *deciding) left() {
	after := d.after()
	var stay []Left
	for _, l := range d.next.Left {
		switch fate, why := d.fate(after, l); fate {
		case waits:
			stay = append(stay, l)
		case orphan:
			d.out.Remove = append(d.out.Remove, Removal{Path: l.Path, SHA256: l.SHA256, Why: why})
		case forgotten:
			if why != "" {
				d.out.Say = append(d.out.Say, Message{"info", why})
			}
		}
	}
	d.next.Left = stay
}

// What becomes of a file that was left behind.
type leftFate int

const (
	waits     leftFate = iota // it may be of use, or it is not known
	orphan                    // nobody has it
	forgotten                 // it is somebody's, or not there
)

func (d *deciding) fate(after *Facts, l Left) (leftFate, string) {
	for _, w := range d.out.Wants {
		if !w.Absent && (w.From == l.Path || w.To == l.Path) {
			return forgotten, ""
		}
	}
	p := d.f.Paths[l.Path]
	if !p.Kind.Known || !p.Owners.Known || !after.Diversions.Known {
		return waits, ""
	}
	switch p.Kind.Value {
	case NoFile:
		return forgotten, ""
	case File:
	default:
		return forgotten, l.Path + " is no file any more, and stays"
	}
	if _, is := after.to(l.Path); is {
		return forgotten, ""
	}
	if owners := after.undiverted(p.Owners.Value); len(owners) > 0 {
		if slices.ContainsFunc(owners, func(o Owner) bool { return o.Package == l.Package && o.Version == l.Version }) {
			return waits, ""
		}
		return forgotten, ""
	}
	if d.isThere(l.Package, l.Version) || !d.s.IsAtRest() || !p.SHA256.Known {
		return waits, ""
	}
	if p.SHA256.Value != l.SHA256 {
		return forgotten, l.Path + " has been changed, and stays"
	}
	why := "nobody has it"
	if l.Package != "" {
		why = fmt.Sprintf("it was that of %s %s, which is gone", l.Package, l.Version)
	}
	return orphan, why
}

// isThere reports whether a package may be there in a version.
func (d *deciding) isThere(pkg, version string) bool {
	if pkg == "" {
		return false
	}
	f := d.f.Packages[pkg]
	return !f.Known || slices.ContainsFunc(f.Value, func(i Instance) bool {
		return i.hasFiles() && (i.Version == version || i.Status == "half-installed")
	})
}
