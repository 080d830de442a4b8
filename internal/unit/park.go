package unit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/manifest"
)

// Between prerm remove and postrm, dpkg may still change its mind: then
// postinst abort-remove must put back what was, when the inputs may be gone or
// new already. So a prerm parks each file under a name that nobody looks at.

// park takes a package back as remove does, and keeps the bytes. If another unit
// of its group lies ready, that one comes into its place, in the same step.
func (s *System) park(ctx context.Context, old *store.Record, opts Options) (*Change, error) {
	if !old.IsPlaced() {
		return s.parkAside(ctx, old, opts)
	}
	next, err := s.heir(ctx, old)
	if err != nil {
		return nil, err
	}
	c := removal(old)
	err = s.swap(ctx, c, old, store.Removed, next, opts)
	if noRoom(err) {
		// To keep it takes room, for names at least; dpkg wants it gone.
		return s.remove(ctx, old, opts)
	}
	return c, err
}

// parkAside notes that what lies ready is removed: it is parked already.
func (s *System) parkAside(ctx context.Context, old *store.Record, opts Options) (*Change, error) {
	c := removal(old)
	if opts.DryRun {
		c.Action = Planned
		return c, nil
	}
	r := *old
	r.State, r.Reason = store.Removed, ""
	return c, s.rewriteRecord(ctx, &r, c)
}

// swap parks the unit old, whose state is then as given, and puts another into
// its place, in one transaction. Each may be nil.
func (s *System) swap(ctx context.Context, c *Change, old *store.Record, state store.State, next *store.Record, opts Options) error {
	pkg := cmp.Or(old, next).Package
	f, err := s.newFacts(ctx, pkg, nil, old, byBytes, nil)
	if err != nil {
		return err
	}
	p := &plan{}
	gone := make(map[string]*store.File) // what leaves its place, by path
	if old != nil {
		f.leaving = append(f.leaving, old.Package)
		for i := range old.Files {
			if err := s.lookAt(f, store.ParkedName(old.Package, old.Files[i].Path)); err != nil {
				return err
			}
		}
	}
	if next != nil {
		if err := s.lookAtNext(ctx, f, next); err != nil {
			return err
		}
	}
	var left, placed *store.Record
	if old != nil {
		left = f.vacate(p, old, state, next)
		for i := range old.Files {
			gone[old.Files[i].Path] = &old.Files[i]
		}
	}
	if next != nil {
		if placed, err = f.promote(p, next, gone); err != nil {
			return err
		}
	}
	if err := s.followSwap(ctx, f, p, c, left, placed, pendingOf(old, next), opts); err != nil {
		return err
	}
	for _, r := range []*store.Record{left, placed} {
		if r != nil {
			f.placeState(p, r)
		}
	}
	if opts.DryRun {
		c.plan(p)
		return nil
	}
	if err := s.apply(ctx, nil, p, c); err != nil {
		return err
	}
	s.report(p, c)
	if placed != nil && left != nil {
		s.observe(Event{Kind: Switched, Unit: placed.Package, Name: left.Package})
	}
	return nil
}

// lookAtNext looks at what is to be put into its place.
func (s *System) lookAtNext(ctx context.Context, f *facts, next *store.Record) error {
	if err := s.lookAtRecord(f, next, byBytes); err != nil {
		return err
	}
	if err := s.stateFacts(f, next.Package); err != nil {
		return err
	}
	for i := range next.Files {
		rec := &next.Files[i]
		f.wants = append(f.wants, want{path: rec.Path, at: rec.Path, mode: rec.Mode})
	}
	f.leaving = append(f.leaving, next.Package)
	return s.findOwners(ctx, f, nil)
}

