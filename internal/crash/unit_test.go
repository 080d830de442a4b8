package crash_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"koweld/assemble/modsig"
	"koweld/assemble/modsig/modsigtest"
	"koweld/internal/crash"
	"koweld/internal/dpkg"
	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/tool"
	"koweld/internal/txn"
	"koweld/internal/unit"
)

const (
	kernel  = "6.1.0-56-amd64" // of plain.ko
	modules = "/lib/modules/" + kernel
)

var (
	then = time.Date(2020, 2, 3, 4, 5, 6, 789, time.UTC) // what is there before
	now  = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
)

// system is a koweld on a file system, for a user whom its files belong to.
func system(fsx fsys.FS) *unit.System {
	return &unit.System{
		FS: fsx, Tool: crash.Depmod{FS: fsx}, Now: func() time.Time { return now },
		Arch: "amd64", Multiarch: "x86_64-linux-gnu", Procs: 1, Memory: 1 << 20,
	}
}

// recoverOnly is what each run begins with.
func recoverOnly(fsx fsys.FS) (int, error) {
	m := txn.Manager{FS: fsx, Tool: crash.Depmod{FS: fsx}, Dir: unit.StateDir + "/journal"}
	done, err := m.Recover(context.Background())
	return len(done), err
}

// repair is what an admin does next. It must leave nothing that verify finds.
func repair(fsx fsys.FS) (ended int, err error) {
	sys := system(fsx)
	sys.Observe = func(e unit.Event) {
		if e.Kind == unit.Recovered {
			ended++
		}
	}
	if _, err := sys.Repair(context.Background(), nil, unit.Options{}); err != nil {
		return ended, err
	}
	found, err := sys.Verify(context.Background(), nil)
	for _, v := range found {
		if len(v.Differences) > 0 {
			return ended, fmt.Errorf("verify finds %v", v.Differences)
		}
	}
	return ended, err
}

// A host is a disk being prepared.
type host struct {
	t *testing.T
	*faultfs.Disk
	packing
}

func newHost(t *testing.T, p packing) *host {
	h := &host{t, faultfs.NewDisk(), p}
	if p.varApart {
		h.mkdir("/var")
		require.NoError(t, h.Mount("/var"))
	}
	h.mkdir("/usr/lib")
	if p.merged {
		require.NoError(t, h.Symlink("usr/lib", "/lib"))
	} else {
		h.mkdir("/lib")
	}
	h.write(modules+"/kernel/other.ko", "not ours", 0o644)
	h.write(modules+"/modules.order", "kernel/other.ko\n", 0o644)
	h.write(modules+"/modules.builtin", "", 0o644)
	h.write("/in/signer.der", string(signer().Cert.Raw), 0o644)
	h.mkdir("/var/lib")
	return h
}

func (h *host) mkdir(name string) {
	_, err := fsys.MkdirAll(h, name, 0o755)
	require.NoError(h.t, err)
}

func (h *host) write(name, text string, perm fs.FileMode) {
	h.mkdir(path.Dir(name))
	f, err := h.Create(name, perm)
	require.NoError(h.t, err)
	_, err = f.Write([]byte(text))
	require.NoError(h.t, err)
	require.NoError(h.t, f.SetMtime(then))
	require.NoError(h.t, f.Close())
}

// index runs depmod, and all becomes durable.
func (h *host) index() *faultfs.Disk {
	_, err := crash.Depmod{FS: h}.Run(h.t.Context(), tool.Cmd{Path: "depmod", Args: []string{"-b", "/", kernel}})
	require.NoError(h.t, err)
	h.SyncAll()
	return h.Disk
}

// install installs a version of the package.
func (h *host) install(version string) {
	_, err := system(h).Install(h.t.Context(), []string{manifestOf(version)}, unit.Options{})
	require.NoError(h.t, err)
}

func manifestOf(version string) string { return "/in/" + version + "/acme.yaml" }

// module is the path of a module as it is placed.
func (h *host) module(n int) string {
	suffix := map[string]string{"none": "", "gzip": ".gz", "xz": ".xz", "zstd": ".zst"}[h.pack(n)]
	return fmt.Sprintf("%s/kernel/acme/m%d.ko%s", modules, n, suffix)
}

// declare writes a version of the package: the numbered modules and two files,
// all of which have the text in them.
func (h *host) declare(version string, numbers []int, text string, mode fs.FileMode) {
	h.declareAs("package: acme", version, numbers, text, mode)
}

