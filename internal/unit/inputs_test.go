package unit_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/store"
	"koweld/internal/tool"
	"koweld/internal/unit"
	"koweld/manifest"
)

// The packages of the three-package scene, and what is in them.
const (
	modulesPkg    = "linux-modules-acme-6.1.0-56-amd64"
	objectsPkg    = "linux-objects-acme-6.1.0-56-amd64"
	signaturesPkg = "linux-signatures-acme-6.1.0-56-amd64"
	objectsDir    = "/usr/lib/linux-objects/acme/6.1.0-56-amd64/"
	signaturesDir = "/usr/lib/linux-signatures/acme/6.1.0-56-amd64/"
	scratch       = "/var/scratch"
)

// newAcme is a scene with the inputs of testdata/acme, its manifest, and its
// kernel. There is no linker: its recipes form the modules.
func newAcme(t *testing.T) (*scene, *manifest.Manifest) {
	s := newScene(t, t.TempDir(), true)
	t.Cleanup(s.close)
	require.NoError(t, os.CopyFS(s.dir, os.DirFS("../../testdata/acme/package")))
	m, err := s.sound().Load(modulesPkg)
	require.NoError(t, err)
	s.write("/usr/lib/modules/"+m.Kernel+"/modules.order", "")
	s.write("/usr/lib/modules/"+m.Kernel+"/modules.builtin", "")
	return s, m
}

// spoil changes the last byte of a file, and nothing that a look at it shows.
func (s *scene) spoil(names ...string) {
	for _, name := range names {
		info, err := os.Stat(s.host(name))
		require.NoError(s.t, err)
		data, err := os.ReadFile(s.host(name))
		require.NoError(s.t, err)
		data[len(data)-1] ^= 1
		require.NoError(s.t, os.WriteFile(s.host(name), data, 0o644))
		require.NoError(s.t, os.Chtimes(s.host(name), time.Time{}, info.ModTime()))
	}
}

func (s *scene) delete(names ...string) {
	for _, name := range names {
		require.NoError(s.t, os.Remove(s.host(name)))
	}
}

func TestInputsAgreeOrNot(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(s *scene)
		state unit.InputState
		err   string
	}{
		{"as they were built", func(*scene) {}, unit.InputsAgree, ""},
		{"touched", func(s *scene) {
			require.NoError(s.t, os.Chtimes(s.host(objectsDir+"core.o"), time.Time{}, time.Unix(1, 0)))
		}, unit.InputsAgree, ""},
		{"without what no way needs", func(s *scene) { s.delete(objectsDir + "acme.lds") }, unit.InputsAgree, ""},
		{
			"another object", func(s *scene) { s.spoil(objectsDir + "core.o") }, unit.InputsDiffer,
			objectsDir + "core.o: it is not what the recipe was made from: its digest is ",
		},
		{
			"other objects", func(s *scene) { s.spoil(objectsDir+"core.o", objectsDir+"acme.mod.o") }, unit.InputsDiffer,
			" (also " + objectsDir + "acme.mod.o)",
		},
		{
			"another whole module", func(s *scene) { s.spoil(objectsDir + "plain.ko") }, unit.InputsDiffer,
			objectsDir + "plain.ko: image digest ",
		},
		{
			"another signature", func(s *scene) { s.spoil(signaturesDir + "acme.ko.sig") }, unit.InputsDiffer,
			signaturesDir + "acme.ko.sig: ",
		},
		{
			"another certificate", func(s *scene) {
				require.NoError(s.t, os.WriteFile(s.host(signaturesDir+"signer.pem"), signer().Cert.Raw, 0o644))
			}, unit.InputsDiffer, signaturesDir + "signer.pem: its fingerprint ",
		},
		{"no object", func(s *scene) { s.delete(objectsDir + "core.o") }, unit.InputsGone, objectsDir + "core.o is not there"},
		{"no recipe", func(s *scene) { s.delete(objectsDir + "acme.recipe") }, unit.InputsGone, objectsDir + "acme.recipe is not there"},
		{"no signature", func(s *scene) { s.delete(signaturesDir + "plain.ko.sig") }, unit.InputsGone, signaturesDir + "plain.ko.sig is not there"},
		{"no certificate", func(s *scene) { s.delete(signaturesDir + "signer.pem") }, unit.InputsGone, signaturesDir + "signer.pem is not there"},
		{"no source", func(s *scene) { s.delete(objectsDir + "acme.conf") }, unit.InputsGone, objectsDir + "acme.conf is not there"},
		{
			"no objects at all", func(s *scene) { require.NoError(s.t, os.RemoveAll(s.host("/usr/lib/linux-objects"))) },
			unit.InputsGone, objectsDir + "acme.conf is not there (also 9 other files)",
		},
		{
			"a file where their folder was", func(s *scene) {
				require.NoError(s.t, os.RemoveAll(s.host("/usr/lib/linux-objects")))
				s.write("/usr/lib/linux-objects", "")
			}, unit.InputsGone, objectsDir + "acme.conf is not there (also 9 other files)",
		},
		{
			"an object that others may write", func(s *scene) { require.NoError(s.t, os.Chmod(s.host(objectsDir+"core.o"), 0o666)) },
			unit.InputsUnknown, "cannot trust " + objectsDir + "core.o",
		},
		{
			"a source that others may write", func(s *scene) { require.NoError(s.t, os.Chmod(s.host(objectsDir+"acme.conf"), 0o666)) },
			unit.InputsUnknown, "cannot place /usr/lib/modprobe.d/acme.conf: cannot trust ",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, m := newAcme(t)
			tt.spoil(s)
			before := s.tree()
			a := s.sound().Agreement(t.Context(), m, nil, scratch)
			assert.Equal(t, tt.state, a.State)
			assert.Len(t, a.Fingerprint, 64)
			if tt.err == "" {
				assert.NoError(t, a.Err)
			} else {
				assert.ErrorContains(t, a.Err, tt.err)
			}
			var blamed *unit.InputsError
			assert.Equal(t, tt.state == unit.InputsGone || tt.state == unit.InputsDiffer, errors.As(a.Err, &blamed))
			assert.Equal(t, before, s.tree(), "nothing is placed")

			// Without a place for a linker's files, only a look is taken. It
			// does not show that there is no linker.
			a = s.sound().Agreement(t.Context(), m, nil, "")
			if tt.state == unit.InputsGone && tt.name != "no recipe" {
				assert.Equal(t, unit.InputsGone, a.State)
				assert.ErrorContains(t, a.Err, tt.err)
			} else {
				assert.Equal(t, unit.InputsUnknown, a.State)
				assert.NoError(t, a.Err)
			}
		})
	}
}