// vacate plans that each file of a record that is ours gets its parked name, and
// loses the other, unless next has that too.
func (f *facts) vacate(p *plan, old *store.Record, state store.State, next *store.Record) *store.Record {
	r := *old
	r.State, r.Pending = state, nil
	r.Files = slices.Clone(old.Files)
	for i := range r.Files {
		file := &r.Files[i]
		t := f.targets[file.Path]
		if t.ours {
			file.Parked = store.ParkedName(r.Package, file.Path)
			p.add(txn.Op{
				Kind: txn.Place, Path: file.Parked, Mode: uint32(file.Mode), UID: file.UID, GID: file.GID,
				Was: seen(f.targets[file.Parked].there),
			}, source{link: file, from: file.Path})
		}
		switch heir := next.Find(file.Path); {
		case heir == nil || !f.targets[heir.At()].ours:
			if f.takeBack(p, t) {
				file.Original = nil
			}
		case t.there != nil && t.there.IsRegular() && !t.ours:
			f.keepChanged(p, t)
			file.Original = nil // it is the heir's
		default:
			file.Original = nil
		}
	}
	return &r
}

// promote plans the way from parked names to the paths. It forms nothing: what
// was not there to be kept is missing afterwards.
func (f *facts) promote(p *plan, next *store.Record, gone map[string]*store.File) (*store.Record, error) {
	r := *next
	r.State, r.Reason, r.Pending = store.Active, "", nil
	r.Files = slices.Clone(next.Files)
	var refused error
	for i := range r.Files {
		file := &r.Files[i]
		kept := file.Parked
		file.Parked = ""
		if kept == "" {
			continue
		}
		at, t := f.targets[kept], f.targets[file.Path]
		if !at.ours {
			if at.there != nil {
				p.kept = append(p.kept, keep{from: kept, to: kept})
			}
			continue
		}
		if why := t.refusal(); why != "" {
			refused = errors.Join(refused, &TargetError{Path: file.Path, Reason: why})
			continue
		}
		switch before := gone[file.Path]; {
		case before != nil && before.Original != nil:
			file.Original = f.moveOriginal(p, before.Original, next.Package, file.Path)
		case before == nil && t.there != nil:
			t.whose = next.Package
			file.Original = f.saveOriginal(p, t)
		}
		f.mkdirs(p, path.Dir(file.Path))
		p.add(txn.Op{
			Kind: txn.Place, Path: file.Path, Mode: uint32(file.Mode), UID: file.UID, GID: file.GID, Was: seen(t.there),
		}, source{link: file, from: kept})
		p.add(txn.Op{Kind: txn.Remove, Path: kept, Was: seen(at.there)}, source{})
	}
	return &r, refused
}

// pendingOf is what is pending for any of the records, which may be nil.
func pendingOf(records ...*store.Record) []store.Effect {
	var all []store.Effect
	for _, r := range records {
		if r != nil {
			all = append(all, r.Pending...)
		}
	}
	return all
}

// followSwap completes a plan with depmod, and the records with what is to be
// done next, or was before.
func (s *System) followSwap(ctx context.Context, f *facts, p *plan, c *Change, left, placed *store.Record, before []store.Effect, opts Options) error {
	tells := left // of the two, the record that what is pending is noted in
	if placed != nil {
		tells = placed
	}
	var names []string
	indexed, when := false, manifest.InitramfsNever
	for _, r := range []*store.Record{left, placed} {
		if r == nil {
			continue
		}
		names = append(names, r.ModuleNames()...)
		indexed = indexed || r.Depmod
		if initramfsWhen(r) != manifest.InitramfsNever {
			when = initramfsWhen(r)
		}
	}
	if indexed {
		missing, err := s.kernelFacts(f, tells.Kernel)
		if err != nil {
			return err
		}
		changed := f.indexModules(p, placed == nil && f.modulesGone())
		switch {
		case missing && changed && placed != nil:
			placed.Pending = append(placed.Pending, store.EffectDepmod)
		case missing && changed:
			c.Warnings = append(c.Warnings, depmodByHand(tells.Kernel))
		}
	}
	again, err := s.wantsInitramfs(ctx, when, tells.Kernel, names, p)
	if err != nil {
		return err
	}
	if (again || slices.Contains(before, store.EffectInitramfs)) && !opts.KernelHook {
		tells.Pending = append(tells.Pending, store.EffectInitramfs)
	}
	if placed != nil && len(placed.Pending) > 0 {
		placed.State = store.Pending
	}
	c.Pending = tells.Pending
	return nil
}

