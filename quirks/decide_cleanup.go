package quirks

import (
	"slices"
)

// cleanups decides what is to be done once.
func (d *deciding) cleanups() {
	if d.q == nil {
		d.next.Once = nil
		return
	}
	// They see what is kept as it will be.
	d.judgeCleanups(d.scope)
	var once []string
	for i, c := range d.q.Cleanup {
		state := d.out.Cleanup[i]
		was := slices.Contains(d.r.Once, c.ID)
		if state.Due {
			before := d.asked()
			did := d.cleanup(c, was)
			was = was || did
			d.out.Cleanup[i].Done = d.asked() == before
		} else if state.When.Is == False {
			was = false // it may come again
		}
		if was {
			once = append(once, c.ID)
		}
	}
	d.next.Once = once
}

// asked is how much is asked for so far.
func (d *deciding) asked() int {
	o := &d.out
	return len(o.Wants) + len(o.Remove) + len(o.Trigger) + len(o.Say) + len(o.Abort) + len(o.Cannot)
}

// cleanup decides one that is due. It returns whether something was done of which
// nothing but the record tells.
func (d *deciding) cleanup(c Cleanup, was bool) (once bool) {
	ok := true
	for _, a := range c.Do {
		if why, may := d.requires(a); !may {
			ok = false
			d.out.Cannot = append(d.out.Cannot, Cannot{Action: a.Do.String(), Cleanup: c.ID, Require: why})
		}
	}
	if !ok {
		return false
	}
	for _, a := range c.Do {
		why := Reason{Is: True}
		switch a := a.Do.(type) {
		case Redivert:
			why = d.redivert(a)
		case Release:
			why = d.release(a)
		case RemoveStale:
			why = d.removeStale(a)
		case Message:
			if once = true; !was {
				d.out.Say = append(d.out.Say, a)
			}
		case Activate:
			if once = true; !was {
				d.out.Trigger = append(d.out.Trigger, a.Trigger)
			}
		case Abort:
			d.out.Abort = append(d.out.Abort, a.Text)
		}
		if why.Is != True {
			d.out.Cannot = append(d.out.Cannot, Cannot{Action: a.Do.String(), Cleanup: c.ID, Require: why})
		}
	}
	return once
}

func (d *deciding) redivert(a Redivert) Reason {
	if !d.f.Diversions.Known {
		return Reason{Text: "what is diverted is known", Why: d.f.Diversions.why()}
	}
	if have, is := d.f.from(a.From); is && have == a.was() {
		was := a.was()
		d.out.Wants = append(d.out.Wants, Want{From: a.From, To: a.To, Package: a.Package, NoMove: true, Protected: true, Was: &was})
		d.ended = append(d.ended, was)
	}
	return Reason{Is: True} // any other is not the one that is meant
}

func (d *deciding) release(a Release) Reason {
	if !d.f.Diversions.Known {
		return Reason{Text: "what is diverted is known", Why: d.f.Diversions.why()}
	}
	have, is := d.f.from(a.From)
	if !is || have.Package != a.Package || a.To != "" && have.To != a.To || d.recorded(have) != nil {
		return Reason{Is: True}
	}
	if a.Package != "" {
		gone := Not{PackageIs{Name: a.Package, View: Effective}}.eval(d.evaluation())
		here := Not{PackageIs{Name: a.Package, View: Installed}}.eval(d.evaluation())
		for _, r := range []Reason{gone, here} {
			if r.Is != True {
				return r
			}
		}
	}
	d.out.Wants = append(d.out.Wants, Want{From: a.From, To: have.To, Package: a.Package, Absent: true, NoMove: !a.Move, Save: a.Move})
	d.ended = append(d.ended, have)
	return Reason{Is: True}
}

// removeStale removes a file if it is proven that it is not the other name of the
// good one, that the good one is good, and that nobody has it.
func (d *deciding) removeStale(a RemoveStale) Reason {
	p := d.f.Paths[a.Path]
	if p.Kind.Known && p.Kind.Value == NoFile {
		return Reason{Is: True}
	}
	e := d.evaluation()
	checks := []Condition{
		PathIs{Path: a.Path, Is: []Kind{File, Symlink}},
		Not{OwnerIs{Path: a.Path, Is: []string{anyUndiverted}}},
		Not{DiversionIs{Path: a.Path, Is: []string{target}}},
	}
	if a.SHA256 != nil {
		checks = append(checks, PathIs{Path: a.Path, SHA256: a.SHA256})
	}
	if a.Keep != "" {
		checks = append(checks,
			RelationIs{Pair{a.Path, a.Keep}, []Relation{Distinct, HardLink, LinkTo}},
			PathIs{Path: a.Keep, Is: []Kind{File}},
		)
	}
	for _, c := range checks {
		if r := c.eval(e); r.Is != True {
			return r
		}
	}
	keep := d.f.Paths[a.Keep]
	if a.Keep != "" && a.Verified {
		r := Reason{Text: a.Keep + " has the bytes that its package has for it", Is: True}
		switch {
		case !keep.Verified.Known:
			r.Is, r.Why = Unknown, keep.Verified.why()
			return r
		case !keep.Verified.Value:
			r.Is, r.Found = False, "it has others"
			return r
		}
	}
	if a.Differs && p.Kind.Value == File {
		r := Reason{Text: a.Path + " and " + a.Keep + " differ", Is: True}
		switch {
		case !p.SHA256.Known || !keep.SHA256.Known:
			r.Is, r.Why = Unknown, "their bytes are not known"
			return r
		case p.SHA256.Value == keep.SHA256.Value:
			r.Is, r.Found = False, "they do not"
			return r
		}
	}
	removal := Removal{Path: a.Path, SHA256: d.digest(a.Path), Keep: a.Keep, Why: "nothing reads it any more"}
	if p.Kind.Value == File && removal.SHA256 == "" {
		return Reason{Text: "the bytes of " + a.Path + " are known", Why: p.SHA256.why()}
	}
	if a.Keep != "" {
		if removal.KeepSHA256 = d.digest(a.Keep); removal.KeepSHA256 == "" {
			return Reason{Text: "the bytes of " + a.Keep + " are known", Why: keep.SHA256.why()}
		}
	}
	d.out.Remove = append(d.out.Remove, removal)
	return Reason{Is: True}
}
