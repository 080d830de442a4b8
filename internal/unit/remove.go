package unit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"koweld/internal/store"
	"koweld/manifest"
)

// Remove takes packages back from their records: what was placed goes, the
// originals come back, and what somebody changed is kept. A package without a
// record is done already.
func (s *System) Remove(ctx context.Context, pkgs []string, opts Options) ([]Change, error) {
	changes, err := s.changeEach(ctx, opts.DryRun, given(pkgs), func(pkg string) (*Change, error) {
		return s.remove(ctx, pkg, opts.DryRun)
	})
	s.leaveInitramfs(ctx, changes)
	return changes, err
}

// leaveInitramfs takes what was removed out of the initramfs as well. There
// is no record any more that could remember it, so what fails is said.
func (s *System) leaveInitramfs(ctx context.Context, changes []Change) {
	makeInitramfs := s.initramfsMaker(ctx)
	for i := range changes {
		c := &changes[i]
		if c.Action == Planned || !slices.Contains(c.Pending, store.EffectInitramfs) {
			continue
		}
		if err := makeInitramfs(c.Kernel); err != nil {
			s.warn(c, fmt.Sprintf("%v; %s", err, initramfsHint(err)))
			continue
		}
		c.Pending = nil
	}
}

func (s *System) remove(ctx context.Context, pkg string, dryRun bool) (*Change, error) {
	old, err := s.store().Load(pkg)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return &Change{Package: pkg, Action: Unchanged}, nil
	}
	f, err := s.newFacts(ctx, pkg, nil, old, byBytes)
	if err != nil {
		return nil, err
	}
	c := &Change{Package: pkg, Kernel: old.Kernel, Action: Removed}
	for i := range old.Files {
		if old.Files[i].Module != nil {
			c.Modules++
		} else {
			c.Files++
		}
	}
	p := planRemove(f)
	if old.Depmod {
		missing, err := s.kernelFacts(f, old.Kernel)
		if err != nil {
			return nil, err
		}
		if f.indexModules(p, f.modulesGone()) && missing {
			c.Warnings = append(c.Warnings, fmt.Sprintf(
				"depmod is not on PATH: run depmod %s when it is", old.Kernel))
		}
	}
	stays, err := s.wantsInitramfs(ctx, manifest.Initramfs(cmp.Or(old.Initramfs, string(manifest.InitramfsNever))),
		old.Kernel, old.ModuleNames(), p)
	if err != nil {
		return nil, err
	}
	if stays {
		c.Pending = append(c.Pending, store.EffectInitramfs)
	}
	if dryRun {
		c.Action = Planned
		for _, o := range p.ops {
			c.Steps = append(c.Steps, o.String())
		}
		return c, nil
	}
	p.record = &store.Record{}
	err = s.apply(ctx, nil, p, c)
	if noRoom(err) && p.onlyRemoves() {
		// What makes room must not need any.
		var warnings []string
		warnings, err = s.txn().RemoveInPlace(ctx, pkg, p.recordLast(f.st))
		c.Warnings = append(c.Warnings, warnings...)
	}
	if err != nil {
		return nil, err
	}
	s.report(p, c)
	return c, nil
}
