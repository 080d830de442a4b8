package divert_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/divert"
	"koweld/internal/dpkg"
	"koweld/internal/fsys"
)

const admin = "/var/lib/dpkg"

// scene is a root in a folder, and what dpkg would say of it.
type scene struct {
	t       testing.TB
	dir     string
	fs      *fsys.Root
	owners  map[string][]string
	known   map[string]dpkg.Package
	records []divert.Diversion
}

// layouts are those that a scene can have; "bind" needs a privilege.
var layouts = []string{"split", "merged", "bind", "converting", "partial"}

// newScene makes a root with /bin, /sbin and /lib in a layout; in a partial one
// /bin is merged, /sbin broken and /lib split, in a converting one all are split yet.
func newScene(t testing.TB, layout string) *scene {
	t.Helper()
	s := &scene{t: t, dir: t.TempDir(), owners: map[string][]string{}, known: map[string]dpkg.Package{}}
	fsx, err := fsys.OpenRoot(s.dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = fsx.Close() })
	s.fs = fsx
	s.folder(admin)
	for _, top := range []string{"bin", "sbin", "lib"} {
		s.folder("/usr/" + top)
		switch {
		case layout == "merged", layout == "partial" && top == "bin":
			s.link("/"+top, "usr/"+top)
		case layout == "partial" && top == "sbin":
			s.link("/"+top, "usr/nothing")
		default:
			s.folder("/" + top)
		}
		if layout == "bind" {
			s.bind("/usr/"+top, "/"+top)
		}
	}
	if layout == "converting" {
		s.pkg("usrmerge", dpkg.Package{Status: "half-configured"})
	}
	return s
}

func (s *scene) host(name string) string { return filepath.Join(s.dir, name) }

func (s *scene) folder(name string) { require.NoError(s.t, os.MkdirAll(s.host(name), 0o755)) }

func (s *scene) link(name, target string) {
	require.NoError(s.t, os.Symlink(target, s.host(name)))
}

func (s *scene) file(name, text string) {
	s.folder(filepath.Dir(name))
	require.NoError(s.t, os.WriteFile(s.host(name), []byte(text), 0o644))
}

// bind mounts a folder or a file on another, or skips the test.
func (s *scene) bind(from, to string) {
	if err := unix.Mount(s.host(from), s.host(to), "", unix.MS_BIND, ""); err != nil {
		s.t.Skipf("bind mounts are not tested, they need CAP_SYS_ADMIN: %v", err)
	}
	s.t.Cleanup(func() { require.NoError(s.t, unix.Unmount(s.host(to), 0)) })
}

func (s *scene) pkg(name string, p dpkg.Package) { s.known[name] = p }

// ships makes an installed package of the name ship files.
func (s *scene) ships(pkg string, names ...string) {
	p := s.known[pkg]
	p.Status = "installed"
	s.known[pkg] = p
	for _, name := range names {
		if !slices.Contains(s.owners[name], pkg) {
			s.owners[name] = append(s.owners[name], pkg)
		}
	}
}

// diverts writes dpkg's record.
func (s *scene) diverts(all ...divert.Diversion) {
	s.records = all
	require.NoError(s.t, os.WriteFile(s.host(admin+"/diversions"), encode(all), 0o644))
}

func encode(all []divert.Diversion) []byte {
	var b strings.Builder
	for _, d := range all {
		holder := d.Package
		if holder == "" {
			holder = ":"
		}
		b.WriteString(d.From + "\n" + d.To + "\n" + holder + "\n")
	}
	return []byte(b.String())
}

// state measures the root, and takes from the scene what dpkg-query would say.
func (s *scene) state(wants ...divert.Want) *divert.State {
	s.t.Helper()
	st, err := divert.Measure(s.t.Context(), divert.System{FS: s.fs, Admin: admin}, wants...)
	require.NoError(s.t, err)
	st.Packages = s.known
	for name, n := range st.Names {
		n.Owners = s.owners[name]
	}
	st.Layout, err = divert.MeasureLayout(s.fs, s.known["usrmerge"].Status)
	require.NoError(s.t, err)
	return st
}

func (s *scene) plan(w divert.Want) ([]divert.Step, error) {
	s.t.Helper()
	return divert.Plan(s.state(w), w)
}

// lines are the steps as people read them.
func lines(steps []divert.Step) []string {
	var all []string
	for _, st := range steps {
		all = append(all, st.String())
	}
	return all
}
