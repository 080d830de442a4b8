package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/manifest"
)

// hasKernel reports whether a kernel is installed: its folder alone may have been
// made for its headers, or be left of a kernel that is gone.
func (s *System) hasKernel(kernel string) (bool, error) {
	for _, name := range []string{"modules.order", "modules.builtin"} {
		_, err := s.FS.Stat(path.Join(modulesDir, kernel, name))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("cannot look for kernel %s: %w", kernel, err)
		}
	}
	return true, nil
}

// KernelError says that the kernel of a unit is not there.
type KernelError struct {
	Package, Kernel string
}

func (e *KernelError) Error() string {
	return fmt.Sprintf("cannot place %s: kernel %s is not installed", e.Package, e.Kernel)
}

// Hint says what to do.
func (e *KernelError) Hint() string { return "install the package linux-image-" + e.Kernel }

// waitForKernel records that a unit waits. What is still placed of it, for a
// kernel that is gone or for another, is taken back.
func (s *System) waitForKernel(ctx context.Context, m *manifest.Manifest, old *store.Record, opts Options) (*Change, error) {
	missing := &KernelError{Package: m.Package, Kernel: m.Kernel}
	if opts.RequirePlaced {
		return nil, missing
	}
	r := &store.Record{
		Package: m.Package, Kernel: m.Kernel, State: store.Waiting, Reason: notInstalled(m.Kernel),
		Manifest: store.Manifest{Path: m.File, SHA256: m.SHA256}, Replaces: m.Replaces,
		Provides: providesOf(m), Userspace: m.Userspace,
	}
	c := &Change{Package: m.Package, Kernel: m.Kernel, Action: Waits}
	if old != nil && old.State == store.Waiting && old.Manifest.SHA256 == r.Manifest.SHA256 && old.Reason == r.Reason {
		c.Action = Unchanged
		return c, nil
	}
	return c, s.goWaiting(ctx, r, old, c, opts)
}

// goWaiting takes back what is placed and leaves a record that waits.
func (s *System) goWaiting(ctx context.Context, r, old *store.Record, c *Change, opts Options) error {
	f, err := s.newFacts(ctx, r.Package, nil, old, byBytes, nil)
	if err != nil {
		return err
	}
	p := &plan{record: r}
	if old != nil {
		if old.IsPlaced() {
			p = planRemove(f)
		} else {
			p = planDrop(f)
		}
		p.record = r
		r.Unknown = old.Unknown
		if old.Kernel != r.Kernel {
			if err := s.planRemoved(ctx, f, p, c); err != nil {
				return err
			}
		}
	}
	f.placeState(p, r)
	if old != nil {
		f.rmdirs(p)
		f.rmdirsOfKernel(p)
	}
	if opts.DryRun {
		c.plan(p)
		return nil
	}
	if err := s.apply(ctx, nil, p, c); err != nil {
		return err
	}
	s.report(p, c)
	return nil
}

