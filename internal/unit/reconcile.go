package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"koweld/divert"
	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/quirks"
)

// Reconciled is what became of a quirk.
type Reconciled struct {
	quirks.Decision
	// Steps are those that were done, or in a dry run would be; none if all was so
	// already.
	Steps []string `json:"steps,omitempty"`
	// Refused says why nothing was done although it is wanted; "" if it was.
	Refused string `json:"refused,omitempty"`
}

// QuirkRefusedError says that what a quirk wants is not done.
type QuirkRefusedError struct {
	Quirk string
	Why   string
	Err   error // nil if the quirk itself requires what is not so
}

func (e *QuirkRefusedError) Error() string {
	return fmt.Sprintf("cannot hold the quirk %s: %s", e.Quirk, e.Why)
}

func (e *QuirkRefusedError) Unwrap() error { return e.Err }

// Hint says what to do. Whoever meets a quirk has not chosen its names.
func (e *QuirkRefusedError) Hint() string {
	explain := "koweld quirk explain " + e.Quirk + " says what was found"
	var refused *divert.RefusedError
	if !errors.As(e.Err, &refused) {
		return explain
	}
	switch refused.Reason {
	case divert.NotConverted, divert.NotWritable, divert.NotReadable, divert.Diverted, divert.Exists, divert.UnclearTarget:
		return refused.Hint()
	}
	return "nothing was changed; " + explain
}

// AbortError says that a quirk refuses the transaction that begins.
type AbortError struct {
	Quirk, Text string
}

func (e *AbortError) Error() string {
	return fmt.Sprintf("cannot let dpkg go on: %s (quirk %s)", e.Text, e.Quirk)
}

// Hint says what to do.
func (e *AbortError) Hint() string { return "koweld quirk explain " + e.Quirk + " says why" }

// Explain decides all quirks and does nothing.
func (s *System) Explain(ctx context.Context, o Occasion) ([]Reconciled, error) {
	set, err := s.loadQuirks(ctx, o)
	if err != nil {
		return nil, err
	}
	facts, err := s.quirkFacts(ctx, set, o)
	if err != nil {
		return nil, errors.Join(set.wrong, err)
	}
	var all []Reconciled
	for _, d := range set.decide(facts, o.Stage) {
		all = append(all, Reconciled{Decision: d})
	}
	return all, set.wrong
}

func (set *quirkSet) decide(f *quirks.Facts, stage quirks.Stage) []quirks.Decision {
	return slices.DeleteFunc(set.Decide(f, set.records, stage), func(d quirks.Decision) bool { return set.damaged[d.Quirk] })
}

// Reconcile makes true what quirks want now: each in a transaction of its own,
// with its record. All are tried; what is refused is a *QuirkRefusedError, and a
// transaction of dpkg's that must not go on an *AbortError.
//
// Before dpkg unpacks, what the end of its run before has missed is done first: it was
// killed, or nobody told of its end.
//
// Where all is so already no lock is taken. With DryRun nothing is done.
func (s *System) Reconcile(ctx context.Context, o Occasion, opts Options) ([]Reconciled, error) {
	if o.Stage != quirks.PreUnpack {
		return s.reconcileAt(ctx, o, opts)
	}
	end := o
	end.Stage = quirks.TransactionEnd
	before, endErr := s.reconcileAt(ctx, end, opts)
	all, err := s.reconcileAt(ctx, o, opts)
	if opts.DryRun {
		dropPlanned(before, all)
	}
	return joinPasses(before, all), joinOnce(err, endErr)
}

// dropPlanned drops what the next pass plans once more, since nothing was done.
func dropPlanned(before, now []Reconciled) {
	for i := range before {
		b := &before[i]
		at := slices.IndexFunc(now, func(r Reconciled) bool { return r.Quirk == b.Quirk })
		if at < 0 {
			continue
		}
		b.Steps = without(b.Steps, now[at].Steps)
		b.Say = without(b.Say, now[at].Say)
		b.Trigger = without(b.Trigger, now[at].Trigger)
	}
}

func without[T comparable](all, drop []T) []T {
	return slices.DeleteFunc(all, func(e T) bool { return slices.Contains(drop, e) })
}

