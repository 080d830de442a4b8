package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"pault.ag/go/debian/version"

	"koweld/divert"
	"koweld/internal/dpkg"
	"koweld/internal/fsys"
	"koweld/manifest"
)

// lintDiverts looks at what else there is at the names of diversions. Packages meet
// on machines of each layout of /usr, so each name counts in both spellings.
func (s *System) lintDiverts(ctx context.Context, m *manifest.Manifest, r *Report) error {
	if len(m.Diverts) == 0 {
		return nil
	}
	var wants []divert.Want
	for i := range m.Diverts {
		d := &m.Diverts[i]
		wants = append(wants, divert.Want{From: d.From, To: d.To, Package: m.Package}, divert.Want{From: path.Dir(d.To), Package: m.Package})
	}
	st, err := s.Diversions(ctx, wants...)
	if err != nil {
		return err
	}
	db, err := s.dpkg()
	if err != nil {
		return err
	}
	l := lintingDiverts{s: s, m: m, r: r, st: st, tree: db == nil, own: st.Packages[m.Package]}
	if db != nil {
		if l.version, _, err = db.Version(ctx, m.Package); err != nil {
			return err
		}
	}
	for i := range m.Diverts {
		if err := l.look(&m.Diverts[i]); err != nil {
			return err
		}
	}
	return l.others()
}

type lintingDiverts struct {
	s   *System
	m   *manifest.Manifest
	r   *Report
	st  *divert.State
	own dpkg.Package
	// tree: there is no dpkg, and the root is taken for the tree of the package.
	tree    bool
	version version.Version
}

func (l *lintingDiverts) error(d *manifest.Divert, hint, format string, args ...any) {
	l.r.add(LintError, d.Pos, fmt.Sprintf(format, args...), hint)
}

// owners are the packages that ship a name, and not its twin.
func (l *lintingDiverts) owners(name string) []string {
	if n := l.st.Names[name]; n != nil {
		return n.Owners
	}
	return nil
}

// spellings are a name and its twin.
func spellings(name string) []string {
	if twin := dpkg.Twin(name); twin != "" {
		return []string{name, twin}
	}
	return []string{name}
}

func (l *lintingDiverts) look(d *manifest.Divert) error {
	if err := l.shipped(d); err != nil {
		return err
	}
	l.versions(d)
	if d.Past() {
		return nil
	}
	if d.Ship && d.Move == manifest.MoveNever {
		l.r.add(LintWarning, d.Pos, fmt.Sprintf("a file that lies at %s when %s is installed is lost", d.From, l.m.Package),
			"leave out move: never, unless it must be so")
	}
	for _, name := range spellings(d.From) {
		for _, pkg := range l.owners(name) {
			if slices.Contains(l.st.Packages[pkg].Conffiles, name) {
				l.error(d, "conffiles are not diverted (Policy, appendix 7)", "%s is a conffile of %s", name, pkg)
			}
		}
	}
	for _, name := range spellings(d.To) {
		for _, pkg := range l.owners(name) {
			l.error(d, "divert it to a name that nobody has: dpkg would replace that file, and later remove it", "%s ships %s", pkg, name)
		}
	}
	return l.folder(d)
}

// ships reports whether the package has a name, by which spelling, and whether that
// can be told.
func (l *lintingDiverts) ships(from string) (name string, known bool, err error) {
	for _, name := range spellings(from) {
		if !l.tree {
			if slices.Contains(l.owners(name), l.m.Package) {
				return name, true, nil
			}
			continue
		}
		there, err := fsys.Exists(l.s.FS, name)
		if err != nil && !isGone(err) {
			return "", false, fmt.Errorf("cannot look at %s: %w", name, err)
		}
		if there {
			return name, true, nil
		}
	}
	return "", l.tree || l.own.HasFiles(), nil
}

func (l *lintingDiverts) shipped(d *manifest.Divert) error {
	name, known, err := l.ships(d.From)
	pkg := l.m.Package
	switch {
	case err != nil || !known:
		return err
	case d.Past():
		followed := slices.ContainsFunc(l.m.Diverts, func(o manifest.Divert) bool { return !o.Past() && o.OnePlace(d) })
		if name != "" && !followed {
			l.r.add(LintWarning, d.Pos, fmt.Sprintf("%s ships %s, which it no longer diverts: the file of another package stays at %s", pkg, name, d.To),
				"let the diversion go on, or leave the file out")
		}
	case d.Ship && name == "":
		l.error(d, "ship it, or say ship: false", "%s does not ship %s, and diverts it for a file of its own", pkg, d.From)
	case d.Ship && name != d.From:
		l.error(d, "ship "+d.From, "%s ships %s, and diverts %s: dpkg compares names as strings", pkg, name, d.From)
	case !d.Ship && name != "":
		l.error(d, "say ship: true, or leave the file out", "%s ships %s, and says that it does not", pkg, name)
	}
	return nil
}

// versions looks for those that are to come.
func (l *lintingDiverts) versions(d *manifest.Divert) {
	if l.version.Empty() {
		return
	}
	later := func(text, what string) {
		v, err := version.Parse(text)
		if text != "" && err == nil && version.Compare(v, l.version) > 0 {
			l.error(d, "it is the version of the package that is packed, or an older one", "%s %s is later than %s", what, text, l.version)
		}
	}
	later(d.Since, "since")
	later(d.Until, "until")
}

// folder looks for who has the folder of the target: without it dpkg can unpack no
// package that ships the diverted name.
func (l *lintingDiverts) folder(d *manifest.Divert) error {
	dir := path.Dir(d.To)
	if slices.Contains(everywhere, dir) {
		return nil
	}
	name, known, err := l.ships(dir)
	if err != nil || !known || name != "" {
		return err
	}
	for _, spelt := range spellings(dir) {
		if slices.ContainsFunc(l.owners(spelt), func(pkg string) bool { return l.st.Packages[pkg].Essential }) {
			return nil
		}
	}
	l.error(d, "ship it, as dh_koweld does", "neither %s nor an essential package ships the folder %s", l.m.Package, dir)
	return nil
}

// others looks for those who divert the same: dpkg knows each name in one diversion,
// so that the second package cannot be installed.
func (l *lintingDiverts) others() error {
	met := func(from, to, holder, what string) {
		for i := range l.m.Diverts {
			d := &l.m.Diverts[i]
			if d.Past() || holder == l.m.Package {
				continue
			}
			for _, name := range slices.Concat(spellings(from), spellings(to)) {
				if slices.Contains(spellings(d.From), name) || slices.Contains(spellings(d.To), name) {
					l.error(d, "the two packages cannot be installed together: let them conflict, or divert in one", "%s is in %s", name, what)
					break
				}
			}
		}
	}
	for _, o := range l.st.Diversions {
		met(o.From, o.To, o.Package, "the "+o.String())
	}
	entries, err := l.s.FS.ReadDir(ManifestDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot list %s: %w", ManifestDir, err)
	}
	for _, e := range entries {
		pkg, is := strings.CutSuffix(e.Name(), ".yaml")
		if !is || pkg == l.m.Package {
			continue
		}
		o, err := l.s.Load(pkg)
		if err != nil {
			continue // it is not the one that is looked at
		}
		for i := range o.Diverts {
			if d := &o.Diverts[i]; !d.Past() {
				met(d.From, d.To, o.Package, "a diversion of the manifest of "+o.Package)
			}
		}
	}
	return nil
}
