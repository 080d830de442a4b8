package unit

import (
	"context"
	"errors"
	"fmt"

	"koweld/internal/dpkg"
	"koweld/internal/store"
)

// Maintscript does what a call of a package's maintainer script asks for: see
// [Rules]. A call that is not known is a warning.
func (s *System) Maintscript(ctx context.Context, pkg string, call dpkg.Call, opts Options) ([]Change, error) {
	rule, known := ruleFor(pkg, call)
	if !known {
		s.observe(Event{Kind: Warning, Unit: pkg, Detail: fmt.Sprintf("nothing is done for %q, which is no call that is known", call)})
		return nil, nil
	}
	switch rule.Do {
	case leave:
		return nil, nil
	case settle:
		return s.Settle(ctx, opts)
	case follow:
		changes, err := s.followKernels(ctx, opts)
		more, serr := s.Settle(ctx, opts)
		return append(changes, more...), errors.Join(err, serr)
	case park, drop:
		if shared, err := s.isShared(ctx, pkg); err != nil || shared {
			return nil, err
		}
	}
	var err error
	if opts.Later, err = s.later(ctx); err != nil {
		return nil, err
	}
	changes, err := s.changeEach(ctx, opts.DryRun, given([]string{pkg}), func(pkg string) (*Change, error) {
		return s.react(ctx, rule, pkg, opts)
	})
	if rule.Do == drop && !opts.Later {
		s.leaveInitramfs(ctx, changes)
		return changes, err
	}
	return changes, errors.Join(err, s.runEffects(ctx, changes, opts))
}

func (s *System) react(ctx context.Context, rule Rule, pkg string, opts Options) (*Change, error) {
	do := rule.Do
	if do == form {
		return s.formAgreed(ctx, pkg, rule.Action == "triggered", opts)
	}
	old, err := s.store().Load(pkg)
	if err != nil {
		return nil, err
	}
	switch {
	case old == nil:
	case do == revive:
		return s.revive(ctx, old, opts)
	case do == drop:
		return s.remove(ctx, old, opts)
	case do == park && (old.IsPlaced() || old.State == store.Ready):
		return s.park(ctx, old, opts)
	}
	return &Change{Package: pkg, Action: Unchanged}, nil
}

// formAgreed forms and places what is declared, and fails if inputs that other
// packages ship are not those that the manifest was written for: what is placed
// already is right and stays, and the package that could not form it again is
// named. Inputs that are gone say that a removal is under way, or that somebody
// wanted the room. With unpacked, dpkg has unpacked inputs: then their size and
// time, which a builder may have set, say nothing.
func (s *System) formAgreed(ctx context.Context, pkg string, unpacked bool, opts Options) (*Change, error) {
	m, err := s.Load(pkg)
	if err != nil {
		return nil, err
	}
	c, err := s.install(ctx, m, byStat, opts)
	if err != nil {
		return nil, s.Blame(ctx, m, err)
	}
	if opts.DryRun {
		return c, nil
	}
	r, err := s.store().Load(pkg)
	if err != nil || r == nil || r.State == store.Waiting {
		return c, err
	}
	known := *r
	if unpacked {
		known.Inputs = ""
	}
	switch a := s.Agreement(ctx, m, &known, s.store().Scratch()); a.State {
	case InputsAgree:
		if r.Inputs != a.Fingerprint {
			r.Inputs = a.Fingerprint
			return c, s.rewriteRecord(ctx, r, c)
		}
	case InputsGone:
		c.Warnings = append(c.Warnings, a.Err.Error())
		s.observe(Event{Kind: Warning, Unit: pkg, Detail: a.Err.Error()})
	default:
		// The next configure, which is how dpkg tries again, looks as closely.
		if r.Inputs == otherInputs {
			return c, a.Err
		}
		r.Inputs = otherInputs
		return c, errors.Join(a.Err, s.rewriteRecord(ctx, r, c))
	}
	return c, nil
}

// otherInputs is the fingerprint of inputs of which the unit cannot be formed.
const otherInputs = "other"

// isShared reports whether another instance of the package is installed, of
// another architecture (Multi-Arch: same): the modules are its as well.
func (s *System) isShared(ctx context.Context, pkg string) (bool, error) {
	db, err := s.dpkg()
	if err != nil || db == nil {
		return false, err
	}
	instances, err := db.Instances(ctx, pkg)
	if err != nil {
		return false, err
	}
	for _, i := range instances {
		if i.Arch != s.Arch && i.HasFiles() {
			return true, nil
		}
	}
	return false, nil
}

// revive puts back what was before dpkg gave up: what is parked. What is
// neither parked nor placed is formed anew if the inputs are still those.
func (s *System) revive(ctx context.Context, old *store.Record, opts Options) (*Change, error) {
	if old.State == store.Removed && old.IsParked() {
		return s.putBack(ctx, old, opts)
	}
	broken, err := s.firstBroken(old)
	if err != nil {
		return nil, err
	}
	m, merr := s.Load(old.Manifest.Path)
	other := merr == nil && m.SHA256 != old.Manifest.SHA256
	switch {
	case broken != "" && (merr != nil || other):
		return nil, &LostError{Path: broken, Package: old.Package, Version: old.PkgVer, Err: merr}
	case broken != "":
		return s.install(ctx, m, byStat, opts)
	case other:
		s.observe(Event{
			Kind: Warning, Unit: old.Package,
			Detail: "the older modules stay, those that its manifest declares now are not placed",
		})
	}
	return &Change{Package: old.Package, Kernel: old.Kernel, Action: Unchanged}, nil
}

// LostError says that a placed file cannot be put back, since what is there to
// form it is of another version.
type LostError struct {
	Path             string
	Package, Version string
	Err              error // why the manifest cannot be read; nil if it is another
}

func (e *LostError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("cannot put back %s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("cannot put back %s: the manifest of %s is not the one it was placed by", e.Path, e.Package)
}

func (e *LostError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *LostError) Hint() string {
	if e.Version == "" {
		return "configure the package: dpkg --configure " + e.Package
	}
	return fmt.Sprintf("configure the package (dpkg --configure %s), or install its version %s again", e.Package, e.Version)
}

// firstBroken is the first recorded file that is not as it was placed, by a look
// at size, time and inode, or "".
func (s *System) firstBroken(r *store.Record) (string, error) {
	for i := range r.Files {
		rec := &r.Files[i]
		t := &target{path: rec.At()}
		var err error
		if t.there, err = lstat(s.FS, rec.At()); err == nil {
			err = s.compare(t, rec, byStat)
		}
		if err != nil {
			return "", fmt.Errorf("cannot look at %s: %w", rec.Path, err)
		}
		if !t.intact {
			return rec.Path, nil
		}
	}
	return "", nil
}
