package unit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/manifest"
)

// planEffects completes a plan with depmod, and the record with what has to
// follow: an effect that cannot be done now, or is done at the end of dpkg's
// run, is remembered.
func (s *System) planEffects(ctx context.Context, f *facts, p *plan, m *manifest.Manifest, c *Change, d depth, opts Options) error {
	r := p.record
	r.Depmod = m.After.Depmod && len(m.Modules) > 0
	r.Initramfs = string(m.After.Initramfs)
	r.State = store.Active
	if m.After.Depmod {
		if err := s.planDepmod(f, p, c, d, opts); err != nil {
			return err
		}
	}
	if !opts.KernelHook {
		needed, err := s.wantsInitramfs(ctx, m.After.Initramfs, m.Kernel, moduleNames(m), p)
		if err != nil {
			return err
		}
		if needed || f.pending(store.EffectInitramfs) && m.After.Initramfs != manifest.InitramfsNever {
			r.Pending = append(r.Pending, store.EffectInitramfs)
		}
	}
	if len(r.Pending) > 0 {
		r.State = store.Pending
	}
	var err error
	r.PkgVer, err = s.packageVersion(ctx, f, p)
	return err
}

// pending reports whether an effect of an older run is still to be done.
func (f *facts) pending(e store.Effect) bool {
	return f.old != nil && slices.Contains(f.old.Pending, e) || slices.Contains(f.inherited, e)
}

// planDepmod plans depmod in the transaction, or notes it as pending.
func (s *System) planDepmod(f *facts, p *plan, c *Change, d depth, opts Options) error {
	r := p.record
	kernels := []string{r.Kernel}
	if f.old != nil && f.old.Kernel != r.Kernel {
		kernels = append(kernels, f.old.Kernel)
	}
	missing, err := s.kernelFacts(f, kernels...)
	if err != nil {
		return err
	}
	overdue := f.pending(store.EffectDepmod)
	if d == byBytes && f.old != nil && !overdue {
		stale, err := s.verifyIndex(f.old)
		if err != nil {
			return err
		}
		overdue = len(stale) > 0
	}
	if opts.Later && len(kernels) == 1 && r.Kernel != s.Kernel && (overdue || p.touchesModules()) {
		waits, err := s.indexKnows(f, p)
		if err != nil {
			return err
		}
		if waits {
			r.Pending = append(r.Pending, store.EffectDepmod)
			return nil
		}
	}
	changed := f.indexModules(p, overdue)
	if missing && changed {
		r.Pending = append(r.Pending, store.EffectDepmod)
		c.Warnings = append(c.Warnings, "depmod is not on PATH: modprobe will not find the modules until koweld repair finds it")
	}
	return nil
}

// indexKnows reports whether the index names every module that a plan places,
// and none that it removes: then modprobe finds what is placed, by the names
// that were there, until depmod has run.
func (s *System) indexKnows(f *facts, p *plan) (bool, error) {
	var placed []string
	for _, o := range p.ops {
		if !isModuleOp(o) {
			continue
		}
		rel, below := strings.CutPrefix(o.Path, path.Join(modulesDir, p.record.Kernel)+"/")
		if o.Kind == txn.Remove || !below {
			return false, nil
		}
		placed = append(placed, rel)
	}
	folder, there := f.kernels[p.record.Kernel]
	if !there {
		return false, nil
	}
	dep, err := fsys.ReadFile(s.FS, path.Join(folder, "modules.dep"), indexLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot read the module index: %w", err)
	}
	outranked, err := txn.JudgeIndex(dep, placed)
	var unknown *txn.DepmodError
	if errors.As(err, &unknown) {
		return false, nil
	}
	return len(outranked) == 0, err
}

// initramfsWhen is when a record says that the initramfs is made anew.
func initramfsWhen(r *store.Record) manifest.Initramfs {
	return manifest.Initramfs(cmp.Or(r.Initramfs, string(manifest.InitramfsNever)))
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
