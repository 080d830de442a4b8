package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// hostileScenes is how many roots are tried.
func hostileScenes() int {
	switch os.Getenv("KOWELD_TEST") {
	case "full":
		return 250
	case "all":
		return 1000
	}
	return 40
}

// batchCommands are run on each root, in this order; {} is the root.
var batchCommands = [][]string{
	{"lint", "{}/acme.yaml"},
	{"install", acmePackage},
	{"install", "{}/acme.yaml"},
	{"status"},
	{"verify"},
	{"repair", "--all"},
	{"remove", acmePackage},
	{"repair", "--all"},
}

const acmeManifest = "/usr/share/koweld/manifests/" + acmePackage + ".yaml"

// batch runs batchCommands on each root that standard input names, in this one
// process: it is traced, and to start strace for each of them takes minutes. It
// marks the trace with a chdir that fails, and says on standard output at which
// root it is and how the runs ended.
func batch() {
	roots := bufio.NewScanner(os.Stdin)
	for roots.Scan() {
		root := roots.Text()
		fmt.Println("at", root)
		_ = os.Chdir("/koweld-at" + root)
		var codes []string
		for _, c := range batchCommands {
			args := []string{"--root", root}
			for _, arg := range c {
				args = append(args, strings.ReplaceAll(arg, "{}", root))
			}
			var said bytes.Buffer
			code := run(args, strings.NewReader(""), &said, &said, os.Environ())
			codes = append(codes, fmt.Sprint(code))
			if os.Getenv("KOWELD_BATCH_SAYS") != "" {
				fmt.Fprintf(os.Stderr, "%v: %d\n%s", args, code, &said)
			}
		}
		_ = os.Chdir("/koweld-end")
		fmt.Println("codes", strings.Join(codes, " "))
	}
}

// TestNothingOutsideTheRoot lets koweld work on roots that are made to lead it
// out: links of every form in the place of folders and files, manifests that
// name what is outside, mounts, and folders that become links and folders again
// while it runs. The judge is strace: whatever koweld, ld, depmod and dpkg-query
// open lies below the root, or in a short list of what a program needs to run.
//
// Programs find folders by name, as the host does: koweld looks before it runs
// one, and cannot keep root from swapping a folder after that. Such calls are
// counted and are no failure; those of koweld itself are.
func TestNothingOutsideTheRoot(t *testing.T) {
	program, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("the system calls are not judged, there is no strace")
	}
	if out, err := exec.Command(program, "-f", "-qq", "--seccomp-bpf", "-e", "trace=chdir", "true").CombinedOutput(); err != nil {
		t.Skipf("the system calls are not judged, strace does not work: %v %s", err, out)
	}
	base := t.TempDir()
	if dir := memoryDir(t); dir != "" {
		base = dir
	}
	base, err = filepath.EvalSymlinks(base)
	require.NoError(t, err)
	mounts := os.Geteuid() == 0 && mayMount()

	var scenes []*hostileScene
	var roots bytes.Buffer
	byRoot := map[string]*hostileScene{}
	for n := range hostileScenes() {
		s := newHostileScene(t, filepath.Join(base, fmt.Sprint(n)), uint64(n), mounts)
		scenes = append(scenes, s)
		byRoot[s.root] = s
		fmt.Fprintln(&roots, s.root)
	}

	self, err := exec.LookPath("koweld-batch")
	require.NoError(t, err)
	log := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(program, "-f", "-qq", "-y", "-s", "4096", "--seccomp-bpf",
		"-e", "trace=%file,fchdir", "-e", "signal=none", "-o", log, self)
	cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	cmd.Stdin, cmd.Stderr = &roots, os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	codes := map[string]int{}
	stop := func() {}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		stop()
		stop = func() {}
		switch word {
		case "at":
			stop = byRoot[rest].swapping()
		case "codes":
			for n, code := range strings.Fields(rest) {
				codes[batchCommands[n][0]+" "+code]++
			}
		}
	}
	stop()
	require.NoError(t, cmd.Wait())

	for _, s := range scenes {
		// Where folders were swapped a program may have been led out: there
		// the trace alone judges, and koweld's own calls.
		if len(s.swaps) == 0 {
			assert.Equal(t, s.outside, contents(t, s.outsideDir()), "what is outside was changed: %s", s)
		}
	}
	trace, err := os.Open(log)
	require.NoError(t, err)
	defer trace.Close()
	j := newJudge()
	require.NoError(t, j.read(trace))
	raced, failed := 0, 0
	for n, v := range j.violations {
		s := byRoot[j.roots[n]]
		if len(s.swaps) > 0 && !strings.HasPrefix(v, "koweld ") {
			raced++
			continue
		}
		if failed++; failed <= 20 {
			t.Errorf("%s\n%s", s, v)
		}
	}
	assert.Zero(t, failed, "calls that leave the root")
	t.Logf("%d roots, %d calls judged; programs: %v; exit codes: %v", len(scenes), j.calls, j.programs, codes)
	t.Logf("%d calls of programs were led out by a folder swapped after koweld had looked", raced)
	assert.Equal(t, len(scenes), j.scenes)
	for _, code := range []string{"install 0", "install 1", "remove 0", "verify 0"} {
		assert.NotZero(t, codes[code], "%s: the roots are not what they were meant to be", code)
	}
}

