package unit

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/internal/txn"
)

// Trigger is the dpkg trigger by which koweld's own package does at the end of
// a run of dpkg what is pending, once for each kernel.
const Trigger = "koweld"

// ownPackage is the package that ships koweld.
const ownPackage = "koweld"

// later reports whether what follows a change may wait for the end of dpkg's
// run: whether koweld's package will be called then.
func (s *System) later(ctx context.Context) (bool, error) {
	db, err := s.dpkg()
	if err != nil || db == nil {
		return false, err
	}
	return db.Listens(ctx, ownPackage, Trigger)
}

// runEffects does what is pending after changes, without the lock, or has it
// done later.
func (s *System) runEffects(ctx context.Context, changes []Change, opts Options) error {
	var kernels []string
	for i := range changes {
		if c := &changes[i]; len(c.Pending) > 0 && c.Action != Planned {
			kernels = append(kernels, c.Kernel)
		}
	}
	if len(kernels) == 0 {
		return nil
	}
	if opts.Later {
		db, err := s.dpkg()
		if err == nil && db != nil {
			err = db.Activate(ctx, Trigger)
		}
		if err == nil {
			return nil
		}
		s.observe(Event{Kind: Warning, Unit: ownPackage, Detail: err.Error() + "; what should have waited is done now"})
	}
	slices.Sort(kernels)
	done, failed, err := s.settle(ctx, slices.Compact(kernels))
	for i := range changes {
		c := &changes[i]
		if r, known := done[c.Package]; known {
			c.Pending = r.pending
			if r.failed != nil {
				c.Warnings = append(c.Warnings, r.failed.Error())
			}
		}
	}
	s.warnPending(failed)
	return err
}

// warnPending tells of effects that stay pending: the modules are placed.
func (s *System) warnPending(failed []*pendingError) {
	for _, err := range failed {
		s.observe(Event{Kind: Warning, Unit: err.unit, Detail: err.Error()})
	}
}