func TestInputsThatAreRecordedAreOnlyLookedAt(t *testing.T) {
	s, m := newAcme(t)
	fingerprint, err := s.sound().Fingerprint(m)
	require.NoError(t, err)
	record := &store.Record{Inputs: fingerprint, Manifest: store.Manifest{SHA256: m.SHA256}}
	state := func(r *store.Record) unit.InputState { return s.sound().Agreement(t.Context(), m, r, scratch).State }

	s.spoil(objectsDir + "core.o") // which reading would show
	assert.Equal(t, unit.InputsAgree, state(record))
	assert.Equal(t, unit.InputsAgree, s.sound().Agreement(t.Context(), m, record, "").State)
	assert.Equal(t, unit.InputsDiffer, state(nil))
	assert.Equal(t, unit.InputsDiffer, state(&store.Record{Manifest: record.Manifest}), "a record of before")
	assert.Equal(t, unit.InputsDiffer, state(&store.Record{Inputs: fingerprint}), "of another manifest")

	again, err := s.sound().Fingerprint(m)
	require.NoError(t, err)
	assert.Equal(t, fingerprint, again)
	require.NoError(t, os.Chtimes(s.host(objectsDir+"core.o"), time.Time{}, time.Unix(6, 6)))
	assert.Equal(t, unit.InputsDiffer, state(record), "of other times")
	for what, change := range map[string]func(name string){
		"time": func(name string) {
			require.NoError(t, os.Chtimes(s.host(name), time.Time{}, time.Unix(7, 7)))
		},
		"size": func(name string) {
			info, err := os.Stat(s.host(name))
			require.NoError(t, err)
			require.NoError(t, os.Truncate(s.host(name), info.Size()+1))
			require.NoError(t, os.Chtimes(s.host(name), time.Time{}, info.ModTime()))
		},
		"gone": func(name string) { s.delete(name) },
	} {
		for _, name := range []string{objectsDir + "glue.o", signaturesDir + "plain.ko.sig", objectsDir + "acme.conf", objectsDir + "acme.lds"} {
			before, err := s.sound().Fingerprint(m)
			require.NoError(t, err)
			data, err := os.ReadFile(s.host(name))
			require.NoError(t, err)
			change(name)
			after, err := s.sound().Fingerprint(m)
			require.NoError(t, err)
			assert.NotEqual(t, before, after, "%s of %s", what, name)
			s.write(name, string(data))
		}
	}
}