// putBack gives what is parked its name again, or has it lie ready if another
// unit of its group is active; which one is to be is then decided anew.
func (s *System) putBack(ctx context.Context, old *store.Record, opts Options) (*Change, error) {
	c := removal(old)
	c.Action = PutBack
	rivals, err := s.group(old.Provides, old.Kernel, old.Package)
	if err != nil {
		return nil, err
	}
	if len(rivals) == 0 {
		return c, s.swap(ctx, c, nil, "", old, opts)
	}
	if opts.DryRun {
		c.Action = Planned
		return c, nil
	}
	r := *old
	r.State = store.Ready
	if err := s.rewriteRecord(ctx, &r, c); err != nil {
		return nil, err
	}
	return c, s.electAgain(ctx, c, old.Provides, old.Kernel, opts)
}

// drop removes what is parked, and with it all that is known of the package
// but what is still to be done.
func (s *System) drop(ctx context.Context, old *store.Record, opts Options) (*Change, error) {
	f, err := s.newFacts(ctx, old.Package, nil, old, byBytes, nil)
	if err != nil {
		return nil, err
	}
	p := planDrop(f)
	c := removal(old)
	if old.State == store.Removed {
		c.Action = Dropped
	}
	c.Pending = old.Pending
	return c, s.applyRemoval(ctx, f, p, c, opts)
}

func planDrop(f *facts) *plan {
	p := &plan{}
	for i := range f.old.Files {
		if rec := &f.old.Files[i]; rec.Parked != "" {
			f.dropParked(p, rec)
		}
	}
	return p
}

// dropParked removes a parked file.
func (f *facts) dropParked(p *plan, rec *store.File) {
	switch t := f.targets[rec.Parked]; {
	case t.ours:
		p.add(txn.Op{Kind: txn.Remove, Path: rec.Parked, Was: seen(t.there)}, source{})
	case t.there != nil:
		p.kept = append(p.kept, keep{from: rec.Parked, to: rec.Parked})
	}
}

// applyRemoval removes the record with what a plan removes; if something is
// still to be done and will be done later, what is left of it tells of that.
func (s *System) applyRemoval(ctx context.Context, f *facts, p *plan, c *Change, opts Options) error {
	if len(c.Pending) > 0 && opts.Later {
		p.record = &store.Record{
			Package: f.pkg, Kernel: f.old.Kernel, State: store.Removed, Manifest: f.old.Manifest, Pending: c.Pending,
		}
		f.placeState(p, p.record)
	} else {
		f.removeState(p, f.pkg)
	}
	f.rmdirs(p)
	if opts.DryRun {
		c.plan(p)
		return nil
	}
	err := s.apply(ctx, nil, p, c)
	if noRoom(err) && p.onlyRemoves() {
		// What makes room must not need any.
		var warnings []string
		warnings, err = s.txn().RemoveInPlace(ctx, f.pkg, p.recordLast(f.st))
		c.Warnings = append(c.Warnings, warnings...)
	}
	if err != nil {
		return err
	}
	s.report(p, c)
	return nil
}

// removal is the report of a removal, or of one that is taken back.
func removal(old *store.Record) *Change {
	c := &Change{Package: old.Package, Kernel: old.Kernel, Action: Removed}
	for i := range old.Files {
		if old.Files[i].Module != nil {
			c.Modules++
		} else {
			c.Files++
		}
	}
	return c
}

// planRemoved completes a plan after which the modules are gone with depmod and
// what is still to be done.
func (s *System) planRemoved(ctx context.Context, f *facts, p *plan, c *Change) error {
	if f.old.Depmod {
		missing, err := s.kernelFacts(f, f.old.Kernel)
		if err != nil {
			return err
		}
		if f.indexModules(p, f.modulesGone()) && missing {
			c.Warnings = append(c.Warnings, depmodByHand(f.old.Kernel))
		}
	}
	stays, err := s.wantsInitramfs(ctx, initramfsWhen(f.old), f.old.Kernel, f.old.ModuleNames(), p)
	if err != nil {
		return err
	}
	if stays {
		c.Pending = append(c.Pending, store.EffectInitramfs)
	}
	return nil
}

// depmodByHand is what the admin must do where no record is left to say that depmod
// is still to run.
func depmodByHand(kernel string) string {
	return fmt.Sprintf("depmod is not on PATH: run depmod %s when it is", kernel)
}
