package quirks_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/quirks"
)

// world is a system as far as quirks go: a model of dpkg with files, packages and
// diversions, and of koweld's carrying out.
type world struct {
	t testing.TB
	// merged says that /lib is /usr/lib, and usr what is told of the layout.
	merged     bool
	usr        string
	os         quirks.OS
	files      map[string]string // bytes by place
	folders    map[string]bool
	packages   map[string]*installed
	archive    map[string]map[string]map[string]string // bytes by package, version and name
	diversions []quirks.Diversion
	set        *quirks.Set
	records    map[string]*quirks.Record
	hidden     map[string]bool // names that may not be looked at
	// incoming and candidate are what the next decision is told.
	incoming, candidate quirks.Changes
	// said are all messages, removed all files that were removed.
	said, removed []string
}

type installed struct{ version, status string }

func newWorld(t testing.TB, sources ...quirks.Source) *world {
	w := &world{
		t: t, usr: "split", files: map[string]string{}, folders: map[string]bool{}, packages: map[string]*installed{},
		archive: map[string]map[string]map[string]string{}, records: map[string]*quirks.Record{}, hidden: map[string]bool{},
	}
	w.load(sources...)
	return w
}

func (w *world) load(sources ...quirks.Source) {
	set, err := quirks.Load(sources, quirks.Host{Arch: quirks.Arch{Name: "amd64", Multiarch: "x86_64-linux-gnu"}})
	require.NoError(w.t, err)
	w.set = set
}

// place is where a name leads.
func (w *world) place(name string) string {
	if w.merged && strings.HasPrefix(name, "/lib/") {
		return "/usr" + name
	}
	return name
}

// ship puts a version of a package into the archive.
func (w *world) ship(pkg, version string, files map[string]string) {
	if w.archive[pkg] == nil {
		w.archive[pkg] = map[string]map[string]string{}
	}
	w.archive[pkg][version] = files
}

// diverted is the name under which dpkg has a package's file.
func (w *world) diverted(pkg, name string) string {
	for _, d := range w.diversions {
		if d.From == name && d.Package != pkg {
			return d.To
		}
	}
	return name
}

// unpack unpacks a package as dpkg does, which refuses to overwrite a name that
// another is diverted to.
func (w *world) unpack(pkg, version string) error {
	files := w.archive[pkg][version]
	require.NotNil(w.t, files, "%s %s is not in the archive", pkg, version)
	for name := range files {
		for _, d := range w.diversions {
			if d.To == name && d.Package != pkg {
				return fmt.Errorf("trying to overwrite '%s', which is the diverted version of '%s'", name, d.From)
			}
		}
	}
	old := map[string]string{}
	if p := w.packages[pkg]; p != nil && p.version != "" {
		old = w.archive[pkg][p.version]
	}
	kept := map[string]bool{}
	for name, content := range files {
		at := w.place(w.diverted(pkg, name))
		w.files[at], kept[at] = content, true
	}
	for name := range old {
		if at := w.place(w.diverted(pkg, name)); !kept[at] {
			delete(w.files, at)
		}
	}
	w.packages[pkg] = &installed{version, "unpacked"}
	return nil
}

func (w *world) configure(pkg string) { w.packages[pkg].status = "installed" }

// install unpacks and configures.
func (w *world) install(pkg, version string) {
	w.t.Helper()
	require.NoError(w.t, w.unpack(pkg, version))
	w.configure(pkg)
}

func (w *world) remove(pkg string) {
	for name := range w.archive[pkg][w.packages[pkg].version] {
		delete(w.files, w.place(w.diverted(pkg, name)))
	}
	delete(w.packages, pkg)
}

// convert merges /usr, as usrmerge does; false if a name is there twice.
func (w *world) convert() bool {
	for name := range w.files {
		if _, twice := w.files["/usr"+name]; twice && strings.HasPrefix(name, "/lib/") {
			w.usr = "converting"
			return false
		}
	}
	w.merged, w.usr = true, "merged"
	moved := map[string]string{}
	for name, content := range w.files {
		moved[w.place(name)] = content
	}
	w.files = moved
	return true
}