// joinOnce joins errors, each text once.
func joinOnce(all ...error) error {
	var once []error
	said := map[string]bool{}
	var add func(error)
	add = func(err error) {
		if err == nil {
			return
		}
		// One with a hint is one error, whatever it is made of.
		_, whole := err.(interface{ Hint() string })
		if several, ok := err.(interface{ Unwrap() []error }); ok && !whole {
			for _, e := range several.Unwrap() {
				add(e)
			}
			return
		}
		if text := err.Error(); !said[text] {
			said[text] = true
			once = append(once, err)
		}
	}
	for _, err := range all {
		add(err)
	}
	return errors.Join(once...)
}

func (s *System) reconcileAt(ctx context.Context, o Occasion, opts Options) ([]Reconciled, error) {
	all, err := s.reconcileAll(ctx, o, true)
	open, openErr := s.txn().InFlight()
	kept, keptErr := s.planCarried(o)
	ended, endedErr := s.planEnded(o)
	if keptErr != nil || endedErr != nil {
		return nil, joinOnce(err, keptErr, endedErr)
	}
	if opts.DryRun || openErr == nil && len(open) == 0 && len(kept.ops)+len(ended.ops) == 0 && !slices.ContainsFunc(all, changes) {
		return all, err
	}
	locked := s.lockedWithDpkg
	if db, err := s.dpkg(); err != nil {
		return nil, err
	} else if db == nil {
		locked = s.locked
	}
	var changed []Reconciled
	lockErr := locked(ctx, func() error {
		if err := s.applyCarried(ctx, s.planCarried, o); err != nil {
			return err
		}
		changed, err = s.untilNothingIsLeft(ctx, o)
		return s.applyCarried(ctx, s.planEnded, o)
	})
	// What is refused is refused, whatever else fails.
	return changed, joinOnce(err, lockErr)
}

// untilNothingIsLeft reconciles until there is nothing to do any more: what one
// pass has moved another may have to move on, and what it was refused may be done now.
func (s *System) untilNothingIsLeft(ctx context.Context, o Occasion) (all []Reconciled, err error) {
	const passes = 3
	for range passes {
		var now []Reconciled
		now, err = s.reconcileAll(ctx, o, false)
		more := slices.ContainsFunc(now, changes)
		if all = joinPasses(all, now); !more {
			break
		}
	}
	return all, err
}

// joinPasses adds what a pass did to what those before it have done.
func joinPasses(before, now []Reconciled) []Reconciled {
	for i := range now {
		for _, b := range before {
			if b.Quirk != now[i].Quirk {
				continue
			}
			now[i].Steps = append(b.Steps, now[i].Steps...)
			now[i].Say = append(b.Say, now[i].Say...)
			now[i].Trigger = append(b.Trigger, now[i].Trigger...)
		}
	}
	for _, b := range before { // of a quirk that is gone, and its record with it
		if !slices.ContainsFunc(now, func(r Reconciled) bool { return r.Quirk == b.Quirk }) {
			now = append(now, b)
		}
	}
	return now
}

// changes reports whether there is something to do for a quirk.
func changes(r Reconciled) bool { return len(r.Steps) > 0 || len(r.Trigger) > 0 || len(r.Say) > 0 }

// reconcileAll decides all quirks and, unless it is only to plan, does what they
// want.
func (s *System) reconcileAll(ctx context.Context, o Occasion, plan bool) ([]Reconciled, error) {
	set, err := s.loadQuirks(ctx, o)
	if err != nil {
		return nil, err
	}
	return s.reconcileSet(ctx, set, o, plan)
}

func (s *System) reconcileSet(ctx context.Context, set *quirkSet, o Occasion, plan bool) ([]Reconciled, error) {
	facts, err := s.quirkFacts(ctx, set, o)
	if err != nil {
		return nil, errors.Join(set.wrong, err)
	}
	var all []Reconciled
	errs := []error{set.wrong}
	for _, d := range set.decide(facts, o.Stage) {
		r := Reconciled{Decision: d}
		err := s.reconcile(ctx, &r, plan)
		if err != nil { // nothing was done, or it has been taken back
			r.Steps, r.Say, r.Trigger = nil, nil, nil
		}
		var refused *divert.RefusedError
		if errors.As(err, &refused) {
			err = &QuirkRefusedError{d.Quirk, refused.Error(), refused}
			r.Refused = refused.Error()
		}
		errs = append(errs, err)
		for _, c := range d.Cannot {
			line := "cannot " + c.Action + ": " + c.Require.Sentence()
			errs = append(errs, &QuirkRefusedError{Quirk: d.Quirk, Why: strings.TrimPrefix(line, "cannot ")})
		}
		for _, text := range d.Abort {
			errs = append(errs, &AbortError{d.Quirk, text})
		}
		all = append(all, r)
	}
	return all, errors.Join(errs...)
}

