package unit_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/assemble/modsig"
	"koweld/assemble/modsig/modsigtest"
	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/tool"
	"koweld/internal/unit"
)

const kernel = "6.1.0-56-amd64" // of plain.ko

// signer signs the modules of all scenes. Keys are slow under the race
// detector, so there is one.
var signer = sync.OnceValue(func() *modsigtest.Signer { return modsigtest.New(time.Now().AddDate(-1, 0, 0)) })

// signed are the signatures made so far, by image: shrinking asks for the
// same ones again and again.
var signed sync.Map

func sign(t require.TestingT, image string) []byte {
	if sig, ok := signed.Load(image); ok {
		return sig.([]byte)
	}
	sum := sha256.Sum256([]byte(image))
	s := signer()
	sig, err := modsig.Sign(rand.Reader, s.Key, s.Cert, sum[:], modsig.SignOptions{Hash: crypto.SHA256})
	require.NoError(t, err)
	signed.Store(image, sig.CMS())
	return sig.CMS()
}

// A scene is a root on the disk.
type scene struct {
	t   require.TestingT
	dir string
	fs  *fsys.Root
}

// newScene makes a root with one kernel and its index in dir.
func newScene(t require.TestingT, dir string, merged bool) *scene {
	s := &scene{t: t, dir: dir}
	lib := "lib"
	if merged {
		lib = "usr/lib"
	}
	require.NoError(t, os.MkdirAll(s.host("/"+lib+"/modules/"+kernel), 0o755))
	for _, name := range []string{"modules.order", "modules.builtin"} {
		require.NoError(t, os.WriteFile(s.host("/"+lib+"/modules/"+kernel+"/"+name), nil, 0o644))
	}
	require.NoError(t, os.MkdirAll(s.host("/usr/lib"), 0o755))
	require.NoError(t, os.MkdirAll(s.host("/var/lib"), 0o755))
	if merged {
		require.NoError(t, os.Symlink("usr/lib", s.host("/lib")))
	}
	var err error
	s.fs, err = fsys.OpenRoot(dir)
	require.NoError(t, err)
	s.write("/in/signer.der", string(signer().Cert.Raw))
	return s
}

func (s *scene) close() { _ = s.fs.Close() }

func (s *scene) host(name string) string { return filepath.Join(s.dir, name) }

func (s *scene) write(name, text string) {
	require.NoError(s.t, os.MkdirAll(filepath.Dir(s.host(name)), 0o755))
	require.NoError(s.t, os.WriteFile(s.host(name), []byte(text), 0o644))
}

// system is a run's System on the scene; with a fault, one that meets it.
func (s *scene) system(f faultfs.Fault) (*unit.System, *faultfs.FS) {
	x := faultfs.New(s.fs, f)
	x.SkipSync = true // no power is cut here
	sys := &unit.System{
		FS: x, Tool: &tools{dir: s.dir, step: x.Step}, Trust: fsys.Trust{UID: os.Geteuid()}, Now: time.Now,
		Arch: "amd64", Multiarch: "x86_64-linux-gnu", UID: os.Geteuid(), GID: os.Getegid(),
		Procs: 1, Memory: 1 << 20,
	}
	return sys, x
}

// sound is a System that meets no fault.
func (s *scene) sound() *unit.System {
	sys, _ := s.system(faultfs.Fault{})
	return sys
}

// An item is one thing that a manifest declares.
type item struct {
	path     string // target; of a module relative to the kernel's folder
	module   bool
	text     string // its bytes; of a module what follows a real one
	mode     uint32
	compress string // of a module
}

// image is a real module with the text behind it, where ELF does not look.
func (i *item) image() string { return plain() + i.text }

var plain = sync.OnceValue(func() string {
	data, err := os.ReadFile("../../testdata/acme/package/usr/lib/linux-objects/acme/6.1.0-56-amd64/plain.ko")
	if err != nil {
		panic(err)
	}
	return string(data)
})

// target is the path of what will be placed.
func (i *item) target() string {
	if !i.module {
		return i.path
	}
	suffix := map[string]string{"none": "", "gzip": ".gz", "xz": ".xz", "zstd": ".zst"}[i.compress]
	return "/lib/modules/" + kernel + "/" + i.path + suffix
}

