package diverted

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"golang.org/x/sys/unix"

	"koweld/divert"
	"koweld/internal/dpkg"
	"koweld/internal/fsys"
	runs "koweld/internal/tool"
)

// place is the one name of a file that may have two.
func (s *scene) place(name string) string {
	if s.layout == "split" {
		return name
	}
	for _, top := range tops {
		if strings.HasPrefix(name, "/"+top+"/") {
			return "/usr" + name
		}
	}
	return name
}

// files are those of the root, by their places, and what is in them.
func (s *scene) files() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(s.root, func(name string, e fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(name, s.root)
		switch {
		case err != nil:
			return err
		case rel == "/var":
			return fs.SkipDir
		case e.IsDir() || slices.Contains(tops, strings.TrimPrefix(rel, "/")):
			return nil
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			found[s.place(rel)] = "-> " + target
			return err
		}
		data, err := os.ReadFile(name)
		found[s.place(rel)] = string(data)
		return err
	})
	require.NoError(s.t, err)
	return found
}

// folders are those of the root.
func (s *scene) folders() []string {
	s.t.Helper()
	var all []string
	require.NoError(s.t, filepath.WalkDir(s.root, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && !strings.HasPrefix(name, s.host("/var")) {
			all = append(all, strings.TrimPrefix(name, s.root))
		}
		return err
	}))
	return all
}

// diversions are those that dpkg has.
func (s *scene) diversions() []string {
	s.t.Helper()
	root, err := fsys.OpenRoot(s.root)
	require.NoError(s.t, err)
	defer root.Close()
	records, err := divert.Load(root, "/var/lib/dpkg")
	require.NoError(s.t, err)
	all := []string{}
	for _, d := range records {
		all = append(all, d.String())
	}
	slices.Sort(all)
	return all
}

// state is what dpkg says of packages: "acme 2 installed", without those that are not
// there.
func (s *scene) state() []string {
	s.t.Helper()
	code, said := s.run("dpkg-query", "-W", "-f", "${Package}${Architecture} ${Version} ${db:Status-Status}\n")
	require.Zero(s.t, code, said)
	var all []string
	for line := range strings.Lines(said) {
		line = strings.Replace(strings.TrimSpace(line), "all ", " ", 1)
		if !strings.HasPrefix(line, "base-files ") && !strings.HasSuffix(line, " config-files") && !strings.HasSuffix(line, " not-installed") {
			all = append(all, line)
		}
	}
	return all
}

// A there is a package that has its files, and whether it is configured.
type there struct {
	deb
	configured bool
}

// packages are those that dpkg knows to have files. It fails if one is neither there
// nor gone.
func (s *scene) packages() []there {
	s.t.Helper()
	var all []there
	for _, line := range s.state() {
		words := strings.Fields(line)
		name := strings.TrimSuffix(strings.TrimSuffix(words[0], "amd64"), "i386")
		require.Contains(s.t, []string{"installed", "unpacked", "half-configured"}, words[2], line)
		d, known := s.known[name+"_"+words[1]]
		require.True(s.t, known, line)
		all = append(all, there{d, words[2] == "installed"})
	}
	return all
}

// expected are the diversions that these packages have: Policy, appendix 7, and DEP17.
func (s *scene) expected(all []there) []divert.Diversion {
	var records []divert.Diversion
	merged := s.layout != "split"
	for _, p := range all {
		if p.diverts == "" {
			records = append(records, byHand[p.String()]...)
			continue
		}
		m := p.manifest(s.t)
		for i := range m.Diverts {
			d := &m.Diverts[i]
			if d.Past() {
				continue // see past
			}
			records = append(records, divert.Diversion{From: d.From, To: d.To, Package: p.name})
			if twin := d.Twin(); twin != "" && merged {
				records = append(records, divert.Diversion{From: twin, To: aliasOf(d.To), Package: p.name})
			}
		}
	}
	return records
}

// aliasOf is how DEP17, M18, has it, written anew.
func aliasOf(to string) string {
	for _, top := range tops {
		if strings.HasPrefix(to, "/usr/"+top+"/") {
			to = strings.TrimPrefix(to, "/usr")
		}
	}
	return to + ".usr-is-merged"
}

// judge compares the root with what its packages say. past are diversions that a
// package which is not configured yet still has.
func (s *scene) judge(past ...divert.Diversion) {
	s.t.Helper()
	all := s.packages()
	records := append(s.expected(all), past...)
	want := []string{}
	goes := map[[2]string]string{} // name and holder
	for _, d := range records {
		want = append(want, d.String())
		goes[[2]string{d.From, d.Package}] = d.To
	}
	slices.Sort(want)
	assert.Equal(s.t, slices.Compact(want), s.diversions(), "diversions")

	files := map[string]string{}
	for _, p := range all {
		for _, name := range p.files {
			if strings.HasSuffix(name, "/") {
				continue
			}
			at := name
			for _, d := range records {
				if d.From == name && d.Package != p.name {
					at = d.To
				}
			}
			at = s.place(at)
			require.NotContains(s.t, files, at, "the table has two files there")
			files[at] = p.text(name)
		}
	}
	assert.Equal(s.t, files, s.files(), "files, with %v", s.state())
	s.check()
}

// check asks package divert, whose rules are for diversions of anybody.
func (s *scene) check() {
	s.t.Helper()
	root, err := fsys.OpenRoot(s.root)
	require.NoError(s.t, err)
	defer root.Close()
	path := "PATH=/usr/bin:/bin"
	if s.release.bin != "" {
		path = "PATH=" + s.release.bin + ":/usr/bin:/bin"
	}
	st, err := divert.Measure(s.t.Context(), divert.System{FS: root, Admin: "/var/lib/dpkg", DB: &dpkg.DB{
		Tool: runs.Exec{Environ: runs.Environ([]string{path})}, AdminDir: s.host("/var/lib/dpkg"),
	}})
	require.NoError(s.t, err)
	assert.Empty(s.t, divert.Check(st))
}

// snapshot is all that must be as before.
func (s *scene) snapshot() map[string]string {
	all := maps.Clone(s.files())
	for name := range all {
		var st unix.Stat_t
		require.NoError(s.t, unix.Lstat(s.host(name), &st))
		all[name] += fmt.Sprintf("%o %d:%d %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
	}
	for _, name := range s.folders() {
		all[name+"/"] = ""
	}
	for _, line := range append(s.diversions(), s.state()...) {
		all[line] = ""
	}
	return all
}

// calls are those of scripts since the last time: "acme 2 preinst install".
func (s *scene) calls() []string {
	name := filepath.Join(s.dir, "calls")
	data, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(s.t, err)
	require.NoError(s.t, os.Remove(name))
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}