// A hostileScene is a root and, beside it, what nothing may touch.
type hostileScene struct {
	dir, root string
	tricks    []string
	swaps     []string // folders that become links out while koweld runs
	outside   map[string]string
	rng       *rand.Rand
}

func (s *hostileScene) String() string {
	return filepath.Base(s.dir) + ": " + strings.Join(s.tricks, "; ") + "; swapped: " + strings.Join(s.swaps, ", ")
}

func (s *hostileScene) outsideDir() string { return filepath.Join(s.dir, "outside") }

// hostileFolders are those that koweld walks through, below the root.
var hostileFolders = []string{
	"lib/modules", "lib/modules/" + acmeKernel, "lib/modules/" + acmeKernel + "/kernel", "lib/modules/" + acmeKernel + "/updates",
	"usr/lib", "usr/lib/modprobe.d", "usr/lib/linux-objects", "usr/lib/linux-objects/acme/" + acmeKernel,
	"usr/lib/linux-signatures/acme", "usr/share/koweld", "usr/share/koweld/manifests",
	"var/lib", "var/lib/koweld", "var/lib/koweld/packages", "var/lib/koweld/journal", "var/lib/koweld/scratch", "var/lib/koweld/saved",
	"var/lib/dpkg", "var/lib/dpkg/info",
}

// hostileFiles are those that koweld or its tools read or write.
var hostileFiles = []string{
	"lib/modules/" + acmeKernel + "/modules.order", "lib/modules/" + acmeKernel + "/modules.builtin",
	"lib/modules/" + acmeKernel + "/modules.dep", "lib/modules/" + acmeKernel + "/kernel/acme/acme.ko",
	"lib/modules/" + acmeKernel + "/updates/plain.ko", "lib/modules/" + acmeKernel + "/extra/other.ko",
	"usr/lib/modprobe.d/acme.conf", "usr/lib/linux-objects/acme/" + acmeKernel + "/plain.ko",
	"usr/lib/linux-objects/acme/" + acmeKernel + "/core.o", "usr/lib/linux-objects/acme/" + acmeKernel + "/acme.lds",
	"usr/lib/linux-signatures/acme/" + acmeKernel + "/signer.pem", "usr/lib/linux-signatures/acme/" + acmeKernel + "/plain.ko.sig",
	"usr/share/koweld/manifests/" + acmePackage + ".yaml",
	"var/lib/koweld/lock", "var/lib/koweld/packages/" + acmePackage + ".json", "var/lib/dpkg/status",
}

// manifestEdits turn a manifest into one that asks for what it must not have.
var manifestEdits = [][2]string{
	{"objects: /usr/lib/", "objects: /usr/lib/../../../outside/"},
	{"objects: /usr/lib/", "objects: /outside/"},
	{"install: kernel/acme/acme.ko", "install: ../../../../outside/acme.ko"},
	{"install: /usr/lib/modprobe.d/acme.conf", "install: /out/acme.conf"},
	{"install: /usr/lib/modprobe.d/acme.conf", "install: /usr/lib/modprobe.d/../../../../outside/acme.conf"},
	{"source: acme.conf", "source: /out/canary"},
	{"source: acme.conf", "source: ../../../../../../outside/canary"},
	{"certificate: signer.pem", "certificate: /out/canary"},
	{"script: acme.lds", "script: /out/canary"},
	{"whole: plain.ko", "whole: /out/plain.ko"},
	{"objects: [core.o, glue.o]", "objects: [/out/core.o, glue.o]"},
	{"recipe: acme.recipe", "recipe: /out/canary"},
	{"inputs: [core.o", "inputs: [/out/core.o"},
}

// newHostileScene makes a scene. The same seed gives the same one.
func newHostileScene(t *testing.T, dir string, seed uint64, mounts bool) *hostileScene {
	s := &hostileScene{dir: dir, root: filepath.Join(dir, "root"), rng: rand.New(rand.NewPCG(seed, 3))}
	acmeRoot(t, s.root)
	for _, folder := range []string{"kernel", "updates", "extra"} {
		require.NoError(t, os.Mkdir(filepath.Join(s.root, "usr/lib/modules", acmeKernel, folder), 0o755))
	}
	for _, folder := range []string{"info", "updates"} {
		require.NoError(t, os.MkdirAll(filepath.Join(s.root, "var/lib/dpkg", folder), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.root, "var/lib/dpkg/status"), nil, 0o644))
	// Outside is all that could be followed into, whatever it is a link to:
	// the same tree again, and files by the names that the links have.
	require.NoError(t, copyTree("../../testdata/acme/package", s.outsideDir()))
	require.NoError(t, os.MkdirAll(filepath.Join(s.outsideDir(), "modules", acmeKernel), 0o755))
	for _, name := range []string{"canary", "info/canary", "modules/" + acmeKernel + "/other.ko"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(s.outsideDir(), name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(s.outsideDir(), name), []byte("secret"), 0o644))
	}
	require.NoError(t, os.Symlink(s.outsideDir(), filepath.Join(s.root, "out")))
	if s.rng.IntN(2) == 0 { // ld, or nobody, goes where the objects are
		require.NoError(t, dropRecipes(s.root))
	}
	// A path on the command line is the caller's, who finds it as the host
	// does: this one is led nowhere.
	text, err := os.ReadFile(filepath.Join(s.root, acmeManifest))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.root, "acme.yaml"), text, 0o644))

	for range s.rng.IntN(4) {
		s.trick(t, mounts)
	}
	if s.rng.IntN(3) == 0 {
		for range 1 + s.rng.IntN(2) {
			s.swaps = append(s.swaps, s.pick(hostileFolders))
		}
	}
	s.outside = contents(t, s.outsideDir())
	return s
}