// declare writes the manifest of a package, with its inputs, and returns its
// path. version tells two manifests of a package apart; keys are further lines.
func (s *scene) declare(pkg, version string, items []item, keys ...string) string {
	in := "/in/" + pkg + "/" + version
	var modules, files strings.Builder
	for n, i := range items {
		source := fmt.Sprintf("%s/%d", in, n)
		if !i.module {
			s.write(source, i.text)
			fmt.Fprintf(&files, "  - {source: %s, install: %s, mode: %q}\n", source, i.path, fmt.Sprintf("%04o", i.mode))
			continue
		}
		s.write(source, i.image())
		s.write(source+".sig", string(sign(s.t, i.image())))
		name := strings.TrimSuffix(filepath.Base(i.path), ".ko")
		fmt.Fprintf(&modules, "  - name: %s\n    form: [{whole: %s}]\n    image: {sha256: %x, size: %d}\n"+
			"    signature: %s.sig\n    install: %s\n    compress: %s\n",
			name, source, sha256.Sum256([]byte(i.image())), len(i.image()), source, i.path, i.compress)
	}
	text := fmt.Sprintf("koweld: 1\npackage: %s\nkernel: %s\n", pkg, kernel)
	if modules.Len() > 0 {
		text += fmt.Sprintf("signers: [{certificate: /in/signer.der, sha256: %s}]\n", modsig.Fingerprint(signer().Cert))
		text += "modules:\n" + modules.String() + "after: {initramfs: never}\n"
	}
	if files.Len() > 0 {
		text += "files:\n" + files.String()
	}
	for _, key := range keys {
		text += key + "\n"
	}
	name := in + ".yaml"
	s.write(name, text)
	return name
}

// tree lists what is in the root: of each entry its type, mode and owner, of
// files the bytes, the time and the user's attributes. Inputs are left out, and
// the lock, which is none of the result.
func (s *scene) tree() []string {
	var lines []string
	require.NoError(s.t, filepath.WalkDir(s.dir, func(host string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(host, s.dir), "/")
		switch name {
		case "/in":
			return filepath.SkipDir
		case "/var/lib/koweld/lock":
			return nil
		}
		var st unix.Stat_t
		if err := unix.Lstat(host, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%s %o %d:%d", name, st.Mode, st.Uid, st.Gid)
		if e.Type().IsRegular() {
			data, err := os.ReadFile(host)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", sha256.Sum256(data))
			if !strings.HasPrefix(filepath.Base(name), "modules.") {
				line += fmt.Sprintf(" @%d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
			}
			buf := make([]byte, 1024)
			if n, err := unix.Lgetxattr(host, attribute, buf); err == nil {
				line += fmt.Sprintf(" %q", buf[:n])
			} else if !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
				return err
			}
		}
		lines = append(lines, line)
		return nil
	}))
	return lines
}

const attribute = "user.note"

// tools stands for depmod: it indexes every module by name, through a rename as
// the real one does. There is no other program.
type tools struct {
	dir  string
	step func(name string) error
}

func (d *tools) Look(name string) (string, error) {
	if name != "depmod" {
		return "", &tool.MissingError{Name: name}
	}
	return name, nil
}

func (d *tools) Run(_ context.Context, c tool.Cmd) (tool.Result, error) {
	if _, err := d.Look(c.Path); err != nil {
		return tool.Result{}, err
	}
	if err := d.step(c.Path); err != nil {
		return tool.Result{}, &tool.FailedError{Cmd: c, Code: -1, Err: err}
	}
	return tool.Result{}, index(d.dir)
}

// index writes modules.dep.
func index(dir string) error {
	folder, err := filepath.EvalSymlinks(filepath.Join(dir, "lib/modules", kernel))
	if err != nil {
		return err
	}
	var lines []string
	err = filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.Contains(e.Name(), ".ko") {
			lines = append(lines, strings.TrimPrefix(name, folder+"/")+":\n")
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(lines)
	temporary := filepath.Join(folder, "modules.dep.new")
	if err := os.WriteFile(temporary, []byte(strings.Join(lines, "")), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(folder, "modules.dep"))
}

func (s *scene) ctx() context.Context { return context.Background() }