func (w *world) owners(name string) []quirks.Owner {
	var all []quirks.Owner
	for _, pkg := range slices.Sorted(maps.Keys(w.packages)) {
		version := w.packages[pkg].version
		for ships := range w.archive[pkg][version] {
			if ships == name || w.place(ships) == w.place(name) {
				all = append(all, quirks.Owner{Package: pkg, As: ships, Version: version})
			}
		}
	}
	return all
}

// facts measures what the quirks need.
func (w *world) facts() *quirks.Facts {
	needs := w.set.Needs(slices.Collect(maps.Values(w.records)))
	lib := "split"
	if w.merged {
		lib = "merged"
	}
	f := &quirks.Facts{
		OS: quirks.Known(w.os), Upgrade: quirks.Known(quirks.Upgrade{}), Arch: quirks.Known("amd64"),
		Layout:   quirks.Known(quirks.Layout{Usr: w.usr, Tops: map[string]string{"lib": lib}, Why: "usrmerge is half-configured"}),
		Packages: map[string]quirks.Fact[[]quirks.Instance]{}, Incoming: w.incoming, Candidate: w.candidate,
		Paths: map[string]quirks.Path{}, Relations: map[quirks.Pair]quirks.Fact[quirks.Relation]{},
		Diversions: quirks.Known(slices.Clone(w.diversions)), FIPS: quirks.Known(true),
	}
	for _, pkg := range needs.PackageNames() {
		var all []quirks.Instance
		if p := w.packages[pkg]; p != nil {
			all = append(all, quirks.Instance{Arch: "amd64", Status: p.status, Version: p.version})
		}
		f.Packages[pkg] = quirks.Known(all)
	}
	for _, name := range needs.PathNames() {
		f.Paths[name] = w.path(name, needs.Paths[name])
	}
	for _, pair := range needs.PairNames() {
		f.Relations[pair] = quirks.Known(w.relation(pair))
	}
	return f
}

func (w *world) path(name string, need quirks.PathNeed) quirks.Path {
	if w.hidden[name] {
		return quirks.Path{Kind: quirks.NotKnown[quirks.Kind]("it may not be looked at")}
	}
	p := quirks.Path{Kind: quirks.Known(quirks.NoFile), Owners: quirks.Known(w.owners(name))}
	content, is := w.files[w.place(name)]
	switch {
	case is:
		p.Kind = quirks.Known(quirks.File)
		if need.Hash {
			p.SHA256 = quirks.Known(content)
		}
		if need.Verify {
			p.Verified = quirks.Known(w.verify(name, content))
		}
	case w.folders[w.place(name)]:
		p.Kind = quirks.Known(quirks.Dir)
	}
	return p
}

// verify reports whether the bytes at a name are those of the package whose file
// is there.
func (w *world) verify(name, content string) bool {
	for pkg, p := range w.packages {
		for ships, has := range w.archive[pkg][p.version] {
			if w.place(w.diverted(pkg, ships)) == w.place(name) && has == content {
				return true
			}
		}
	}
	return false
}

func (w *world) relation(p quirks.Pair) quirks.Relation {
	_, a := w.files[w.place(p.A)]
	_, b := w.files[w.place(p.B)]
	switch {
	case w.place(p.A) == w.place(p.B):
		return quirks.SameEntry
	case !a || !b:
		return quirks.OneAbsent
	}
	return quirks.Distinct
}

// reconcile decides all quirks at a stage and carries it out, whatever the
// decisions are.
func (w *world) reconcile(s quirks.Stage) []quirks.Decision {
	w.t.Helper()
	var records []*quirks.Record
	for _, key := range slices.Sorted(maps.Keys(w.records)) {
		records = append(records, w.records[key])
	}
	all := w.set.Decide(w.facts(), records, s)
	for i := range all {
		w.carryOut(&all[i])
	}
	return all
}