func (s *hostileScene) pick(list []string) string { return list[s.rng.IntN(len(list))] }

// trick changes one thing of the root.
func (s *hostileScene) trick(t *testing.T, mounts bool) {
	switch s.rng.IntN(6) {
	case 0, 1:
		s.becomesLink(t, s.pick(hostileFolders), true)
	case 2, 3:
		s.becomesLink(t, s.pick(hostileFiles), false)
	case 4:
		edit := manifestEdits[s.rng.IntN(len(manifestEdits))]
		name := filepath.Join(s.root, "acme.yaml")
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		s.tricks = append(s.tricks, "manifest says "+edit[1])
		require.NoError(t, os.WriteFile(name, []byte(strings.Replace(string(text), edit[0], edit[1], 1)), 0o644))
	case 5:
		if !mounts {
			return
		}
		name := filepath.Join(s.root, s.pick(hostileFolders))
		real, err := filepath.EvalSymlinks(name)
		if err != nil || !strings.HasPrefix(real, s.root+"/") {
			return
		}
		if err := unix.Mount(real, real, "", unix.MS_BIND, ""); err != nil {
			return
		}
		s.tricks = append(s.tricks, "mounted "+real)
		t.Cleanup(func() { _ = unix.Unmount(real, unix.MNT_DETACH) })
	}
}

// becomesLink moves what is at a name aside and puts a link there, which leads
// to it, or out of the root, or nowhere.
func (s *hostileScene) becomesLink(t *testing.T, name string, folder bool) {
	at := filepath.Join(s.root, name)
	aside := at + ".real"
	for above := at; above != s.root; {
		above = filepath.Dir(above)
		real, err := filepath.EvalSymlinks(above)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !strings.HasPrefix(real+"/", s.root+"/") {
			return // what is above it leads out
		}
	}
	if _, err := os.Lstat(aside); err == nil {
		return // it is a link already
	}
	if err := os.Rename(at, aside); errors.Is(err, fs.ErrNotExist) {
		if os.MkdirAll(filepath.Dir(at), 0o755) != nil {
			return // what is above it leads nowhere
		}
	} else if err != nil {
		return // something is mounted on it
	}
	out := s.pick([]string{"canary", "usr/lib", "modules/" + acmeKernel + "/other.ko"})
	if folder {
		out = s.pick([]string{"usr/lib", "modules", "usr/lib/linux-objects/acme/" + acmeKernel, "info", "new"})
	}
	up := strings.Repeat("../", strings.Count(name, "/")+1)
	if strings.HasPrefix(name, "lib/") {
		up += "../" // /lib is a link
	}
	target := s.pick([]string{
		filepath.Base(aside), "/" + name + ".real", "./" + filepath.Base(filepath.Dir(at)) + "/../" + filepath.Base(aside),
		filepath.Join(s.outsideDir(), out), up + "outside/" + out, strings.Repeat("../", 30) + filepath.Join(s.outsideDir(), out)[1:],
		"/out/" + out, "/proc/self/cwd", filepath.Base(at),
	})
	s.tricks = append(s.tricks, name+" -> "+target)
	require.NoError(t, os.Symlink(target, at))
}

// swapping exchanges folders with links that lead out, again and again until
// stop is called.
func (s *hostileScene) swapping() (stop func()) {
	done := make(chan struct{})
	var all sync.WaitGroup
	for n, name := range s.swaps {
		// By its parent's descriptor: another swap must not lead us out.
		parent, err := unix.Open(filepath.Join(s.root, filepath.Dir(name)), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		link := filepath.Join(s.root, fmt.Sprintf("%d.swap", n))
		_ = os.Symlink(filepath.Join(s.outsideDir(), "usr/lib"), link)
		all.Go(func() {
			defer unix.Close(parent)
			for {
				select {
				case <-done:
					return
				default:
					// It is not there yet, or is gone: the next try.
					_ = unix.Renameat2(parent, filepath.Base(name), unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
				}
			}
		})
	}
	return func() { close(done); all.Wait() }
}

// contents is a tree: of each name its type and what it holds.
func contents(t *testing.T, dir string) map[string]string {
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		all[name] = e.Type().String()
		if e.Type().IsRegular() {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			all[name] += string(data)
		}
		return nil
	}))
	return all
}
