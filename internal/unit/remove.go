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
	for i := range changes {
		c := &changes[i]
		if c.Action == Planned || !slices.Contains(c.Pending, store.EffectInitramfs) {
			continue
		}
		if err := s.updateInitramfs(ctx, c.Kernel); err != nil {
			text := fmt.Sprintf("%v; run update-initramfs -u -k %s", err, c.Kernel)
			c.Warnings = append(c.Warnings, text)
			s.observe(Event{Kind: Warning, Unit: c.Package, Detail: text})
			continue
		}
		c.Pending = nil
	}
}

// remove takes a record back, whatever its state.
func (s *System) remove(ctx context.Context, old *store.Record, opts Options) (*Change, error) {
	if old.State == store.Removed {
		return s.drop(ctx, old, opts)
	}
	f, err := s.newFacts(ctx, old.Package, nil, old, byBytes)
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