func TestInputsThatCannotBeLookedAtAreNotKnown(t *testing.T) {
	s, m := newAcme(t)
	sys, _ := s.system(faultfs.Error(1, unix.EIO))
	a := sys.Agreement(t.Context(), m, nil, scratch)
	assert.Equal(t, unit.InputsUnknown, a.State)
	assert.Empty(t, a.Fingerprint)
	assert.ErrorIs(t, a.Err, unix.EIO)
	sys, _ = s.system(faultfs.Error(1, unix.EIO))
	_, err := sys.Fingerprint(m)
	assert.ErrorContains(t, err, "cannot look at the inputs of "+modulesPkg+": ")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(os.ErrDeadlineExceeded)
	a = s.sound().Agreement(ctx, m, nil, scratch)
	assert.Equal(t, unit.InputsUnknown, a.State)
	assert.ErrorIs(t, a.Err, os.ErrDeadlineExceeded)
}

// A debian is a package in dpkg's database.
type debian struct {
	name, version string
	status        string // "" is installed
	depends       string
	files         []string
	conffile      string // one of the files
}

// debians writes dpkg's database of the scene, and has the real dpkg-query asked.
func (s *scene) debians(t *testing.T, pkgs ...debian) *unit.System {
	t.Helper()
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("SKIP: nobody says whose inputs are, dpkg-query is not installed")
	}
	const db = "/var/lib/dpkg"
	require.NoError(t, os.MkdirAll(s.host(db+"/updates"), 0o755))
	s.write(db+"/info/format", "1\n")
	var status strings.Builder
	for _, p := range pkgs {
		state := "install ok installed"
		if p.status != "" {
			state = p.status
		}
		fmt.Fprintf(&status, "Package: %s\nStatus: %s\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: x\nVersion: %s\n", p.name, state, p.version)
		if p.depends != "" {
			status.WriteString("Depends: " + p.depends + "\n")
		}
		if p.conffile != "" {
			status.WriteString("Conffiles:\n " + p.conffile + " d41d8cd98f00b204e9800998ecf8427e\n")
		}
		status.WriteString("\n")
		s.write(db+"/info/"+p.name+".list", strings.Join(append([]string{"/."}, p.files...), "\n")+"\n")
	}
	s.write(db+"/status", status.String())
	sys := s.sound()
	sys.Tool = askingDpkg{sys.Tool, tool.Exec{Environ: tool.Environ(os.Environ())}}
	return sys
}

type askingDpkg struct {
	tool.Runner
	real tool.Exec
}

func (a askingDpkg) Run(ctx context.Context, c tool.Cmd) (tool.Result, error) {
	if c.Path == "dpkg-query" {
		return a.real.Run(ctx, c)
	}
	return a.Runner.Run(ctx, c)
}

// all are the files below a folder.
func (s *scene) all(dir string) []string {
	var names []string
	entries, err := os.ReadDir(s.host(dir))
	require.NoError(s.t, err)
	for _, e := range entries {
		names = append(names, dir+e.Name())
	}
	return names
}

