package unit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/manifest"
)

// planEffects completes a plan with depmod, and the record with what has to
// follow: an effect that cannot be done now is remembered and retried.
func (s *System) planEffects(ctx context.Context, f *facts, p *plan, m *manifest.Manifest, c *Change, d depth) error {
	r := p.record
	r.Depmod = m.After.Depmod && len(m.Modules) > 0
	r.Initramfs = string(m.After.Initramfs)
	r.State = store.Active
	pending := func(e store.Effect) bool { return f.old != nil && slices.Contains(f.old.Pending, e) }
	if m.After.Depmod {
		kernels := []string{m.Kernel}
		if f.old != nil && f.old.Kernel != m.Kernel {
			kernels = append(kernels, f.old.Kernel)
		}
		missing, err := s.kernelFacts(f, kernels...)
		if err != nil {
			return err
		}
		overdue := pending(store.EffectDepmod)
		if d == byBytes && f.old != nil && !overdue {
			stale, err := s.verifyIndex(f.old)
			if err != nil {
				return err
			}
			overdue = len(stale) > 0
		}
		changed := f.indexModules(p, overdue)
		if missing && changed {
			r.Pending = append(r.Pending, store.EffectDepmod)
			c.Warnings = append(c.Warnings, "depmod is not on PATH: modprobe will not find the modules until koweld repair finds it")
		}
	}
	needed, err := s.wantsInitramfs(ctx, m.After.Initramfs, m.Kernel, moduleNames(m), p)
	if err != nil {
		return err
	}
	if needed || pending(store.EffectInitramfs) && m.After.Initramfs != manifest.InitramfsNever {
		r.Pending = append(r.Pending, store.EffectInitramfs)
	}
	if len(r.Pending) > 0 {
		r.State = store.Pending
	}
	if r.PkgVer, err = s.packageVersion(ctx, f, p); err != nil {
		return err
	}
	return nil
}

func moduleNames(m *manifest.Manifest) []string {
	var names []string
	for i := range m.Modules {
		names = append(names, m.Modules[i].Name)
	}
	return names
}

// packageVersion is the version of the package when a plan changes something.
func (s *System) packageVersion(ctx context.Context, f *facts, p *plan) (string, error) {
	if len(p.ops) == 0 && f.old != nil {
		return f.old.PkgVer, nil
	}
	db, err := s.dpkg()
	if err != nil || db == nil {
		return "", err
	}
	v, ok, err := db.Version(ctx, f.pkg)
	if err != nil || !ok {
		return "", err
	}
	return v.String(), nil
}

// runEffects does what is pending after changes, without the lock, and notes
// in the records what is done. What fails stays pending and is a warning: the
// unit is placed.
func (s *System) runEffects(ctx context.Context, changes []Change) error {
	var errs []error
	makeInitramfs := s.initramfsMaker(ctx)
	for i := range changes {
		c := &changes[i]
		if !slices.Contains(c.Pending, store.EffectInitramfs) || c.Action == Planned {
			continue
		}
		if err := makeInitramfs(c.Kernel); err != nil {
			s.warn(c, fmt.Sprintf("%v; koweld repair will try again", err))
			continue
		}
		errs = append(errs, s.locked(ctx, func() error { return s.effectDone(ctx, c, store.EffectInitramfs) }))
	}
	return errors.Join(errs...)
}

// warn notes a warning after a change was reported.
func (s *System) warn(c *Change, text string) {
	c.Warnings = append(c.Warnings, text)
	s.observe(Event{Kind: Warning, Unit: c.Package, Detail: text})
}

// effectDone takes an effect off the record of a package.
func (s *System) effectDone(ctx context.Context, c *Change, e store.Effect) error {
	r, err := s.store().Load(c.Package)
	if err != nil || r == nil {
		return err
	}
	r.Pending = slices.DeleteFunc(r.Pending, func(p store.Effect) bool { return p == e })
	if len(r.Pending) == 0 {
		r.State = store.Active
	}
	c.Pending = r.Pending
	return s.rewriteRecord(ctx, r, c)
}

// rewriteRecord replaces the record of a package and nothing else.
func (s *System) rewriteRecord(ctx context.Context, r *store.Record, c *Change) error {
	f := &facts{
		pkg: r.Package, st: s.store(), uid: s.UID, gid: s.GID,
		folders: make(map[string]bool), saved: make(map[string]bool), state: make(map[string]*fsys.Info),
	}
	if err := s.stateFacts(f); err != nil {
		return err
	}
	p := &plan{record: r}
	f.placeState(p)
	return s.apply(ctx, nil, p, c)
}
