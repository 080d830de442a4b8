package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"koweld/assemble"
	"koweld/internal/txn"
	"koweld/manifest"
)

// Finding is something a packager should know.
type Finding struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Text     string   `json:"text"`
	Hint     string   `json:"hint,omitempty"`
}

// Severity of a finding.
type Severity string

// The severities.
const (
	LintError   Severity = "error"   // it will fail on a target
	LintWarning Severity = "warning" // it may, or is poor
)

// Report is what lint found in one manifest.
type Report struct {
	Declared
	File     string    `json:"file"`
	Modules  int       `json:"modules"`
	Findings []Finding `json:"findings"`
}

// Failed reports whether there is an error among the findings.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == LintError })
}

func (r *Report) add(sev Severity, pos manifest.Pos, text, hint string) {
	r.Findings = append(r.Findings, Finding{
		Severity: sev, File: r.File, Line: pos.Line, Column: pos.Column, Text: text, Hint: hint,
	})
}

func (r *Report) addErr(pos manifest.Pos, err error) {
	var h interface{ Hint() string }
	hint := ""
	if errors.As(err, &h) {
		hint = h.Hint()
	}
	// What is missing here is not packed, or not unpacked yet; on a target it got lost.
	var module *assemble.InputError
	var file *InputError
	if errors.Is(err, fs.ErrNotExist) && (errors.As(err, &module) || errors.As(err, &file)) {
		hint = fmt.Sprintf("ship it in %s, or in a package that it depends on; --root names the tree where all of them are unpacked", r.Package)
	}
	r.add(LintError, pos, err.Error(), hint)
}

// Lint says all that a manifest and its inputs show: every module is formed
// and proven, in the folder scratch, as a target would do it. Nothing is
// placed. elsewhere are modules of the kernel beside those in the root, or nil.
func (s *System) Lint(ctx context.Context, m *manifest.Manifest, scratch string, elsewhere *Modules) (*Report, error) {
	r := &Report{Declared: Declares(m), File: m.File, Modules: len(m.Modules), Findings: []Finding{}}
	w := s.welder()
	w.Scratch = scratch
	if len(m.Modules) > 0 {
		if err := s.lintModules(ctx, w, m, r); err != nil {
			return nil, err
		}
	}
	for i := range m.Files {
		f := &m.Files[i]
		if _, err := s.readInput(f.Source); err != nil {
			r.addErr(f.Pos, &InputError{Target: f.Install, Err: err})
		}
		if twin := aliasOf(f.Install); twin != "" {
			r.add(LintWarning, f.Pos, fmt.Sprintf("%s is an aliased spelling", f.Install), "use "+twin)
		}
	}
	if strings.Contains(m.Package, m.Kernel) {
		for i := range m.Files {
			if f := &m.Files[i]; !strings.Contains(f.Install, m.Kernel) {
				r.add(LintWarning, f.Pos, f.Install+" has the same name for each kernel, and the package is for one",
					"name it by ${kernel}, or let a package for all kernels ship it: a second kernel's is refused")
			}
		}
	}
	if name := m.Package + ".yaml"; path.Dir(m.File) == ManifestDir && path.Base(m.File) != name {
		r.add(LintError, manifest.Pos{Line: 1, Column: 1}, fmt.Sprintf("manifest of %s is called %s", m.Package, path.Base(m.File)),
			fmt.Sprintf("install it as %s: koweld looks for it by the name of the package", name))
	}
	lintSpelling(m, r)
	if err := s.lintOwners(ctx, m, r); err != nil {
		return nil, err
	}
	if err := s.lintSources(ctx, m, r); err != nil {
		return nil, err
	}
	if err := s.lintDiverts(ctx, m, r); err != nil {
		return nil, err
	}
	if err := s.lintNames(m, elsewhere, r); err != nil {
		return nil, err
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	// What holds for many modules is said where it is met first.
	said := make(map[string]bool)
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool {
		again := f.Severity == LintWarning && said[f.Text]
		said[f.Text] = true
		return again
	})
	return r, nil
}

