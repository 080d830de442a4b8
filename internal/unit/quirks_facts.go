package unit

import (
	"bufio"
	"context"
	"crypto/md5" // what dpkg has of its files
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/divert"
	"koweld/internal/dpkg"
	"koweld/internal/fsys"
	"koweld/internal/txn"
	"koweld/quirks"
)

// Occasion says when quirks are decided, and what the caller knows of it.
type Occasion struct {
	Stage               quirks.Stage
	Incoming, Candidate quirks.Changes
	// Upgrade is what a release upgrader has said; nil if nothing was.
	Upgrade *quirks.Upgrade
	// Carried is a folder of quirks that a release upgrader brings along; "" if it
	// brings none.
	Carried string
}

// measuring gathers the facts of quirks.
type measuring struct {
	s  *System
	db *dpkg.DB // nil: there is no dpkg
	st *divert.State
	f  *quirks.Facts
	// instances are those of all packages that were asked for, and md5sums the
	// digests that they have.
	instances map[string][]dpkg.Instance
	md5sums   map[string]map[string]string
}

// quirkFacts measures what quirks need. Nothing is changed. A damaged list of
// diversions is a *divert.FormatError: without it nothing can be decided.
func (s *System) quirkFacts(ctx context.Context, set *quirkSet, o Occasion) (*quirks.Facts, error) {
	needs := set.Needs(set.records)
	m := &measuring{s: s, md5sums: make(map[string]map[string]string)}
	var err error
	if m.db, err = s.dpkg(); err != nil {
		return nil, err
	}
	var names []divert.Want
	for _, name := range needs.PathNames() {
		names = append(names, divert.Want{From: name, Absent: true})
	}
	if m.st, err = s.Diversions(ctx, names...); err != nil {
		return nil, err
	}
	m.f = &quirks.Facts{
		Arch: quirks.Known(s.Arch), Layout: quirks.Known(layoutFact(m.st.Layout)),
		Incoming: o.Incoming, Candidate: o.Candidate,
		Packages: make(map[string]quirks.Fact[[]quirks.Instance]), Paths: make(map[string]quirks.Path),
		Relations: make(map[quirks.Pair]quirks.Fact[quirks.Relation]),
	}
	switch {
	case o.Upgrade != nil:
		m.f.Upgrade = quirks.Known(*o.Upgrade)
	case o.Stage == quirks.Boot || o.Stage == quirks.Manual || o.Stage == quirks.TakeBack:
		m.f.Upgrade = quirks.Known(quirks.Upgrade{})
	default:
		m.f.Upgrade = quirks.NotKnown[quirks.Upgrade]("no upgrader has told")
	}
	all := make([]quirks.Diversion, len(m.st.Diversions))
	for i, d := range m.st.Diversions {
		all[i] = quirks.Diversion(d)
	}
	m.f.Diversions = quirks.Known(all)
	if m.db == nil {
		m.f.Diversions = quirks.NotKnown[[]quirks.Diversion]("there is no dpkg here")
	}
	if err := m.packages(ctx, needs); err != nil {
		return nil, err
	}
	for _, name := range needs.PathNames() {
		if m.f.Paths[name], err = m.path(ctx, name, needs.Paths[name]); err != nil {
			return nil, err
		}
	}
	for _, pair := range needs.PairNames() {
		m.f.Relations[pair] = m.relation(pair)
	}
	return m.f, m.system(needs)
}

func layoutFact(l divert.Layout) quirks.Layout {
	out := quirks.Layout{Usr: string(l.Usr), Tops: make(map[string]string), Why: l.Why}
	for _, top := range l.Tops {
		out.Tops[top.Name] = string(top.State)
	}
	return out
}

