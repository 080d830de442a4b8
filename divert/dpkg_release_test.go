package divert_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"koweld/divert"
	"koweld/internal/tool"
	"koweld/internal/unit"
)

// eachRelease runs a test with dpkg of the host, and of the releases that
// KOWELD_DPKG names, which testdata/dpkg/fetch.sh has fetched.
func eachRelease(t *testing.T, test func(t *testing.T, bin string)) {
	t.Run("host", func(t *testing.T) {
		program, err := exec.LookPath("dpkg-divert")
		if err != nil {
			t.Skipf("SKIP: real diversions are not tried: %v", err)
		}
		test(t, filepath.Dir(program))
	})
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	for _, name := range strings.Fields(os.Getenv("KOWELD_DPKG")) {
		t.Run(name, func(t *testing.T) {
			bin := filepath.Join(cache, "koweld/dpkg", name, "bin")
			if _, err := os.Stat(bin); err != nil {
				t.Skipf("SKIP: %v: testdata/dpkg/fetch.sh did not get it", err)
			}
			test(t, bin)
		})
	}
}

// lab is a scene whose packages and diversions are real dpkg's.
type lab struct {
	*scene
	bin, layout string
	old         string // what goes before bin on koweld's PATH
}

func newLab(t testing.TB, layout, bin string) *lab {
	l := &lab{scene: newScene(t, layout), bin: bin, layout: layout}
	l.folder(admin + "/info")
	l.folder(admin + "/updates")
	// Somebody has the top folders, or dpkg would remove a link of which it
	// removes the last file (DEP17, P9).
	const status = "Package: base-files\nStatus: install ok installed\nEssential: yes\nMaintainer: Nobody <nobody@example.org>\nArchitecture: all\nVersion: 1\nDescription: folders\n"
	require.NoError(t, os.WriteFile(l.host(admin+"/status"), []byte(status), 0o644))
	require.NoError(t, os.WriteFile(l.host(admin+"/info/base-files.list"), []byte("/.\n/bin\n/lib\n/sbin\n/usr\n/usr/bin\n/usr/lib\n/usr/sbin\n"), 0o644))
	return l
}

// run runs one of dpkg's programs in the root.
func (l *lab) run(program string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(l.bin, program), append([]string{"--root=" + l.dir}, args...)...)
	cmd.Env = []string{"PATH=" + l.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must is run of what succeeds.
func (l *lab) must(program string, args ...string) string {
	l.t.Helper()
	out, err := l.run(program, args...)
	require.NoError(l.t, err, out)
	return out
}

// koweld is one in the root, with the release's programs.
func (l *lab) koweld() *unit.System {
	return &unit.System{
		FS:   l.fs,
		Tool: tool.Exec{Environ: tool.Environ([]string{"PATH=" + l.old + ":" + l.bin + ":/usr/bin:/bin", "LANG=de_DE.UTF-8", "LC_ALL=de_DE.UTF-8"})},
		Now:  time.Now, UID: os.Geteuid(), GID: os.Getegid(),
	}
}

func (l *lab) state(wants ...divert.Want) *divert.State {
	l.t.Helper()
	st, err := l.koweld().Diversions(l.t.Context(), wants...)
	require.NoError(l.t, err)
	return st
}

func (l *lab) plan(w divert.Want) ([]divert.Step, error) { return divert.Plan(l.state(w), w) }

// carryOut does what is wanted, after which nothing is to be done.
func (l *lab) carryOut(w divert.Want) {
	l.t.Helper()
	_, err := l.koweld().Divert(l.t.Context(), []divert.Want{w}, unit.Options{})
	require.NoError(l.t, err)
	w.Instead = nil
	steps, err := l.plan(w)
	require.NoError(l.t, err)
	require.Empty(l.t, steps)
}

// refused wants what must not be done: nothing is changed.
func (l *lab) refused(w divert.Want, why divert.Reason, holder string) {
	l.t.Helper()
	before := l.tree()
	_, err := l.koweld().Divert(l.t.Context(), []divert.Want{w}, unit.Options{})
	refusedFor(l.t, err, why, holder)
	require.Equal(l.t, before, l.tree(), "a refusal changes something")
}

// tree is all below the root but dpkg's locks, with its bytes.
func (l *lab) tree() map[string]string {
	all := map[string]string{}
	require.NoError(l.t, filepath.WalkDir(l.dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(name, l.host(admin+"/lock")) {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += " " + info.ModTime().String() + " " + string(data)
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			text += " " + target
		}
		all[strings.TrimPrefix(name, l.dir)] = text
		return nil
	}))
	return all
}