// declareAs is declare with the line of the package, and others.
func (h *host) declareAs(lines, version string, numbers []int, text string, mode fs.FileMode) {
	in := "/in/" + version
	var b strings.Builder
	fmt.Fprintf(&b, "koweld: 1\n%s\nkernel: %s\nsigners: [{certificate: /in/signer.der, sha256: %s}]\nmodules:\n",
		lines, kernel, modsig.Fingerprint(signer().Cert))
	for _, n := range numbers {
		image := fmt.Sprintf("%s%s %d", plain(h.t), text, n)
		source := fmt.Sprintf("%s/m%d.ko", in, n)
		h.write(source, image, 0o644)
		h.write(source+".sig", sign(h.t, image), 0o644)
		fmt.Fprintf(&b, "  - {name: m%d, form: [{whole: %s}], image: {sha256: %x, size: %d}, signature: %s.sig, "+
			"install: kernel/acme/m%d.ko, compress: %s}\n",
			n, source, sha256.Sum256([]byte(image)), len(image), source, n, h.pack(n))
	}
	h.write(in+"/conf", text, 0o644)
	fmt.Fprintf(&b, "after: {initramfs: never}\nfiles:\n"+
		"  - {source: %s/conf, install: /usr/lib/modprobe.d/acme.conf}\n"+
		"  - {source: %s/conf, install: /etc/acme/acme.conf, mode: \"%04o\"}\n", in, in, mode)
	h.write(manifestOf(version), b.String(), 0o644)
}

// signer signs all modules; a key is made once.
var signer = sync.OnceValue(func() *modsigtest.Signer { return modsigtest.New(then) })

func sign(t *testing.T, image string) string {
	sum := sha256.Sum256([]byte(image))
	sig, err := modsig.Sign(rand.Reader, signer().Key, signer().Cert, sum[:], modsig.SignOptions{Hash: crypto.SHA256})
	require.NoError(t, err)
	return string(sig.CMS())
}

// plain is a real module; text behind it is where ELF does not look.
func plain(t *testing.T) string {
	data, err := os.ReadFile("../../testdata/acme/package/usr/lib/linux-objects/acme/6.1.0-56-amd64/plain.ko")
	require.NoError(t, err)
	return string(data)
}

// A scenario is what an admin or a maintainer script does on a host.
type scenario struct {
	name    string
	prepare func(h *host)
	run     func(sys *unit.System) error
	// between says that dpkg is in the middle of something: repair would take
	// back what it has done so far.
	between bool
	// in is the only packing that it is tried in; "" is all of them.
	in string
}

func install(version string) func(*unit.System) error {
	return func(sys *unit.System) error {
		_, err := sys.Install(context.Background(), []string{manifestOf(version)}, unit.Options{})
		return err
	}
}

// called is a call of the package's maintainer script.
func called(script, action string) func(*unit.System) error {
	return func(sys *unit.System) error {
		_, err := sys.Maintscript(context.Background(), "acme", dpkg.Call{Script: dpkg.Script(script), Action: action}, unit.Options{})
		return err
	}
}

