package quirks

import (
	"fmt"
	"slices"
)

// Decide says what a quirk asks for at a stage. q is nil if there is none any
// more, and r if nothing was done for it; one of them is given. Neither is
// changed.
//
// Carrying out a decision and deciding again asks for nothing new.
func Decide(q *Quirk, f *Facts, r *Record, s Stage) Decision {
	d := newDeciding(q, f, r, s)
	d.judge()
	if why := d.wait(); why != "" {
		d.out.State, d.out.Why = Deferred, why
		d.judgeCleanups(False)
		return d.done()
	}
	d.keep()
	d.f = d.after()
	if d.isOpen() {
		d.judgeCleanups(False)
		return d.done()
	}
	d.cleanups()
	d.left()
	return d.done()
}

type deciding struct {
	q   *Quirk // nil if it is gone or switched off
	off bool
	f   *Facts
	r   *Record // as it was; never nil
	s   Stage
	// next is the record as it is to be.
	next *Record
	out  Decision
	// is is whether the condition holds; of a quirk that is gone it does not.
	is, scope Truth
	// ended are the diversions that end now.
	ended []Diversion
}

func newDeciding(q *Quirk, f *Facts, r *Record, s Stage) *deciding {
	d := &deciding{q: q, f: f, r: r, s: s}
	d.out.Stage = s
	if q != nil {
		d.out.Quirk, d.out.Title, d.out.File, d.out.RetireAfter = q.Key(), q.Title, q.File, q.RetireAfter
		if q.Off {
			d.q, d.off = nil, true
		}
	} else {
		d.out.Quirk, d.out.Title, d.out.File = r.Quirk, r.Title, r.File
	}
	if r == nil {
		d.r = &Record{}
	}
	d.next = d.r.clone()
	return d
}

// done is the decision with its record.
func (d *deciding) done() Decision {
	if !d.next.isEmpty() {
		d.next.Version = RecordVersion
		d.next.Quirk, d.next.Title, d.next.File = d.out.Quirk, d.out.Title, d.out.File
		d.out.Record = d.next
	}
	return d.out
}

// evaluation is what conditions are evaluated by; also are diversions that are
// wanted.
func (d *deciding) evaluation(also ...Diversion) *evaluation {
	e := &evaluation{Facts: d.f, ours: also}
	for _, done := range d.r.Done {
		if done.Divert != nil {
			e.ours = append(e.ours, done.Divert.diversion())
		}
	}
	return e
}

// judge evaluates the conditions.
func (d *deciding) judge() {
	if d.q == nil {
		d.is = False
		d.out.State, d.out.Why = Gone, "there is no such quirk any more"
		switch {
		case d.off:
			d.out.Why = fmt.Sprintf("%s has switched it off", d.out.File)
		case d.out.File != "":
			d.out.Why = fmt.Sprintf("%s does not have it any more", d.out.File)
		}
		return
	}
	scope, when := True, True
	if d.q.Scope != nil {
		r := d.q.Scope.eval(d.evaluation())
		d.out.Scope, scope = &r, r.Is
	}
	if d.q.Keep != nil {
		r := d.q.Keep.When.eval(d.evaluation())
		d.out.When, when = &r, r.Is
	}
	d.is = scope.and(when)
	switch {
	case scope == False:
		d.out.State, d.out.Why = OutOfScope, d.out.Scope.decisive().String()
	case d.q.Keep == nil:
		d.out.State, d.out.Why = Idle, "it has nothing to keep"
	case d.is == True:
		d.out.State, d.out.Why = Held, "its condition holds"
	case when == False:
		d.out.State, d.out.Why = Idle, d.out.When.decisive().String()
	case scope == Unknown:
		d.out.State, d.out.Why = Unsure, d.out.Scope.decisive().String()
	default:
		d.out.State, d.out.Why = Unsure, d.out.When.decisive().String()
	}
	d.scope = scope
	if d.q.Keep == nil {
		d.is = False // what an older one kept is taken back
	}
}

// judgeCleanups evaluates the conditions of what is done once.
func (d *deciding) judgeCleanups(scope Truth) {
	if d.q == nil {
		return
	}
	for _, c := range d.q.Cleanup {
		r := c.When.eval(d.evaluation())
		due := slices.Contains(c.At, d.s) && scope.and(r.Is) == True
		// The end of a run may be made up for when the next begins: what that brings is
		// not there yet.
		if d.s == TransactionEnd && due {
			now := *d.f
			now.Incoming, now.Candidate = Changes{}, Changes{}
			due = c.When.eval(&evaluation{Facts: &now, ours: d.evaluation().ours}).Is == True
		}
		d.out.Cleanup = append(d.out.Cleanup, CleanupState{ID: c.ID, At: c.At, Due: due, When: r})
	}
}

