package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"koweld/internal/store"
)

// Repair ends interrupted runs and makes verify pass again: what is missing
// or changed is formed anew from the package's inputs. Without packages it
// repairs all.
func (s *System) Repair(ctx context.Context, pkgs []string, opts Options) ([]Change, error) {
	inFlight, _ := s.txn().InFlight() // recovery says what is wrong with it
	list := func() ([]string, error) { return s.known(pkgs) }
	changes, err := s.changeEach(ctx, opts.DryRun, list, func(pkg string) (*Change, error) {
		c, err := s.repair(ctx, pkg, opts)
		var none *NoRecordError
		if errors.As(err, &none) && slices.Contains(inFlight, pkg) {
			// Its first install was taken back: that is the repair.
			return &Change{Package: pkg, Action: Repaired}, nil
		}
		return c, err
	})
	err = errors.Join(err, s.runEffects(ctx, changes, opts))
	if pkgs, kerr := list(); kerr == nil { // changeEach has told
		err = errors.Join(err, s.repairDiverts(ctx, pkgs, changes, opts))
	}
	return changes, err
}

func (s *System) repair(ctx context.Context, pkg string, opts Options) (*Change, error) {
	r, err := s.store().Load(pkg)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, &NoRecordError{Package: pkg}
	}
	if r.State == store.Removed && !r.IsParked() {
		c := removal(r)
		c.Pending = r.Pending
		return c, nil
	}
	m, err := s.Load(r.Manifest.Path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			if r.State == store.Removed {
				return s.remove(ctx, r, opts) // dpkg's removal was killed
			}
			v, verr := s.verify(ctx, pkg, nil)
			if verr == nil && len(v.Differences) == 0 {
				return &Change{Package: pkg, Kernel: r.Kernel, Action: Unchanged}, nil
			}
			return nil, &SourceGoneError{Package: pkg, Manifest: r.Manifest.Path}
		}
		return nil, err
	}
	if m.Package != pkg {
		return nil, &ManifestError{Arg: pkg, Path: r.Manifest.Path, Err: fmt.Errorf("it is of package %s", m.Package)}
	}
	c, err := s.install(ctx, m, byBytes, opts)
	if err != nil {
		return s.unrepaired(ctx, r, s.Blame(ctx, m, err))
	}
	if c.Action == Installed {
		c.Action = Repaired
	}
	return c, nil
}

// unrepaired is what becomes of a unit that cannot be formed of its inputs: where every
// byte that is placed is right there is nothing to repair. dpkg may have unpacked one of
// its packages and not yet another; or what a package holds now is wrong, which its
// configuration fails on.
func (s *System) unrepaired(ctx context.Context, r *store.Record, err error) (*Change, error) {
	var inputs *InputsError
	if !errors.As(err, &inputs) || !r.IsPlaced() {
		return nil, err
	}
	v, verr := s.verify(ctx, r.Package, nil)
	if verr != nil || len(v.Differences) > 0 {
		return nil, err
	}
	said := "what is placed is whole and stays, but koweld " + inputs.Error() + "; " + inputs.Hint()
	s.observe(Event{Kind: Warning, Unit: r.Package, Detail: said})
	return &Change{Package: r.Package, Kernel: r.Kernel, Action: Unchanged, Warnings: []string{said}}, nil
}