// lintModules forms every module.
func (s *System) lintModules(ctx context.Context, w *assemble.Welder, m *manifest.Manifest, r *Report) error {
	if _, err := w.LoadSigners(m); err != nil {
		pos := manifest.Pos{}
		if len(m.Signers) > 0 {
			pos = m.Signers[0].Pos
		}
		r.addErr(pos, err)
		s.lintMissing(m, r)
		return nil
	}
	l := linting{w: w, m: m, r: r, used: make(map[string]bool)}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(s.Procs, 1))
	for i := range m.Modules {
		g.Go(func() error {
			l.module(ctx, &m.Modules[i])
			return context.Cause(ctx)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, signer := range m.Signers {
		if len(l.used) > 0 && !l.used[signer.SHA256] {
			r.add(LintWarning, signer.Pos, "no module is signed by "+path.Base(signer.Certificate), "remove the signer")
		}
	}
	return nil
}

// lintMissing tells which inputs of modules are not there, where none is formed: not
// one at each try.
func (s *System) lintMissing(m *manifest.Manifest, r *Report) {
	said := make(map[string]bool)
	for _, in := range inOrder(m) {
		switch in.Role {
		case manifest.RoleCertificate, manifest.RoleSource, manifest.RoleLinker: // told elsewhere, or perhaps not needed
			continue
		}
		if said[in.File] {
			continue
		}
		said[in.File] = true
		if _, err := s.FS.Stat(in.File); errors.Is(err, fs.ErrNotExist) {
			r.addErr(in.Pos, &assemble.InputError{File: in.File, Err: err})
		}
	}
}

// linting is the look at the modules of a manifest.
type linting struct {
	w *assemble.Welder
	m *manifest.Manifest

	mu   sync.Mutex
	r    *Report
	used map[string]bool // fingerprints of signers
}

// module forms a module in each of its ways.
func (l *linting) module(ctx context.Context, mod *manifest.Module) {
	for _, f := range mod.Form {
		if f.Recipe != "" {
			l.licence(mod, f)
		}
	}
	// Uncompressed, so that its image can be looked at.
	plain := *mod
	plain.Compress = manifest.None
	welded, err := l.w.Weld(ctx, l.m, &plain)
	if err != nil {
		l.error(mod.Pos, err)
		return
	}
	for i, f := range mod.Form {
		if i != welded.Way {
			l.way(ctx, &plain, f, mod.Form[welded.Way])
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used[welded.Signer.Fingerprint] = true
	l.warn(mod.Pos, welded.Warnings[welded.Way:]) // the ways before it have been tried by themselves
	lintImage(mod, welded, l.r)
}

// way tries one way of a module that another forms. A recipe holds wherever it
// is applied; a link may be for machines with other linkers than this one.
func (l *linting) way(ctx context.Context, mod *manifest.Module, f, good manifest.Form) {
	one := *mod
	if f.Recipe != "" {
		one.Form = []manifest.Form{f}
		if _, err := l.w.Weld(ctx, l.m, &one); err != nil {
			l.error(f.Pos, err)
		}
		return
	}
	one.Form = []manifest.Form{f, good} // which can tell the sections that differ
	welded, err := l.w.Weld(ctx, l.m, &one)
	if err != nil {
		l.error(f.Pos, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warn(f.Pos, welded.Warnings)
}

// licence looks at what a recipe spells out.
func (l *linting) licence(mod *manifest.Module, f manifest.Form) {
	recipe, err := l.w.ReadRecipe(l.m, mod, f)
	if err != nil {
		return // the way says so
	}
	if why := assemble.SpeltOut(recipe).Refused(); why != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.r.add(LintError, f.Pos, fmt.Sprintf("recipe %s must not be shipped: %s", f.Recipe, why),
			"what may not be distributed linked may not be distributed so; koweld recipe explain says what it is")
	}
}

func (l *linting) error(pos manifest.Pos, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.addErr(pos, err)
}

// warn adds warnings; the lock is held.
func (l *linting) warn(pos manifest.Pos, texts []string) {
	for _, text := range texts {
		l.r.add(LintWarning, pos, text, "")
	}
}

// lintImage compares what a module says of itself with the manifest; of which kernel
// it is has been seen to when it was welded.
func lintImage(mod *manifest.Module, welded *assemble.Welded, r *Report) {
	info, err := assemble.Modinfo(welded.Segments[0])
	if err != nil {
		r.addErr(mod.Pos, err)
		return
	}
	if names := info["name"]; len(names) > 0 && !sameModule(names[0], mod.Name) {
		r.add(LintError, mod.Pos, fmt.Sprintf("module %s calls itself %s", mod.Name, names[0]), "name it so in the manifest")
	}
	if len(info["vermagic"]) == 0 {
		r.add(LintError, mod.Pos, fmt.Sprintf("module %s has no vermagic", mod.Name), "is its .mod.o among the objects?")
	}
}

func sameModule(a, b string) bool { return txn.ModuleName(a) == txn.ModuleName(b) }

// lintOwners asks who holds the targets on this system. Another stream of its
// group would lend them.
func (s *System) lintOwners(ctx context.Context, m *manifest.Manifest, r *Report) error {
	streams, err := s.group(providesOf(m), m.Kernel, m.Package)
	if err != nil {
		return err
	}
	f := &facts{pkg: m.Package, wants: wants(m, false), targets: make(map[string]*target), leaving: packagesOf(streams)}
	for _, w := range f.wants {
		f.targets[w.path] = &target{path: w.path}
	}
	if err := s.findOwners(ctx, f, m.Replaces); err != nil {
		return err
	}
	for _, w := range f.wants {
		if owner := f.targets[w.path].owner; owner != "" {
			r.addErr(w.pos(), &TargetError{Path: w.path, Reason: owner + " owns it"})
		}
	}
	return nil
}

// pos is where the manifest declares a file.
func (w *want) pos() manifest.Pos {
	if w.module != nil {
		return w.module.Pos
	}
	return w.file.Pos
}