// isOpen reports whether it is not known what is to be kept: then nothing is
// cleaned up either, which may depend on it.
func (d *deciding) isOpen() bool {
	return d.out.State == Unsure || slices.ContainsFunc(d.out.Cannot, func(c Cannot) bool { return c.Require.Is == Unknown })
}

// wait says why nothing can be done now, "" if it can.
func (d *deciding) wait() string {
	switch {
	case !d.f.Layout.Known:
		return "it is not known how /usr lies: " + d.f.Layout.why()
	case d.f.Layout.Value.Usr == converting:
		return "/usr is being merged: " + d.f.Layout.Value.Why
	}
	return ""
}

// keep decides the invariant.
func (d *deciding) keep() {
	switch d.is {
	case Unknown:
		return
	case False:
		d.undoAllBut(nil)
		return
	}
	for _, a := range d.q.Keep.Do {
		if why, ok := d.requires(a); !ok {
			d.out.State, d.out.Why = Refused, why.decisive().String()
			d.out.Cannot = append(d.out.Cannot, Cannot{Action: a.Do.String(), Require: why})
		}
	}
	if d.out.State == Refused {
		return
	}
	var stay []Done
	for _, a := range d.q.Keep.Do {
		if done := d.hold(a.Do); done != nil {
			stay = append(stay, *done)
		}
	}
	wants := d.out.Wants
	d.out.Wants = nil
	d.undoAllBut(stay)
	d.out.Wants = append(d.out.Wants, wants...)
}

// requires evaluates what must hold before an action is done first; what holds
// already is not asked about.
func (d *deciding) requires(a Action) (Reason, bool) {
	var also []Diversion
	switch a := a.Do.(type) {
	case Divert:
		if !d.f.Diversions.Known {
			return Reason{Text: "what is diverted is known", Why: d.f.Diversions.why()}, false
		}
		have, is := d.f.from(a.From)
		if is && have == a.diversion() && d.recorded(a.diversion()) != nil {
			return Reason{}, true
		}
		also = []Diversion{a.diversion()}
		if r := d.moves(a); r.Is == Unknown && d.recorded(a.diversion()) == nil {
			return r, false
		}
	case Mirror:
		if why, ok := d.mayMirror(a); !ok {
			return why, false
		}
	}
	e := d.evaluation(also...)
	for _, c := range a.Require {
		if r := c.eval(e); r.Is != True {
			return r, false
		}
	}
	return Reason{}, true
}

// moves says whether the file goes along.
func (d *deciding) moves(a Divert) Reason {
	if a.MoveWhen == nil {
		return Reason{Is: truth(a.Move)}
	}
	return a.MoveWhen.eval(d.evaluation())
}

// recorded is what was noted of a diversion when it was made; nil if it was not.
func (d *deciding) recorded(of Diversion) *Diverted {
	for _, done := range d.r.Done {
		if done.Divert != nil && done.Divert.diversion() == of {
			return done.Divert
		}
	}
	return nil
}

// hold makes an action hold. It returns what is to be on record of it, nil for
// nothing.
func (d *deciding) hold(a Doing) *Done {
	acts := slices.Contains(may(a.name()), d.s)
	switch a := a.(type) {
	case Divert:
		// Whether the file goes along is decided once.
		was := d.recorded(a.diversion())
		move := was != nil && was.Moved || was == nil && d.moves(a).Is == True
		d.out.Wants = append(d.out.Wants, Want{
			From: a.From, To: a.To, Package: a.Package, NoMove: !move, Protected: a.Protected,
		})
		if was != nil {
			now := *was
			now.Target, now.Stale = a.Undo.Target, a.Undo.Stale
			return &Done{Divert: &now}
		}
		made := &Diverted{
			From: a.From, To: a.To, Package: a.Package, Protected: a.Protected, Moved: move,
			Target: a.Undo.Target, Stale: a.Undo.Stale,
		}
		// What lay there before we diverted it is what stays behind; of what lies
		// there when it was diverted already nobody knows.
		if have, is := d.f.from(a.From); !move && !(is && have == a.diversion()) {
			made.Found = d.found(a.To)
			if made.Behind = d.digest(a.From); made.Behind != "" {
				made.Version = d.whose(a.From, a.Package).Version
			}
		}
		return &Done{Divert: made}
	case Mirror:
		return d.mirror(a, acts)
	case Message:
		said := &Done{Said: &Said{Text: a.String()}}
		if !slices.ContainsFunc(d.r.Done, func(o Done) bool { return o.Said != nil && o.Said.Text == said.Said.Text }) {
			d.out.Say = append(d.out.Say, a)
		}
		return said
	case Abort:
		if acts {
			d.out.Abort = append(d.out.Abort, a.Text)
		}
	}
	return nil
}

// digest is that of the bytes of a file; "" if there is none, or it is not known.
func (d *deciding) digest(name string) string {
	p := d.f.Paths[name]
	if !p.Kind.Known || p.Kind.Value != File || !p.SHA256.Known {
		return ""
	}
	return p.SHA256.Value
}