// found are the kinds of the findings.
func (l *lab) found() []string {
	l.t.Helper()
	var all []string
	for _, f := range divert.Check(l.state()) {
		all = append(all, string(f.Kind))
	}
	return all
}

// deb is a package to install: names, each a file with the name, the package and
// the version in it.
type deb struct {
	name, version string
	files         []string
	conffile      string
	preinst       string
}

// install builds a package and has dpkg install it.
func (l *lab) install(d deb) (string, error) {
	l.t.Helper()
	if os.Geteuid() != 0 {
		l.t.Skip("SKIP: packages are not installed, dpkg needs root")
	}
	dir := filepath.Join(l.t.TempDir(), d.name)
	require.NoError(l.t, os.MkdirAll(filepath.Join(dir, "DEBIAN"), 0o755))
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: %s\n", d.name, d.version, d.name)
	require.NoError(l.t, os.WriteFile(filepath.Join(dir, "DEBIAN/control"), []byte(control), 0o644))
	if d.conffile != "" {
		require.NoError(l.t, os.WriteFile(filepath.Join(dir, "DEBIAN/conffiles"), []byte(d.conffile+"\n"), 0o644))
		d.files = append(d.files, d.conffile)
	}
	if d.preinst != "" {
		require.NoError(l.t, os.WriteFile(filepath.Join(dir, "DEBIAN/preinst"), []byte("#!/bin/sh\nset -e\n"+d.preinst), 0o755))
	}
	for _, name := range d.files {
		require.NoError(l.t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(l.t, os.WriteFile(filepath.Join(dir, name), []byte(d.text(name)), 0o644))
	}
	// By the host's dpkg-deb, in a format that all of them read.
	archive := dir + ".deb"
	out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", dir, archive).CombinedOutput()
	require.NoError(l.t, err, "%s", out)
	return l.run("dpkg", "--force-script-chrootless", "--force-unsafe-io", "--install", archive)
}

// text is what a file of the package has in it.
func (d deb) text(name string) string { return name + " of " + d.name + " " + d.version }

func (l *lab) mustInstall(d deb) {
	l.t.Helper()
	out, err := l.install(d)
	require.NoError(l.t, err, out)
}

// has reads a file, "" if it is not there.
func (l *lab) has(name string) string {
	data, err := os.ReadFile(l.host(name))
	if err != nil {
		require.ErrorIs(l.t, err, os.ErrNotExist)
	}
	return string(data)
}

// real is a release's dpkg-divert.
type real struct{ bin string }

func (r real) add(s *scene, d divert.Diversion) bool    { return r.run(s, divert.Step{Record: &d}) }
func (r real) remove(s *scene, d divert.Diversion) bool { return r.run(s, divert.Step{Forget: &d}) }

func (r real) run(s *scene, step divert.Step) bool {
	l := &lab{scene: s, bin: r.bin}
	_, err := l.run("dpkg-divert", step.Args(true)...)
	if err != nil {
		var exit *exec.ExitError
		require.ErrorAs(s.t, err, &exit)
	}
	records, loadErr := divert.Load(s.fs, admin)
	require.NoError(s.t, loadErr, "dpkg-divert writes what cannot be read")
	s.records = records
	return err == nil
}