func (w *world) carryOut(d *quirks.Decision) {
	w.t.Helper()
	for _, want := range d.Wants {
		v := quirks.Diversion{From: want.From, To: want.To, Package: want.Package}
		if want.Was != nil {
			require.Contains(w.t, w.diversions, *want.Was)
			w.diversions = slices.DeleteFunc(w.diversions, func(o quirks.Diversion) bool { return o == *want.Was })
		}
		is := slices.Contains(w.diversions, v)
		switch {
		case want.Absent && is:
			w.diversions = slices.DeleteFunc(w.diversions, func(o quirks.Diversion) bool { return o == v })
			w.move(want, want.To, want.From)
		case !want.Absent && !is:
			for _, o := range w.diversions {
				require.False(w.t, o.From == v.From || o.To == v.To || o.From == v.To || o.To == v.From, "%s clashes with %s", v, o)
			}
			w.diversions = append(w.diversions, v)
			w.move(want, want.From, want.To)
		}
	}
	for _, r := range d.Remove {
		content, is := w.files[w.place(r.Path)]
		require.True(w.t, is, "%s is not there", r.Path)
		require.Equal(w.t, r.SHA256, content, "the bytes of %s", r.Path)
		w.isNobodys(r.Path)
		if r.Keep != "" {
			require.NotEqual(w.t, w.place(r.Path), w.place(r.Keep), "one place")
			require.Equal(w.t, r.KeepSHA256, w.files[w.place(r.Keep)])
		}
		delete(w.files, w.place(r.Path))
		w.removed = append(w.removed, r.Path)
	}
	for _, m := range d.Mirrors {
		if m.Absent {
			require.Equal(w.t, m.SHA256, w.files[w.place(m.To)])
			w.isNobodys(m.To)
			require.NotEqual(w.t, w.place(m.From), w.place(m.To), "one place")
			delete(w.files, w.place(m.To))
		} else {
			w.isNobodys(m.To)
			w.files[w.place(m.To)] = w.files[w.place(m.From)]
		}
	}
	for _, m := range d.Say {
		w.said = append(w.said, m.Text)
	}
	w.remember(d)
}

// isNobodys makes sure that no package has its file at a name.
func (w *world) isNobodys(name string) {
	w.t.Helper()
	require.Empty(w.t, slices.DeleteFunc(w.owners(name), func(o quirks.Owner) bool {
		return w.diverted(o.Package, o.As) != o.As
	}), "%s is a package's", name)
}

func (w *world) move(want quirks.Want, from, to string) {
	if slices.ContainsFunc(w.owners(want.From), func(o quirks.Owner) bool { return o.Package == want.Package }) {
		return // it is the holder's own
	}
	from, to = w.place(from), w.place(to)
	if content, is := w.files[from]; is && !want.NoMove && from != to {
		delete(w.files, from)
		w.files[to] = content
	}
}

// remember keeps a record as the disk would.
func (w *world) remember(d *quirks.Decision) {
	w.t.Helper()
	if d.Record == nil {
		delete(w.records, d.Quirk)
		return
	}
	data, err := quirks.EncodeRecord(d.Record)
	require.NoError(w.t, err)
	r, err := quirks.DecodeRecord(data)
	require.NoError(w.t, err)
	require.Equal(w.t, d.Record, r)
	w.records[d.Quirk] = r
}

// state is everything that koweld may change, as text.
func (w *world) state() string {
	b := strings.Builder{}
	b.WriteString(w.disk())
	for _, key := range slices.Sorted(maps.Keys(w.records)) {
		data, err := quirks.EncodeRecord(w.records[key])
		require.NoError(w.t, err)
		b.Write(data)
	}
	return b.String()
}

// disk is the same without the records.
func (w *world) disk() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.files)) {
		fmt.Fprintf(&b, "%s %s\n", name, w.files[name])
	}
	for _, d := range w.diversions {
		fmt.Fprintf(&b, "%s\n", d)
	}
	return b.String()
}
