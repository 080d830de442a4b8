package unit

import (
	"context"
	"errors"
	"io/fs"

	"koweld/divert"
	"koweld/internal/store"
	"koweld/manifest"
)

// wantedDiverts are the diversions that a package holds while it is installed. Its
// maintainer scripts make them; what is wrong with one later, koweld finds and
// mends.
func wantedDiverts(m *manifest.Manifest) []divert.Want {
	var all []divert.Want
	for i := range m.Diverts {
		d := &m.Diverts[i]
		if d.Past() {
			continue
		}
		all = append(all, divert.Want{
			From: d.From, To: d.To, Package: m.Package,
			NoMove: d.Move == manifest.MoveNever, Exact: d.Alias == manifest.AliasNone,
		})
	}
	return all
}

// recordedDiverts are those of the package of a record, by its manifest of today;
// none if that is gone, or while the package is. A unit that waits for its kernel, or
// is not the active one of its group, holds them all the same.
func (s *System) recordedDiverts(r *store.Record) ([]divert.Want, error) {
	if r.State == store.Removed {
		return nil, nil
	}
	m, err := s.Load(r.Manifest.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return wantedDiverts(m), nil
}

// verifyDiverts tells of diversions that are not as the package holds them. What
// was placed is right whatever its manifest is now: one that cannot be read, by
// this user perhaps, is a warning.
func (s *System) verifyDiverts(ctx context.Context, r *store.Record, v *Verification) ([]Difference, error) {
	wants, err := s.recordedDiverts(r)
	if err != nil {
		v.Warnings = append(v.Warnings, err.Error()+"; diversions are not looked at")
	}
	if len(wants) == 0 {
		return nil, nil
	}
	st, err := s.Diversions(ctx, wants...)
	if err != nil {
		return nil, err
	}
	var all []Difference
	for _, w := range wants {
		steps, err := divert.Plan(st, w)
		var refused *divert.RefusedError
		switch {
		case errors.As(err, &refused):
			all = append(all, Difference{Path: w.From, Problem: "is not diverted to " + w.To + ": " + refused.Text})
		case err != nil:
			return nil, err
		case len(steps) > 0:
			all = append(all, Difference{Path: w.From, Problem: "is not diverted to " + w.To + " as it should be: " + steps[0].String()})
		}
	}
	return all, nil
}

// repairDiverts makes the diversions of packages as they hold them, and tells of it
// in the changes. dpkg's locks are taken only where something is to be done.
func (s *System) repairDiverts(ctx context.Context, pkgs []string, changes []Change, opts Options) error {
	var errs []error
	for _, pkg := range pkgs {
		steps, err := s.repairDivertsOf(ctx, pkg, opts)
		errs = append(errs, err)
		for i := range changes {
			if c := &changes[i]; c.Package == pkg && len(steps) > 0 {
				c.Steps = append(c.Steps, steps...)
				switch {
				case opts.DryRun:
					c.Action = Planned
				case c.Action == Unchanged:
					c.Action = Repaired
				}
			}
		}
	}
	return errors.Join(errs...)
}

// repairDivertsOf is repairDiverts for a package; it returns what was done, or would
// be.
func (s *System) repairDivertsOf(ctx context.Context, pkg string, opts Options) (steps []string, err error) {
	r, err := s.store().Load(pkg)
	if r == nil || err != nil {
		return nil, nil // repair tells
	}
	wants, err := s.recordedDiverts(r)
	if err != nil || len(wants) == 0 {
		return nil, err
	}
	planned, err := s.planDiverts(ctx, wants)
	if err != nil {
		return nil, err
	}
	for _, d := range planned {
		for _, step := range d.Steps {
			steps = append(steps, step.String())
		}
	}
	if opts.DryRun || len(steps) == 0 {
		return steps, nil
	}
	if _, err := s.Divert(ctx, wants, opts); err != nil {
		return nil, err
	}
	return steps, nil
}