func TestThreePackagesOfDifferentVersions(t *testing.T) {
	var objects, signatures []string
	{
		s, _ := newAcme(t)
		objects, signatures = s.all(objectsDir), s.all(signaturesDir)
	}
	// The versions of the three, and what ties the modules to the others.
	three := func(modules, objs, sigs string) []debian {
		return []debian{
			{name: modulesPkg, version: modules, status: "install ok half-configured", depends: fmt.Sprintf("kmod, %s (= %s), %s (= %s)", objectsPkg, modules, signaturesPkg, modules)},
			{name: objectsPkg, version: objs, files: objects},
			{name: signaturesPkg, version: sigs, files: signatures},
			{name: "kmod", version: "30"},
		}
	}
	without := func(pkgs []debian, i int) []debian { return append(pkgs[:i:i], pkgs[i+1:]...) }
	with := func(pkgs []debian, i int, change func(*debian)) []debian {
		change(&pkgs[i])
		return pkgs
	}
	core, glue, sig := objectsDir+"core.o", objectsDir+"glue.o", signaturesDir+"acme.ko.sig"
	tests := []struct {
		name  string
		pkgs  []debian
		spoil func(s *scene)
		state unit.InputState
		err   string // behind "cannot form "; a star stands for digests
		hint  string
	}{
		{
			name: "older objects", pkgs: three("2.0", "1.0", "2.0"), spoil: func(s *scene) { s.spoil(core) },
			state: unit.InputsDiffer,
			err:   modulesPkg + " 2.0: " + core + " is of " + objectsPkg + " 1.0; " + modulesPkg + " 2.0 needs " + objectsPkg + " (= 2.0)",
			hint:  "apt-get install " + objectsPkg + "=2.0",
		},
		{
			name: "newer objects", pkgs: three("1.0", "2.0", "1.0"), spoil: func(s *scene) { s.spoil(core, glue) },
			state: unit.InputsDiffer,
			err:   modulesPkg + " 1.0: " + core + " is of " + objectsPkg + " 2.0 (also " + glue + "); " + modulesPkg + " 1.0 needs " + objectsPkg + " (= 1.0)",
			hint:  "upgrade " + modulesPkg + ", or apt-get install " + objectsPkg + "=1.0",
		},
		{
			name: "older signatures", pkgs: three("2.0", "2.0", "1.0"), spoil: func(s *scene) { s.spoil(sig) },
			state: unit.InputsDiffer,
			err:   modulesPkg + " 2.0: " + sig + " is of " + signaturesPkg + " 1.0; " + modulesPkg + " 2.0 needs " + signaturesPkg + " (= 2.0)",
			hint:  "apt-get install " + signaturesPkg + "=2.0",
		},
		{
			name: "a newer manifest", pkgs: three("2.0", "1.0", "1.0"), spoil: func(s *scene) { s.spoil(core) },
			state: unit.InputsDiffer,
			err: modulesPkg + " 2.0: " + core + " is of " + objectsPkg + " 1.0; " +
				modulesPkg + " 2.0 needs " + objectsPkg + " (= 2.0), and " + signaturesPkg + " (= 2.0) where 1.0 is installed",
			hint: "apt-get install " + objectsPkg + "=2.0 " + signaturesPkg + "=2.0",
		},
		{
			name: "a range", pkgs: with(three("2.0", "1.0", "2.0"), 0, func(d *debian) { d.depends = objectsPkg + " (>= 2.0~)" }),
			spoil: func(s *scene) { s.spoil(core) }, state: unit.InputsDiffer,
			err:  modulesPkg + " 2.0: " + core + " is of " + objectsPkg + " 1.0; " + modulesPkg + " 2.0 needs " + objectsPkg + " (>= 2.0~)",
			hint: "apt-get install " + objectsPkg,
		},
		{
			name: "nothing ties them", pkgs: with(three("2.0", "1.0", "2.0"), 0, func(d *debian) { d.depends = objectsPkg }),
			spoil: func(s *scene) { s.spoil(core) }, state: unit.InputsDiffer,
			err:  modulesPkg + " 2.0: " + core + " of " + objectsPkg + " 1.0: it is not what the recipe was made from: its digest is * instead of *",
			hint: "apt-get install --reinstall " + objectsPkg,
		},
		{
			name: "damaged", pkgs: three("2.0", "2.0", "2.0"), spoil: func(s *scene) { s.spoil(core) },
			state: unit.InputsDiffer,
			err:   modulesPkg + " 2.0: " + core + " of " + objectsPkg + " 2.0: it is not what the recipe was made from: its digest is * instead of *",
			hint:  "apt-get install --reinstall " + objectsPkg,
		},
		{
			name: "objects removed", pkgs: with(three("2.0", "2.0", "2.0"), 1, func(d *debian) { d.status, d.files = "deinstall ok config-files", nil }),
			spoil: func(s *scene) { s.delete(objects...) }, state: unit.InputsGone,
			err:  modulesPkg + " 2.0: " + objects[0] + " is not there (also 9 other files); " + modulesPkg + " 2.0 needs " + objectsPkg + " (= 2.0), which is not installed",
			hint: "apt-get install " + objectsPkg + "=2.0",
		},
		{
			name: "objects purged", pkgs: without(three("2.0", "2.0", "2.0"), 1),
			spoil: func(s *scene) { s.delete(core) }, state: unit.InputsGone,
			err:  modulesPkg + " 2.0: " + core + " is not there; " + modulesPkg + " 2.0 needs " + objectsPkg + " (= 2.0), which is not installed",
			hint: "apt-get install " + objectsPkg + "=2.0",
		},
		{
			name: "objects half-installed", pkgs: with(three("2.0", "2.0", "2.0"), 1, func(d *debian) { d.status, d.files = "install reinstreq half-installed", nil }),
			spoil: func(s *scene) { s.delete(core) }, state: unit.InputsGone,
			err:  modulesPkg + " 2.0: " + core + " is not there; " + modulesPkg + " 2.0 needs " + objectsPkg + " (= 2.0), which is half-installed",
			hint: "apt-get install " + objectsPkg + "=2.0",
		},
		{
			name: "excluded or damaged", pkgs: three("2.0", "2.0", "2.0"), spoil: func(s *scene) { s.delete(core, sig) },
			state: unit.InputsGone,
			err: modulesPkg + " 2.0: " + core + " is listed by package " + objectsPkg + " 2.0 but not there: excluded or damaged; " +
				sig + " is listed by package " + signaturesPkg + " 2.0 but not there: excluded or damaged",
			hint: "apt-get install --reinstall " + objectsPkg + " " + signaturesPkg + ", and let no path-exclude of dpkg.cfg(5) drop it",
		},
		{
			name: "an aliased name in dpkg's list", pkgs: with(three("2.0", "2.0", "2.0"), 1, func(d *debian) { d.files = []string{strings.TrimPrefix(core, "/usr")} }),
			spoil: func(s *scene) { s.delete(core) }, state: unit.InputsGone,
			err:  modulesPkg + " 2.0: " + core + " is listed by package " + objectsPkg + " 2.0 but not there: excluded or damaged",
			hint: "apt-get install --reinstall " + objectsPkg + ", and let no path-exclude of dpkg.cfg(5) drop it",
		},
		{
			name: "no package ships it any more", pkgs: with(three("2.0", "2.0", "2.0"), 1, func(d *debian) { d.files = nil }),
			spoil: func(s *scene) { s.delete(core) }, state: unit.InputsGone,
			err:  modulesPkg + " 2.0: " + core + " is not there",
			hint: "install the package that ships " + core + ", in the version that belongs to " + modulesPkg + " 2.0",
		},
		{
			name: "not of dpkg's", pkgs: nil, spoil: func(s *scene) { s.delete(core) }, state: unit.InputsGone,
			err:  modulesPkg + ": " + core + " is not there",
			hint: "install again the packages of " + core + " and of the manifest",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, m := newAcme(t)
			tt.spoil(s)
			a := s.debians(t, tt.pkgs...).Agreement(t.Context(), m, nil, scratch)
			assert.Equal(t, tt.state, a.State)
			var e *unit.InputsError
			require.ErrorAs(t, a.Err, &e)
			assert.Equal(t, "cannot form "+tt.err, digests.ReplaceAllString(e.Error(), "*"))
			assert.Equal(t, tt.hint, e.Hint())
		})
	}
}

