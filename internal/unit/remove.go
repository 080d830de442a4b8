package unit

import (
	"context"
	"fmt"
	"slices"

	"koweld/internal/store"
)

// Remove takes packages back from their records: what was placed goes, the
// originals come back, and what somebody changed is kept. A package without a
// record is done already.
func (s *System) Remove(ctx context.Context, pkgs []string, opts Options) ([]Change, error) {
	changes, err := s.changeEach(ctx, opts.DryRun, given(pkgs), func(pkg string) (*Change, error) {
		old, err := s.store().Load(pkg)
		if err != nil {
			return nil, err
		}
		if old == nil {
			return &Change{Package: pkg, Action: Unchanged}, nil
		}
		return s.remove(ctx, old, opts)
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
			text := fmt.Sprintf("%v; %s", err, initramfsHint(err))
			c.Warnings = append(c.Warnings, text)
			s.observe(Event{Kind: Warning, Unit: c.Package, Detail: text})
			continue
		}
		c.Pending = nil
	}
}

// remove takes a record back, whatever its state.
func (s *System) remove(ctx context.Context, old *store.Record, opts Options) (*Change, error) {
	if !old.IsPlaced() {
		return s.drop(ctx, old, opts)
	}
	next, err := s.heir(ctx, old)
	if err != nil {
		return nil, err
	}
	if next != nil && !opts.DryRun {
		// First the other comes into its place; then what is parked goes.
		if err := s.swap(ctx, removal(old), old, store.Removed, next, opts); err != nil {
			return nil, err
		}
		if old, err = s.store().Load(old.Package); err != nil {
			return nil, err
		}
		c, err := s.drop(ctx, old, opts)
		if c != nil {
			c.Action = Removed
		}
		return c, err
	}
	f, err := s.newFacts(ctx, old.Package, nil, old, byBytes, nil)
	if err != nil {
		return nil, err
	}
	p := planRemove(f)
	c := removal(old)
	if err := s.planRemoved(ctx, f, p, c); err != nil {
		return nil, err
	}
	return c, s.applyRemoval(ctx, f, p, c, opts)
}