// Settle ends what a run left open and does what is pending for any unit, once
// for each kernel. Changes tell of it only in a dry run. On the running system
// it is an error that an initramfs cannot be made: nobody else would tell.
func (s *System) Settle(ctx context.Context, opts Options) ([]Change, error) {
	if opts.DryRun {
		return s.planSettle()
	}
	var kernels []string
	err := s.locked(ctx, func() error {
		records, err := s.store().LoadAll()
		for _, r := range records {
			if len(r.Pending) > 0 {
				kernels = append(kernels, r.Kernel)
			}
		}
		return err
	})
	errs := []error{err}
	slices.Sort(kernels)
	_, failed, err := s.settle(ctx, slices.Compact(kernels))
	errs = append(errs, err)
	if !s.Running {
		s.warnPending(failed)
		return nil, errors.Join(errs...)
	}
	for _, err := range failed {
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (s *System) planSettle() (changes []Change, err error) {
	records, err := s.store().LoadAll()
	for _, r := range records {
		c := Change{Package: r.Package, Kernel: r.Kernel, Action: Planned}
		for _, e := range r.Pending {
			c.Steps = append(c.Steps, fmt.Sprintf("do %s for %s", e, r.Kernel))
		}
		if len(c.Steps) > 0 {
			changes = append(changes, c)
		}
	}
	return changes, err
}

// settled is what became of a unit's effects.
type settled struct {
	pending []store.Effect // that are left
	failed  *pendingError  // why one is left; nil if none failed
}

// pendingError says why an effect stays pending.
type pendingError struct {
	unit string // one of those that it is pending for
	err  error
}

func (e *pendingError) Error() string { return e.err.Error() + "; koweld repair will try again" }

func (e *pendingError) Unwrap() error { return e.err }

// settle does the effects of kernels: depmod under the lock and in one
// transaction with the records, the initramfs without it, for it takes long.
// An initramfs that cannot be made stays pending: there is one failure for each
// kernel.
func (s *System) settle(ctx context.Context, kernels []string) (done map[string]settled, failed []*pendingError, err error) {
	done = make(map[string]settled)
	var errs []error
	for _, kernel := range kernels {
		err := s.locked(ctx, func() error { return s.settleIndex(ctx, kernel, done) })
		if err != nil {
			errs = append(errs, err)
			continue
		}
		waiting, err := s.awaiting(kernel, store.EffectInitramfs)
		if err != nil || len(waiting) == 0 {
			errs = append(errs, err)
			continue
		}
		if err := s.makeInitramfs(ctx, kernel); err != nil {
			left := &pendingError{waiting[0].Package, err}
			for _, r := range waiting {
				done[r.Package] = settled{pending: r.Pending, failed: left}
			}
			failed = append(failed, left)
			continue
		}
		errs = append(errs, s.locked(ctx, func() error {
			now, err := s.awaiting(kernel, store.EffectInitramfs)
			if err != nil {
				return err
			}
			// One that changed meanwhile may not be in the image.
			same := slices.DeleteFunc(now, func(r *store.Record) bool {
				return !slices.ContainsFunc(waiting, func(w *store.Record) bool { return reflect.DeepEqual(r, w) })
			})
			return s.effectDone(ctx, same, store.EffectInitramfs, nil, done)
		}))
	}
	return done, failed, errors.Join(errs...)
}

// awaiting are the records of a kernel for which an effect is pending.
func (s *System) awaiting(kernel string, e store.Effect) ([]*store.Record, error) {
	records, err := s.store().LoadAll()
	return slices.DeleteFunc(records, func(r *store.Record) bool {
		return r.Kernel != kernel || !slices.Contains(r.Pending, e)
	}), err
}

// settleIndex runs depmod for a kernel if it is pending for a unit.
func (s *System) settleIndex(ctx context.Context, kernel string, done map[string]settled) error {
	waiting, err := s.awaiting(kernel, store.EffectDepmod)
	if err != nil || len(waiting) == 0 {
		return err
	}
	f := &facts{kernels: make(map[string]string)}
	missing, err := s.kernelFacts(f, kernel)
	if err != nil || missing {
		return err // it stays pending, as was said
	}
	var ops []txn.Op
	if folder, there := f.kernels[kernel]; there {
		op := txn.Op{Kind: txn.Depmod, Kernel: kernel, Folder: folder}
		for _, r := range waiting {
			op.Watch = append(op.Watch, modulesBelow(r, folder)...)
		}
		ops = append(ops, op)
	}
	return s.effectDone(ctx, waiting, store.EffectDepmod, ops, done)
}

// stateOnly are facts for a plan that changes nothing but koweld's own files.
func (s *System) stateOnly() *facts {
	return &facts{
		st: s.store(), uid: s.UID, gid: s.GID,
		folders: make(map[string]bool), state: make(map[string]*fsys.Info),
	}
}

// rewriteRecord replaces the record of a package and nothing else.
func (s *System) rewriteRecord(ctx context.Context, r *store.Record, c *Change) error {
	f := s.stateOnly()
	if err := s.recordFacts(f, r.Package); err != nil {
		return err
	}
	p := &plan{record: r}
	f.placeState(p, r)
	return s.apply(ctx, nil, p, c)
}

// effectDone takes an effect off records, in one transaction with the operations
// that are the effect. A record of what is removed goes when nothing is left to
// be done.
func (s *System) effectDone(ctx context.Context, records []*store.Record, e store.Effect, ops []txn.Op, done map[string]settled) error {
	if len(records) == 0 {
		return nil
	}
	f := s.stateOnly()
	p := &plan{}
	for _, r := range records {
		if err := s.recordFacts(f, r.Package); err != nil {
			return err
		}
		r.Pending = slices.DeleteFunc(r.Pending, func(p store.Effect) bool { return p == e })
		if len(r.Pending) == 0 && r.State == store.Removed && len(r.Files) == 0 {
			f.removeState(p, r.Package)
			continue
		}
		if len(r.Pending) == 0 && r.State == store.Pending {
			r.State = store.Active
		}
		f.placeState(p, r)
	}
	for _, o := range ops {
		p.add(o, source{})
	}
	c := &Change{Package: records[0].Package}
	if err := s.apply(ctx, nil, p, c); err != nil {
		return err
	}
	for _, w := range c.Warnings {
		s.observe(Event{Kind: Warning, Unit: c.Package, Detail: w})
	}
	for _, r := range records {
		done[r.Package] = settled{pending: r.Pending}
	}
	return nil
}