var scenarios = []scenario{
	{
		name:    "install over nothing",
		prepare: func(h *host) { h.declare("new", []int{1, 2, 3}, "new", 0o640) },
		run:     install("new"),
	},
	{
		name: "install over an older set",
		prepare: func(h *host) {
			h.declare("old", []int{1, 2, 3}, "old", 0o600)
			h.install("old")
			h.declare("new", []int{2, 3, 4}, "new", 0o640)
		},
		run: install("new"),
	},
	{
		name: "install over unowned originals",
		prepare: func(h *host) {
			h.originals()
			h.declare("new", []int{1, 2, 3}, "new", 0o640)
		},
		run: install("new"),
	},
	{
		name: "repair",
		prepare: func(h *host) {
			h.declare("new", []int{1, 2, 3}, "new", 0o640)
			h.install("new")
			h.edit(h.module(1), func(f fsys.File) error { return f.Truncate(100) })
			h.edit(h.module(2), func(f fsys.File) error { return f.Chmod(0o600) })
			require.NoError(h.t, h.Unlink(h.module(3)))
			h.edit("/etc/acme/acme.conf", func(f fsys.File) error { return f.Chmod(0o666) })
		},
		run: func(sys *unit.System) error {
			_, err := sys.Repair(context.Background(), nil, unit.Options{})
			return err
		},
	},
	{
		name:    "remove",
		prepare: (*host).installed,
		run: func(sys *unit.System) error {
			_, err := sys.Remove(context.Background(), []string{"acme"}, unit.Options{})
			return err
		},
	},
	{
		name: "take over from another package",
		prepare: func(h *host) {
			h.originals()
			h.declare("old", []int{1, 2, 3}, "old", 0o640)
			h.install("old")
			h.declareAs("package: heir\nreplaces: [acme]", "new", []int{1, 2}, "new", 0o640)
		},
		run: install("new"),
		in:  "compressed",
	},
	{
		name:    "switch to another stream",
		prepare: func(h *host) { h.streams("heir") },
		run:     install("old"),
		between: true,
		in:      "compressed",
	},
	{
		name:    "the active stream goes",
		prepare: func(h *host) { h.streams("") },
		run:     called("prerm", "remove"),
		between: true,
		in:      "in batches",
	},
	{
		name:    "prerm remove",
		prepare: (*host).installed,
		run:     called("prerm", "remove"),
		between: true,
	},
	{
		name:    "postinst abort-remove",
		prepare: (*host).parked,
		run:     called("postinst", "abort-remove"),
		between: true,
	},
	{
		name:    "postrm remove",
		prepare: (*host).parked,
		run:     called("postrm", "remove"),
		between: true,
	},
}

func (h *host) called(script, action string) { require.NoError(h.t, called(script, action)(system(h))) }

// installed has the package over originals, and parked has prerm take it back.
func (h *host) installed() {
	h.originals()
	h.declare("new", []int{1, 2, 3}, "new", 0o640)
	h.install("new")
}

func (h *host) parked() {
	h.installed()
	h.called("prerm", "remove")
}

// streams installs two units of a group, of which acme is active, and lets the
// admin choose one.
func (h *host) streams(choice string) {
	h.originals()
	h.declareAs("package: acme\nprovides: {group: g, priority: 2}", "old", []int{1, 2, 3}, "old", 0o640)
	h.declareAs("package: heir\nprovides: {group: g, priority: 1}", "new", []int{2, 3, 4}, "new", 0o640)
	h.install("old")
	h.install("new")
	if choice != "" {
		h.write(unit.StateDir+"/selected/g", choice+"\n", 0o644)
	}
}

// originals puts files of nobody where the package's will be.
func (h *host) originals() {
	h.write(h.module(1), "an unowned module", 0o600)
	h.write("/etc/acme/acme.conf", "an unowned file", 0o604)
}

func (h *host) edit(name string, how func(fsys.File) error) {
	f, err := h.OpenAppend(name, 0)
	require.NoError(h.t, err)
	require.NoError(h.t, how(f))
	require.NoError(h.t, f.Close())
}

// A packing is how the modules are laid out and made durable.
type packing struct {
	name     string
	merged   bool // /lib is /usr/lib
	varApart bool // /var is a file system of its own
	batch    int  // see txn.Manager
	pack     func(n int) string
}

func plainly(int) string { return "none" }

var packings = []packing{
	{name: "plain", pack: plainly},
	{name: "compressed", merged: true, pack: func(n int) string { return []string{"none", "xz", "zstd", "gzip"}[n%4] }},
	{name: "in batches", batch: 1, varApart: true, pack: plainly},
}

func (s scenario) subject(h *host) crash.Subject {
	s.prepare(h)
	return crash.Subject{
		Start: h.index(), Limit: 16, Kernels: []string{kernel}, Recover: recoverOnly,
		Run: func(fsx fsys.FS) error {
			sys := system(fsx)
			sys.Batch = h.batch
			return s.run(sys)
		},
	}
}

// Each command is broken at each of its calls: by a kill, after which repair
// is run, and by a power cut.
func TestKilledCommands(t *testing.T) {
	for _, packing := range packings {
		for _, s := range scenarios {
			if s.in != "" && s.in != packing.name {
				continue
			}
			t.Run(s.name+"/"+packing.name, func(t *testing.T) {
				t.Parallel()
				subject := s.subject(newHost(t, packing))
				power := crash.New(t, subject)
				t.Log("power:", power.Power())
				if !s.between {
					subject.Recover, subject.Anew = repair, s.name == "repair"
				}
				t.Log("kill and repair:", crash.New(t, subject).Kill())
			})
		}
	}
}