// reconcile does what one quirk wants.
func (s *System) reconcile(ctx context.Context, r *Reconciled, onlyPlan bool) error {
	// A trigger is activated before it is on record that it was: to do so twice
	// does no harm.
	d := &r.Decision
	p := &plan{}
	if err := s.planQuirk(ctx, p, d); err != nil {
		return err
	}
	for _, op := range p.ops {
		r.Steps = append(r.Steps, op.String())
	}
	if err := s.planQuirkRecord(p, d); err != nil {
		return err
	}
	if len(r.Steps)+len(r.Say)+len(r.Trigger) == 0 && len(p.ops) > 0 {
		r.Steps = []string{"note what is so already"}
	}
	if onlyPlan {
		return nil
	}
	if db, err := s.dpkg(); err != nil {
		return err
	} else if db != nil {
		for _, t := range d.Trigger {
			if err := db.Activate(ctx, t); err != nil {
				return err
			}
		}
	}
	if len(p.ops) == 0 {
		return nil
	}
	c := &Change{Package: "quirk-" + strings.ReplaceAll(d.Quirk, ":", "-")}
	if err := s.apply(ctx, nil, p, c); err != nil {
		return err
	}
	for _, text := range c.Warnings {
		s.observe(Event{Kind: Warning, Unit: d.Quirk, Detail: text})
	}
	return nil
}

// planQuirk plans what a decision wants.
func (s *System) planQuirk(ctx context.Context, p *plan, d *quirks.Decision) error {
	var wants []divert.Want
	for _, w := range d.Wants {
		wants = append(wants, divertWant(w))
	}
	if len(wants) > 0 {
		st, err := s.Diversions(ctx, wants...)
		if err != nil {
			return err
		}
		for _, w := range wants {
			steps, err := divert.Plan(st, w)
			if err != nil {
				return err
			}
			if err := s.addDivert(p, st, steps); err != nil {
				return err
			}
			noteSteps(st, steps)
		}
	}
	for _, m := range d.Mirrors {
		if err := s.planMirror(p, m); err != nil {
			return err
		}
	}
	for _, r := range d.Remove {
		if err := s.planRemoval(p, r); err != nil {
			return err
		}
	}
	return nil
}

func divertWant(w quirks.Want) divert.Want {
	out := divert.Want{
		From: w.From, To: w.To, Package: w.Package, Absent: w.Absent, NoMove: w.NoMove, Exact: w.Protected, Save: w.Save,
	}
	if w.Was != nil {
		was := divert.Diversion(*w.Was)
		out.Instead = &was
	}
	return out
}

// noteSteps notes in a state what steps do to dpkg's list, so that the next plan sees
// it. What is moved is not followed: a second move of a file is refused when the
// transaction finds it elsewhere.
func noteSteps(st *divert.State, steps []divert.Step) {
	for _, step := range steps {
		switch {
		case step.Record != nil:
			st.Diversions = append(st.Diversions, *step.Record)
		case step.Forget != nil:
			st.Diversions = slices.DeleteFunc(st.Diversions, func(d divert.Diversion) bool { return d == *step.Forget })
		}
	}
}

// planMirror plans a second name of a file, or its end. What the decision has found
// there is looked at once more.
func (s *System) planMirror(p *plan, m quirks.MirrorWant) error {
	there, err := lstat(s.FS, m.To)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", m.To, err)
	}
	if m.Absent {
		return s.planMirrorEnd(p, m, there)
	}
	if there != nil {
		if err := s.isAsFound(m.To, *there, m.Was); err != nil {
			return err
		}
	}
	info, err := s.FS.Lstat(m.From)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", m.From, err)
	}
	if err := s.isAsFound(m.From, info, m.SHA256); err != nil {
		return err
	}
	src := source{copy: m.From}
	if m.Link {
		src = source{from: m.From, link: &store.File{SHA256: m.SHA256, Size: info.Size, Mtime: info.Mtime.UnixNano()}}
	}
	p.add(txn.Op{
		Kind: txn.Place, Path: m.To, Mode: uint32(info.Mode.Perm()), UID: info.UID, GID: info.GID, Was: seen(there),
	}, src)
	return nil
}