// rmdirsOfKernel plans that folders go which the kernel's packages made and nothing
// is left in: dpkg found our files there when it removed those packages, and looks
// again only at a purge.
func (f *facts) rmdirsOfKernel(p *plan) {
	top := path.Join(modulesDir, f.old.Kernel)
	dirs := []string{top}
	for i := range f.old.Files {
		for dir := path.Dir(f.old.Files[i].Path); strings.HasPrefix(dir, top+"/"); dir = path.Dir(dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	for _, dir := range slices.Backward(slices.Compact(dirs)) {
		if !slices.Contains(f.old.Dirs, dir) {
			p.add(txn.Op{Kind: txn.Rmdir, Path: dir}, source{})
		}
	}
}

// KernelInstalled forms and places the units of a kernel that was installed,
// before its initramfs is made. Each is tried; one that fails waits, with the
// reason in its record.
func (s *System) KernelInstalled(ctx context.Context, kernel string, opts Options) ([]Change, error) {
	opts.KernelHook = true
	manifests, err := s.manifestsOf(kernel)
	changes, cerr := s.changeEach(ctx, opts.DryRun, given(manifests), func(name string) (*Change, error) {
		return s.formWaiting(ctx, name, opts)
	})
	return changes, errors.Join(err, cerr, s.runEffects(ctx, changes, opts))
}

// formWaiting forms and places a unit whose kernel is there. Why it cannot be is
// noted in its record, if it waits.
func (s *System) formWaiting(ctx context.Context, pkg string, opts Options) (*Change, error) {
	m, err := s.Load(pkg)
	if err != nil {
		return nil, err
	}
	c, err := s.install(ctx, m, byStat, opts)
	err = s.Blame(ctx, m, err)
	if err != nil && !opts.DryRun {
		err = errors.Join(err, s.noteReason(ctx, m.Package, err))
	}
	return c, err
}

// manifestsOf are the names of the packages with a manifest for a kernel. A
// manifest that cannot be read is an error beside the others.
func (s *System) manifestsOf(kernel string) ([]string, error) {
	entries, err := s.FS.ReadDir(ManifestDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the manifests: %w", err)
	}
	var names []string
	var errs []error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".yaml")
		if !ok || strings.HasPrefix(name, ".") {
			continue
		}
		m, err := s.Load(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if m.Kernel == kernel && len(m.Modules) > 0 {
			names = append(names, name)
		}
	}
	return names, errors.Join(errs...)
}

// noteReason writes into the record of a unit that waits why it still does.
func (s *System) noteReason(ctx context.Context, pkg string, why error) error {
	old, err := s.store().Load(pkg)
	if err != nil || old == nil || old.State != store.Waiting || old.Reason == why.Error() {
		return err
	}
	r := *old
	r.Reason = why.Error()
	return s.goWaiting(ctx, &r, old, &Change{Package: pkg}, Options{})
}

// KernelRemoved takes back what was placed for a kernel that is gone. The units
// wait for it to come again.
func (s *System) KernelRemoved(ctx context.Context, kernel string, opts Options) ([]Change, error) {
	return s.leaveKernels(ctx, func(k string) bool { return k == kernel }, opts)
}

// leaveKernels takes back what was placed for those of some kernels that are gone.
func (s *System) leaveKernels(ctx context.Context, some func(kernel string) bool, opts Options) ([]Change, error) {
	list := s.unitsWhere(func(r *store.Record) (bool, error) {
		if !some(r.Kernel) || !r.IsPlaced() && r.State != store.Ready || len(r.ModuleNames()) == 0 {
			return false, nil
		}
		there, err := s.hasKernel(r.Kernel)
		return !there, err
	})
	return s.changeEach(ctx, opts.DryRun, list, func(pkg string) (*Change, error) {
		old, err := s.store().Load(pkg)
		if err != nil {
			return nil, err
		}
		c := removal(old)
		r := &store.Record{
			Package: pkg, Kernel: old.Kernel, State: store.Waiting, Reason: notInstalled(old.Kernel),
			Manifest: old.Manifest, Replaces: slices.Clone(old.Replaces),
			Provides: old.Provides, Userspace: old.Userspace,
		}
		return c, s.goWaiting(ctx, r, old, c, opts)
	})
}

// unitsWhere lists the packages whose record is one of those.
func (s *System) unitsWhere(is func(*store.Record) (bool, error)) func() ([]string, error) {
	return func() ([]string, error) {
		records, err := s.store().LoadAll()
		errs := []error{err}
		var names []string
		for _, r := range records {
			yes, err := is(r)
			errs = append(errs, err)
			if yes {
				names = append(names, r.Package)
			}
		}
		return names, errors.Join(errs...)
	}
}

// notInstalled is why a unit waits whose kernel is not there.
func notInstalled(kernel string) string { return "kernel " + kernel + " is not installed" }

// followKernels forms the units whose kernel has come and takes back those whose
// kernel has gone, where no hook told: the modules of a kernel may be in another
// package than the hooks, which that one outlives. What cannot be formed is a
// warning: koweld's own package is not to blame. Effects stay pending.
func (s *System) followKernels(ctx context.Context, opts Options) ([]Change, error) {
	gone, err := s.leaveKernels(ctx, func(string) bool { return true }, opts)
	list := s.unitsWhere(func(r *store.Record) (bool, error) {
		if r.State != store.Waiting || r.Reason != notInstalled(r.Kernel) {
			return false, nil
		}
		return s.hasKernel(r.Kernel)
	})
	come, cerr := s.changeEach(ctx, opts.DryRun, list, func(pkg string) (*Change, error) {
		c, err := s.formWaiting(ctx, pkg, opts)
		if err != nil {
			s.observe(Event{Kind: Warning, Unit: pkg, Detail: err.Error()})
			return &Change{Package: pkg, Action: Unchanged}, nil
		}
		return c, nil
	})
	return append(gone, come...), errors.Join(err, cerr)
}
