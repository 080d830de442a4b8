package diverted

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/internal/unit"
	"koweld/manifest"
)

// A lab is what all scenes share: a folder in memory, where it can be, and packages.
type lab struct {
	dir  string
	mu   sync.Mutex
	debs map[string]string // by what is in them
}

var shared struct {
	sync.Once
	*lab
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.lab != nil {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

func theLab(t testing.TB) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("dpkg is not run: that needs root")
	}
	for _, program := range append([]string{"dpkg-deb"}, essential...) {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("dpkg is not run: %v", err)
		}
	}
	shared.Do(func() {
		dir, err := os.MkdirTemp("/dev/shm", "koweld-diverted-")
		if err != nil {
			dir, err = os.MkdirTemp("", "koweld-diverted-")
		}
		require.NoError(t, err)
		shared.lab = &lab{dir: dir, debs: map[string]string{}}
	})
	require.NotNil(t, shared.lab, "the lab could not be made, see the first test")
	return shared.lab
}

func width() string { return os.Getenv("KOWELD_TEST") }

// A deb is a package to be built.
type deb struct {
	name, version string
	arch          string   // "" is all
	fields        []string // of the control file
	files         []string // each with text() in it; "a -> b" is a link
	diverts       string   // of the manifest: items of YAML
	preinst       string   // further shell, of a package that koweld has no part in
	postrm        string
	shell         string // "" is /bin/sh
	noSums        bool
}

func (d deb) String() string { return d.name + "_" + d.version }

// text is what a file of it has in it.
func (d deb) text(name string) string {
	return fmt.Sprintf("%s of %s %s\n", name, d.name, d.version)
}

// manifest is what declares its diversions.
func (d deb) manifest(t testing.TB) *manifest.Manifest {
	t.Helper()
	text := fmt.Sprintf("koweld: 1\npackage: %s\nkernel: 6.1.0\nfiles: [{source: /x, install: /usr/share/y}]\ndiverts:\n%s", d.name, d.diverts)
	m, err := manifest.Parse(d.String()+".yaml", []byte(text), manifest.Vars{Dir: "/"})
	require.NoError(t, err)
	return m
}

// scripts are what the package does at each call.
func (d deb) scripts(t testing.TB) map[string]string {
	all := map[string]string{"preinst": d.preinst, "postinst": "", "prerm": "", "postrm": d.postrm}
	if d.diverts != "" {
		s := unit.Declares(d.manifest(t)).Scripts
		all["preinst"] += s.Preinst
		all["postinst"] += s.Postinst
		all["postrm"] += s.Postrm
	}
	return all
}

// script is a maintainer script. KOWELD_FAIL names calls that fail, before or after
// they have done their work: "after acme 2 preinst upgrade".
const script = `#!%s
set -e
PATH=$KOWELD_SCENE/bin
export PATH
said="%s %s %s $1"
echo "$said" >>"$KOWELD_SCENE/calls"
case ,$KOWELD_FAIL, in *",before $said,"*) exit 1 ;; esac
%s
case ,$KOWELD_FAIL, in *",after $said,"*) exit 1 ;; esac
`

// build makes the package, once.
func (l *lab) build(t testing.TB, d deb) string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	key := fmt.Sprintf("%#v", d)
	if l.debs[key] != "" {
		return l.debs[key]
	}
	tree := filepath.Join(l.dir, fmt.Sprintf("deb-%d", len(l.debs)))
	write := func(name, text string, mode os.FileMode) {
		name = filepath.Join(tree, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), mode))
		require.NoError(t, os.Chmod(name, mode))
	}
	arch := d.arch
	if arch == "" {
		arch = "all"
	}
	control := append([]string{
		"Package: " + d.name, "Version: " + d.version, "Architecture: " + arch,
		"Maintainer: Nobody <nobody@example.org>", "Description: for tests of koweld",
	}, d.fields...)
	write("DEBIAN/control", strings.Join(control, "\n")+"\n", 0o644)
	shell := d.shell
	if shell == "" {
		shell = "/bin/sh"
	}
	for name, text := range d.scripts(t) {
		write("DEBIAN/"+name, fmt.Sprintf(script, shell, d.name, d.version, name, text), 0o755)
	}
	var sums strings.Builder
	for _, name := range d.files {
		if name, target, is := strings.Cut(name, " -> "); is {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755))
			require.NoError(t, os.Symlink(target, filepath.Join(tree, name)))
			continue
		}
		if strings.HasSuffix(name, "/") {
			require.NoError(t, os.MkdirAll(filepath.Join(tree, name), 0o755))
			continue
		}
		write(name, d.text(name), 0o644)
		out, err := exec.Command("md5sum", filepath.Join(tree, name)).Output()
		require.NoError(t, err)
		fmt.Fprintf(&sums, "%s  %s\n", out[:32], strings.TrimPrefix(name, "/"))
	}
	if !d.noSums {
		write("DEBIAN/md5sums", sums.String(), 0o644)
	}
	// gzip: dpkg-deb of bullseye knows no zstd.
	out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, tree+".deb").CombinedOutput()
	require.NoError(t, err, "%s", out)
	l.debs[key] = tree + ".deb"
	return l.debs[key]
}
