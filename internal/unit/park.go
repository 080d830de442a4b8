package unit

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"koweld/internal/store"
	"koweld/internal/txn"
)

// Between prerm remove and postrm, dpkg may still change its mind: then
// postinst abort-remove must put back what was, when the inputs may be gone or
// new already. So a prerm parks each file under a name that nobody looks at.

// park takes a package back as remove does, and keeps the bytes.
func (s *System) park(ctx context.Context, old *store.Record, opts Options) (*Change, error) {
	f, err := s.newFacts(ctx, old.Package, nil, old, byBytes)
	if err != nil {
		return nil, err
	}
	for i := range old.Files {
		if err := s.lookAt(f, store.ParkedName(old.Files[i].Path)); err != nil {
			return nil, err
		}
	}
	p := planPark(f)
	c := removal(old)
	if err := s.planRemoved(ctx, f, p, c); err != nil {
		return nil, err
	}
	p.record.Pending = c.Pending
	f.placeState(p, p.record)
	err = s.apply(ctx, nil, p, c)
	if noRoom(err) {
		// To keep it takes room, for names at least; dpkg wants it gone.
		return s.remove(ctx, old, opts)
	}
	if err != nil {
		return nil, err
	}
	s.report(p, c)
	return c, nil
}

// planPark plans that each file that is ours gets its parked name, and loses
// the other.
func planPark(f *facts) *plan {
	r := *f.old
	r.State, r.Files, r.Pending = store.Removed, nil, nil
	p := &plan{record: &r}
	r.Files = slices.Clone(f.old.Files)
	for i := range r.Files {
		file := &r.Files[i]
		t := f.targets[file.Path]
		if t.ours {
			file.Parked = store.ParkedName(file.Path)
			p.add(txn.Op{
				Kind: txn.Place, Path: file.Parked, Mode: uint32(file.Mode), UID: file.UID, GID: file.GID,
				Was: seen(f.targets[file.Parked].there),
			}, source{link: file, from: file.Path})
		}
		if f.takeBack(p, t) {
			file.Original = nil
		}
	}
	return p
}

// putBack gives what is parked its name again. It forms nothing: what was not
// there to be kept is missing afterwards.
func (s *System) putBack(ctx context.Context, old *store.Record) (*Change, error) {
	f, err := s.newFacts(ctx, old.Package, nil, old, byBytes)
	if err != nil {
		return nil, err
	}
	for i := range old.Files {
		rec := &old.Files[i]
		f.wants = append(f.wants, want{path: rec.Path, mode: rec.Mode})
	}
	if err := s.findOwners(ctx, f, nil); err != nil {
		return nil, err
	}
	p, err := planPutBack(f)
	if err != nil {
		return nil, err
	}
	c := removal(old)
	c.Action = PutBack
	if old.Depmod {
		missing, err := s.kernelFacts(f, old.Kernel)
		if err != nil {
			return nil, err
		}
		if f.indexModules(p, false) && missing {
			p.record.Pending = append(p.record.Pending, store.EffectDepmod)
		}
	}
	again, err := s.wantsInitramfs(ctx, initramfsWhen(old), old.Kernel, old.ModuleNames(), p)
	if err != nil {
		return nil, err
	}
	if again || slices.Contains(old.Pending, store.EffectInitramfs) {
		p.record.Pending = append(p.record.Pending, store.EffectInitramfs)
	}
	if len(p.record.Pending) > 0 {
		p.record.State = store.Pending
	}
	c.Pending = p.record.Pending
	f.placeState(p, p.record)
	if err := s.apply(ctx, nil, p, c); err != nil {
		return nil, err
	}
	s.report(p, c)
	return c, nil
}

// planPutBack plans the way back to the names.
func planPutBack(f *facts) (*plan, error) {
	r := *f.old
	r.State, r.Pending = store.Active, nil
	r.Files = slices.Clone(f.old.Files)
	p := &plan{record: &r}
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
		if t.there != nil {
			file.Original = f.saveOriginal(p, t)
		}
		f.mkdirs(p, path.Dir(file.Path))
		p.add(txn.Op{
			Kind: txn.Place, Path: file.Path, Mode: uint32(file.Mode), UID: file.UID, GID: file.GID, Was: seen(t.there),
		}, source{link: file, from: kept})
		p.add(txn.Op{Kind: txn.Remove, Path: kept, Was: seen(at.there)}, source{})
	}
	return p, refused
}

// drop removes what is parked, and with it all that is known of the package
// but what is still to be done.
func (s *System) drop(ctx context.Context, old *store.Record, opts Options) (*Change, error) {
	f, err := s.newFacts(ctx, old.Package, nil, old, byBytes)
	if err != nil {
		return nil, err
	}
	p := planDrop(f)
	c := removal(old)
	c.Pending = old.Pending
	return c, s.applyRemoval(ctx, f, p, c, opts)
}

func planDrop(f *facts) *plan {
	p := &plan{}
	for i := range f.old.Files {
		kept := f.old.Files[i].Parked
		if kept == "" {
			continue
		}
		switch t := f.targets[kept]; {
		case t.ours:
			p.add(txn.Op{Kind: txn.Remove, Path: kept, Was: seen(t.there)}, source{})
		case t.there != nil:
			p.kept = append(p.kept, keep{from: kept, to: kept})
		}
	}
	return p
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
			c.Warnings = append(c.Warnings, fmt.Sprintf(
				"depmod is not on PATH: run depmod %s when it is", f.old.Kernel))
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