// packages asks dpkg for those that conditions are about, and those that ship a
// name.
func (m *measuring) packages(ctx context.Context, needs *quirks.Needs) error {
	if m.db == nil {
		return nil // nothing is known
	}
	asked := needs.PackageNames()
	if needs.Dpkg {
		asked = append(asked, "dpkg")
	}
	for _, n := range m.st.Names {
		asked = append(asked, n.Owners...)
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	var err error
	if m.instances, err = m.db.InstancesOf(ctx, asked); err != nil {
		return err
	}
	for _, pkg := range asked {
		var all []quirks.Instance
		for _, i := range m.instances[pkg] {
			all = append(all, quirks.Instance(i))
		}
		m.f.Packages[pkg] = quirks.Known(all)
	}
	m.f.Dpkg = quirks.NotKnown[string]("dpkg is no package here")
	for _, i := range m.instances["dpkg"] {
		if i.HasFiles() {
			m.f.Dpkg = quirks.Known(i.Version)
		}
	}
	return nil
}

// version is that of a package's files.
func (m *measuring) version(pkg string) string {
	for _, i := range m.instances[pkg] {
		if i.HasFiles() {
			return i.Version
		}
	}
	return ""
}

// path looks at a name.
func (m *measuring) path(ctx context.Context, name string, need quirks.PathNeed) (quirks.Path, error) {
	n := m.st.Names[name]
	if n == nil {
		return quirks.Path{}, nil
	}
	p := quirks.Path{Kind: quirks.Known(kindFact(n))}
	if n.Kind == divert.Hidden {
		return quirks.Path{Kind: quirks.NotKnown[quirks.Kind]("it may not be looked at")}, nil
	}
	if m.db != nil {
		p.Owners = quirks.Known(m.owners(n))
	} else {
		p.Owners = quirks.NotKnown[[]quirks.Owner]("there is no dpkg here")
	}
	if n.Fault != "" || n.Kind == divert.Absent {
		return p, nil
	}
	info, err := m.s.FS.Lstat(name)
	if err != nil {
		return p, fmt.Errorf("cannot look at %s: %w", name, err)
	}
	p.Mode = quirks.Known(uint32(info.Mode.Perm()))
	if n.Kind != divert.File || !need.Hash && !need.Verify {
		return p, nil
	}
	sum, err := txn.Sum(m.s.FS, name)
	if err != nil {
		p.SHA256 = quirks.NotKnown[string]("it cannot be read: " + err.Error())
		p.Verified = quirks.NotKnown[bool](p.SHA256.Why)
		return p, nil
	}
	p.SHA256 = quirks.Known(sum)
	if need.Verify {
		p.Verified, err = m.verified(ctx, n)
	}
	return p, err
}

func kindFact(n *divert.Name) quirks.Kind {
	if n.Fault != "" {
		return quirks.Loop
	}
	switch n.Kind {
	case divert.File:
		return quirks.File
	case divert.Link:
		return quirks.Symlink
	case divert.Folder:
		return quirks.Dir
	case divert.Special:
		return quirks.Special
	}
	return quirks.NoFile
}

// spellings are the names that mean the place of a name, itself the first.
func (m *measuring) spellings(n *divert.Name) []*divert.Name {
	all := []*divert.Name{n}
	for _, o := range m.st.Names {
		if o.Path != n.Path && n.Entry != (divert.Entry{}) && o.Entry == n.Entry {
			all = append(all, o)
		}
	}
	slices.SortFunc(all[1:], func(a, b *divert.Name) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// owners are the packages with files that ship a place.
func (m *measuring) owners(n *divert.Name) []quirks.Owner {
	var all []quirks.Owner
	for _, o := range m.spellings(n) {
		for _, pkg := range o.Owners {
			if version := m.version(pkg); version != "" {
				all = append(all, quirks.Owner{Package: pkg, As: o.Path, Version: version})
			}
		}
	}
	return all
}

// verified reports whether the bytes of a file are those of the package whose file
// lies there, by the name that it ships it under.
func (m *measuring) verified(ctx context.Context, n *divert.Name) (quirks.Fact[bool], error) {
	if m.db == nil {
		return quirks.NotKnown[bool]("there is no dpkg here"), nil
	}
	var shipped []quirks.Owner
	for _, o := range m.owners(n) {
		if !m.isDiverted(o) {
			shipped = append(shipped, o)
		}
	}
	for _, d := range m.st.Diversions {
		to, from := m.st.Names[d.To], m.st.Names[d.From]
		if to == nil || from == nil || d.To != n.Path && (to.Entry == divert.Entry{} || to.Entry != n.Entry) {
			continue
		}
		for _, pkg := range from.Owners {
			if version := m.version(pkg); pkg != d.Package && version != "" {
				shipped = append(shipped, quirks.Owner{Package: pkg, As: d.From, Version: version})
			}
		}
	}
	sum := ""
	for _, o := range shipped {
		has, err := m.md5(ctx, o)
		switch {
		case err != nil:
			return quirks.Fact[bool]{}, err
		case has == "":
			continue
		case sum == "":
			if sum, err = md5Sum(m.s.FS, n.Path); err != nil {
				return quirks.NotKnown[bool]("it cannot be read: " + err.Error()), nil
			}
		}
		return quirks.Known(has == sum), nil
	}
	if len(shipped) == 0 {
		return quirks.Known(false), nil // it is nobody's
	}
	return quirks.NotKnown[bool](shipped[0].Package + " has no digest of it"), nil
}

func (m *measuring) isDiverted(o quirks.Owner) bool {
	return slices.ContainsFunc(m.st.Diversions, func(d divert.Diversion) bool {
		return d.From == o.As && (d.Package == "" || d.Package != o.Package)
	})
}

// md5 is the digest that a package has for a name; "" if it has none.
func (m *measuring) md5(ctx context.Context, o quirks.Owner) (string, error) {
	sums, asked := m.md5sums[o.Package]
	if !asked {
		var err error
		if sums, err = m.db.MD5Sums(ctx, o.Package); err != nil {
			return "", err
		}
		m.md5sums[o.Package] = sums
	}
	return sums[o.As], nil
}

func md5Sum(fsx fsys.FS, name string) (string, error) {
	f, err := fsx.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := md5.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// relation compares two names.
func (m *measuring) relation(p quirks.Pair) quirks.Fact[quirks.Relation] {
	a, b := m.st.Names[p.A], m.st.Names[p.B]
	switch {
	case a == nil || b == nil:
		return quirks.Fact[quirks.Relation]{}
	case a.Kind == divert.Hidden || b.Kind == divert.Hidden:
		return quirks.NotKnown[quirks.Relation]("one of them may not be looked at")
	case a.Fault != "" || b.Fault != "":
		return quirks.Known(quirks.BrokenLink)
	case a.Path == b.Path, a.Entry == b.Entry:
		return quirks.Known(quirks.SameEntry)
	case a.Kind == divert.Absent || b.Kind == divert.Absent:
		return quirks.Known(quirks.OneAbsent)
	case a.Kind == divert.Link && a.Leads == "" || b.Kind == divert.Link && b.Leads == "":
		return quirks.Known(quirks.BrokenLink)
	case a.Mount || b.Mount:
		return quirks.Known(quirks.Mounted)
	case a.Kind == divert.Link && m.leads(a, b):
		return quirks.Known(quirks.LinkTo)
	case b.Kind == divert.Link && m.leads(b, a):
		return quirks.Known(quirks.LinkFrom)
	case a.Ino == b.Ino && a.Nlink > 1:
		return quirks.Known(quirks.HardLink)
	case a.Ino == b.Ino: // a kernel before Linux 5.8 does not tell of a mount
		return quirks.Known(quirks.Mounted)
	}
	return quirks.Known(quirks.Distinct)
}

// leads reports whether a link leads to a place.
func (m *measuring) leads(link, to *divert.Name) bool {
	return slices.ContainsFunc(m.spellings(to), func(n *divert.Name) bool { return n.Path == link.Leads })
}

// system measures what is no package's.
func (m *measuring) system(needs *quirks.Needs) error {
	const elsewhere = "it is not the running system"
	m.f.FIPS, m.f.Running = quirks.NotKnown[bool](elsewhere), quirks.NotKnown[string](elsewhere)
	if needs.OS {
		m.f.OS = m.s.osRelease()
	}
	if m.s.Running && needs.FIPS {
		data, err := fsys.ReadFile(m.s.FS, "/proc/sys/crypto/fips_enabled", 64)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			m.f.FIPS = quirks.Known(false) // a kernel that cannot
		case err != nil:
			m.f.FIPS = quirks.NotKnown[bool](err.Error())
		default:
			m.f.FIPS = quirks.Known(strings.TrimSpace(string(data)) == "1")
		}
	}
	if m.s.Running && m.s.Kernel != "" {
		m.f.Running = quirks.Known(m.s.Kernel)
	}
	if !needs.Kernels {
		return nil
	}
	entries, err := m.s.FS.ReadDir(modulesDir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		m.f.Kernels = quirks.Known([]string(nil))
		return nil
	case err != nil:
		return fmt.Errorf("cannot list the kernels: %w", err)
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, e.Name())
		}
	}
	m.f.Kernels = quirks.Known(all)
	return nil
}

// osRelease reads os-release(5).
func (s *System) osRelease() quirks.Fact[quirks.OS] {
	const limit = 64 << 10
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		at, err := s.FS.Resolve(name)
		if err != nil {
			continue
		}
		data, err := fsys.ReadFile(s.FS, at, limit)
		if err != nil {
			return quirks.NotKnown[quirks.OS](err.Error())
		}
		var os quirks.OS
		lines := bufio.NewScanner(strings.NewReader(string(data)))
		for lines.Scan() {
			key, value, ok := strings.Cut(lines.Text(), "=")
			if !ok {
				continue
			}
			if unquoted, err := strconv.Unquote(value); err == nil {
				value = unquoted
			}
			value = strings.Trim(value, "'")
			switch key {
			case "ID":
				os.ID = value
			case "VERSION_CODENAME":
				os.Codename = value
			case "VERSION_ID":
				os.Version = value
			}
		}
		return quirks.Known(os)
	}
	return quirks.NotKnown[quirks.OS]("there is no os-release")
}
