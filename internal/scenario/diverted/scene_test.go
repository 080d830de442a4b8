package diverted

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// essential are the programs that scripts find, see TestOnlyEssentialPackages.
var essential = []string{
	"cmp", "cp", "dpkg", "dpkg-divert", "dpkg-query", "grep", "head", "ln", "md5sum", "mkdir", "mountpoint", "mv",
	"readlink", "rm", "rmdir", "sed", "sort", "stat", "sync", "tr",
}

// changing are those of them that change something: where a run can be killed.
var changing = []string{"cp", "dpkg-divert", "ln", "mkdir", "mv", "rm", "rmdir", "sync"}

// A release is one whose dpkg is tried: that of testdata/dpkg, or the host's.
type release struct{ name, bin string }

// eachRelease runs a test for the dpkg of each release.
func eachRelease(t *testing.T, test func(*testing.T, release)) {
	theLab(t)
	all := []release{{name: "host"}}
	if width() == "all" {
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			cache = filepath.Join(os.Getenv("HOME"), ".cache")
		}
		for _, name := range []string{"bullseye", "bookworm", "trixie", "sid"} {
			all = append(all, release{name, filepath.Join(cache, "koweld/dpkg", name, "bin")})
		}
	}
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			if r.bin != "" {
				if _, err := os.Stat(r.bin); err != nil {
					t.Skipf("%v: testdata/dpkg/fetch.sh did not get it", err)
				}
			}
			test(t, r)
		})
	}
}

// layouts of /usr. "bind" needs a privilege.
var layouts = []string{"split", "merged", "bind"}

// eachLayout runs a test in each layout, and in each release. But for KOWELD_TEST=all
// only some are tried with a mount, which is as a link for what the scripts do.
func eachLayout(t *testing.T, test func(*testing.T, *scene)) {
	inLayouts(t, []string{"split", "merged"}, test)
}

// merged is eachLayout of what mostly is alike in all.
func merged(t *testing.T, test func(*testing.T, *scene)) {
	inLayouts(t, []string{"merged"}, test)
}

func inLayouts(t *testing.T, some []string, test func(*testing.T, *scene)) {
	eachRelease(t, func(t *testing.T, r release) {
		if width() == "all" {
			some = layouts
		}
		for _, layout := range some {
			t.Run(layout, func(t *testing.T) {
				t.Parallel()
				test(t, newScene(t, r, layout))
			})
		}
	})
}

// A scene is one root and what happens there.
type scene struct {
	*lab
	t       testing.TB
	release release
	layout  string
	dir     string
	root    string
	fail    string // see script
	kill    string // "3-" is before the third call that changes something, "3+" behind it
	known   map[string]deb
}

var tops = []string{"bin", "sbin", "lib"}

// newScene makes a root of dpkg's database and the top folders, which are of a package.
func newScene(t testing.TB, r release, layout string) *scene {
	t.Helper()
	l := theLab(t)
	dir, err := os.MkdirTemp(l.dir, "scene-")
	require.NoError(t, err)
	s := &scene{lab: l, t: t, release: r, layout: layout, dir: dir, root: filepath.Join(dir, "root"), known: map[string]deb{}}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	list := []string{"/.", "/usr", "/usr/share"}
	s.folder("/usr/share")
	for _, top := range tops {
		s.folder("/usr/" + top)
		list = append(list, "/"+top, "/usr/"+top)
		switch layout {
		case "merged":
			require.NoError(t, os.Symlink("usr/"+top, s.host("/"+top)))
		case "bind":
			s.folder("/" + top)
			if err := unix.Mount(s.host("/usr/"+top), s.host("/"+top), "", unix.MS_BIND, ""); err != nil {
				t.Skipf("bind mounts are not tried, they need CAP_SYS_ADMIN: %v", err)
			}
			t.Cleanup(func() { _ = unix.Unmount(s.host("/"+top), unix.MNT_DETACH) })
		default:
			s.folder("/" + top)
		}
	}
	slices.Sort(list)
	for _, name := range []string{"info", "updates", "triggers"} {
		s.folder("/var/lib/dpkg/" + name)
	}
	s.put("/var/lib/dpkg/available", "")
	s.put("/var/lib/dpkg/arch", "amd64\ni386\n")
	s.put("/var/lib/dpkg/info/base-files.list", strings.Join(list, "\n")+"\n")
	s.put("/var/lib/dpkg/status", "Package: base-files\nStatus: install ok installed\nEssential: yes\n"+
		"Maintainer: Nobody <nobody@example.org>\nArchitecture: all\nVersion: 1\nDescription: folders\n")
	s.programs()
	return s
}

func (s *scene) host(name string) string { return filepath.Join(s.root, name) }

func (s *scene) folder(name string) { require.NoError(s.t, os.MkdirAll(s.host(name), 0o755)) }