// planMirrorEnd plans the end of a second name, of which there is known; nil if nothing
// is there.
func (s *System) planMirrorEnd(p *plan, m quirks.MirrorWant, there *fsys.Info) error {
	if there == nil {
		return nil
	}
	one, err := onePlace(s.FS, m.From, m.To)
	if err != nil {
		return err
	}
	if one {
		return &txn.ChangedError{Path: m.To}
	}
	if err := s.isAsFound(m.To, *there, m.SHA256); err != nil {
		return err
	}
	p.add(txn.Op{Kind: txn.Remove, Path: m.To, Was: txn.See(*there)}, source{})
	return nil
}

// planRemoval plans the removal of a file. What the decision has proven of it is
// looked at once more: that it is not the other name of the one that stays, and
// the bytes of both.
func (s *System) planRemoval(p *plan, r quirks.Removal) error {
	info, err := s.FS.Lstat(r.Path)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", r.Path, err)
	}
	mounted, err := s.FS.IsMount(r.Path)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", r.Path, err)
	}
	if mounted {
		return &txn.ChangedError{Path: r.Path}
	}
	if info.Mode&fs.ModeSymlink == 0 || r.SHA256 != "" { // of a link there are no bytes
		if err := s.isAsFound(r.Path, info, r.SHA256); err != nil {
			return err
		}
	}
	if r.Keep != "" {
		one, err := onePlace(s.FS, r.Path, r.Keep)
		if err != nil {
			return err
		}
		if one {
			return &txn.ChangedError{Path: r.Path}
		}
		keep, err := s.FS.Lstat(r.Keep)
		if err != nil {
			return fmt.Errorf("cannot look at %s: %w", r.Keep, err)
		}
		if err := s.isAsFound(r.Keep, keep, r.KeepSHA256); err != nil {
			return err
		}
	}
	p.add(txn.Op{Kind: txn.Remove, Path: r.Path, Was: txn.See(info)}, source{})
	return nil
}

// isAsFound makes sure that a name, of which info is known, is the file with the bytes
// that were measured.
func (s *System) isAsFound(name string, info fsys.Info, sum string) error {
	if !info.IsRegular() || sum == "" {
		return &txn.ChangedError{Path: name}
	}
	have, err := txn.Sum(s.FS, name)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", name, err)
	}
	if have != sum {
		return &txn.ChangedError{Path: name}
	}
	return nil
}

// onePlace reports whether two names are one entry of one folder, which is there.
func onePlace(fsx fsys.FS, a, b string) (bool, error) {
	if path.Base(a) != path.Base(b) {
		return false, nil
	}
	var dirs [2]fsys.Info
	for i, name := range []string{a, b} {
		var err error
		switch dirs[i], err = fsx.Stat(path.Dir(name)); {
		case errors.Is(err, fs.ErrNotExist):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("cannot look at %s: %w", path.Dir(name), err)
		}
	}
	return dirs[0].SameFile(dirs[1]), nil
}

// planQuirkRecord plans the record of a quirk, if it is not so already.
func (s *System) planQuirkRecord(p *plan, d *quirks.Decision) error {
	name := quirkRecordPath(d.Quirk)
	there, err := lstat(s.FS, name)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", name, err)
	}
	if d.Record == nil {
		if there != nil {
			p.add(txn.Op{Kind: txn.Remove, Path: name, Was: txn.See(*there)}, source{})
		}
		return nil
	}
	data, err := quirks.EncodeRecord(d.Record)
	if err != nil {
		return err
	}
	if there != nil {
		old, err := fsys.ReadFile(s.FS, name, fileLimit)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", name, err)
		}
		if string(old) == string(data) {
			return nil
		}
	}
	if err := s.planQuirkFolders(p); err != nil {
		return err
	}
	p.add(txn.Op{Kind: txn.Place, Path: name, Mode: 0o644, UID: s.UID, GID: s.GID, Was: seen(there)}, source{state: dataFile, data: data})
	return nil
}