var digests = regexp.MustCompile(`[0-9a-f]{64}`)

// An install that fails says the same.
func TestBlameExplainsAFailedInstall(t *testing.T) {
	s, m := newAcme(t)
	sys := s.debians(t, debian{name: objectsPkg, version: "1.0", files: s.all(objectsDir)})
	install := func() error {
		_, err := sys.Install(t.Context(), []string{modulesPkg}, unit.Options{})
		require.Error(t, err)
		return sys.Blame(t.Context(), m, err)
	}
	require.NoError(t, os.Truncate(s.host(objectsDir+"glue.o"), 1))
	s.delete(objectsDir+"core.o", objectsDir+"plain.ko")
	err := install()
	var e *unit.InputsError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, unit.InputsDiffer, e.State())
	assert.Regexp(t, "^cannot form "+modulesPkg+": "+objectsDir+"core.o is listed by package "+objectsPkg+
		" 1.0 but not there: excluded or damaged \\(also "+objectsDir+"plain.ko\\); "+
		objectsDir+"glue.o of "+objectsPkg+" 1.0: it is not what the recipe was made from: it has 1 bytes instead of ", err.Error())
	assert.ErrorIs(t, err, fs.ErrNotExist, "what the install said is there")

	s, m = newAcme(t)
	sys = s.debians(t)
	s.delete(objectsDir + "acme.conf")
	err = install()
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.NotErrorAs(t, err, new(*unit.InputsError), "dpkg knows nothing of it")

	s.write(objectsDir+"acme.conf", "")
	require.NoError(t, os.Chmod(s.host(objectsDir+"core.o"), 0o666))
	assert.ErrorAs(t, install(), new(*fsys.TrustError))
	other := errors.New("other")
	assert.Equal(t, other, sys.Blame(t.Context(), m, other))
	assert.NoError(t, sys.Blame(t.Context(), m, nil))
}