func (s *scene) put(name, text string) {
	s.folder(filepath.Dir(name))
	require.NoError(s.t, os.WriteFile(s.host(name), []byte(text), 0o644))
}

// get is what a file has in it, "" if it is not there.
func (s *scene) get(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(s.host(name))
	if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		require.NoError(s.t, err)
	}
	return string(data)
}

// counting is a program that counts its calls and may be killed with all others of
// its group: the scripts, and dpkg.
const counting = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
n=0
if [ -e "$KOWELD_SCENE/count" ]; then read -r n <"$KOWELD_SCENE/count"; fi
case ${0##*/}" $* " in dpkg-divert*\ --truename\ * | dpkg-divert*\ --listpackage\ *) exec %[1]s "$@" ;; esac
n=$((n + 1))
echo $n >"$KOWELD_SCENE/count"
[ "$KOWELD_KILL" != $n- ] || kill -KILL 0
code=0
%[1]s "$@" || code=$?
[ "$KOWELD_KILL" != $n+ ] || kill -KILL 0
exit $code
`

// programs makes bin, all that scripts find.
func (s *scene) programs() {
	t := s.t
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "bin"), 0o755))
	for _, name := range essential {
		real, err := exec.LookPath(name)
		require.NoError(t, err)
		ofRelease := strings.HasPrefix(name, "dpkg") && s.release.bin != ""
		if ofRelease {
			real = filepath.Join(s.release.bin, name)
		}
		at := filepath.Join(s.dir, "bin", name)
		switch {
		case slices.Contains(changing, name):
			s.program(at, fmt.Sprintf(counting, real))
		case ofRelease: // which look for what is beside them
			s.program(at, fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", real))
		default:
			require.NoError(t, os.Symlink(real, at))
		}
	}
}

// program writes what will be run. No process may begin meanwhile: it would hold the
// file open, which then cannot be run (ETXTBSY of execve(2)).
func (s *scene) program(at, text string) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(s.t, os.WriteFile(at, []byte(text), 0o755))
}

// dpkg runs it, and returns its exit code, -9 if it was killed, and what it said.
func (s *scene) dpkg(args ...string) (int, string) {
	s.t.Helper()
	return s.run("dpkg", append([]string{"--log=/dev/null", "--force-script-chrootless", "--force-unsafe-io", "--no-pager"}, args...)...)
}

// run runs one of dpkg's programs on the root, in a process group of its own.
func (s *scene) run(program string, args ...string) (int, string) {
	s.t.Helper()
	path := "/usr/sbin:/usr/bin:/sbin:/bin"
	if s.release.bin != "" {
		path = s.release.bin + ":" + path
		program = filepath.Join(s.release.bin, program)
	}
	root := "--root=" + s.root
	if filepath.Base(program) == "dpkg-query" { // that of bullseye knows no root
		root = "--admindir=" + s.host("/var/lib/dpkg")
	}
	said, err := os.CreateTemp(s.dir, "said-")
	require.NoError(s.t, err)
	defer os.Remove(said.Name())
	defer said.Close()
	_ = os.Remove(filepath.Join(s.dir, "count"))
	cmd := exec.CommandContext(s.t.Context(), program, append([]string{root}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + path, "LC_ALL=C", "KOWELD_SCENE=" + s.dir, "KOWELD_FAIL=" + s.fail, "KOWELD_KILL=" + s.kill}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Run()
	text, readErr := os.ReadFile(said.Name())
	require.NoError(s.t, readErr)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
			return -int(status.Signal()), string(text)
		}
		return exit.ExitCode(), string(text)
	}
	require.NoError(s.t, err)
	return 0, string(text)
}

// counted is how often the last run changed something by a program.
func (s *scene) counted() int {
	n := 0
	text, err := os.ReadFile(filepath.Join(s.dir, "count"))
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(s.t, err)
		_, err = fmt.Sscan(string(text), &n)
		require.NoError(s.t, err)
	}
	return n
}

// install has dpkg install packages, which must be so.
func (s *scene) install(debs ...deb) {
	s.t.Helper()
	code, said := s.tryInstall(debs...)
	require.Zero(s.t, code, said)
}

func (s *scene) tryInstall(debs ...deb) (int, string) { return s.bring("--install", debs...) }

// bring has dpkg do something with packages.
func (s *scene) bring(how string, debs ...deb) (int, string) {
	s.t.Helper()
	args := []string{how}
	for _, d := range debs {
		args = append(args, s.build(s.t, d))
		s.known[d.String()] = d
	}
	return s.dpkg(args...)
}

func (s *scene) must(args ...string) {
	s.t.Helper()
	code, said := s.dpkg(args...)
	require.Zero(s.t, code, said)
}

// failing runs something while a call of a script fails.
func (s *scene) failing(call string, f func()) {
	s.fail = call
	f()
	s.fail = ""
}
