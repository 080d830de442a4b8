package divert_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/divert"
	"koweld/internal/fsys/realfs"
	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/internal/unit"
)

var (
	all  = []string{"split", "merged", "bind"}
	one  = []string{"merged", "bind"} // where a file has two names
	base = []string{"split"}
)

// rows are the cases that a diversion must meet, whatever dpkg it is and however
// /usr lies. Each is tried on its layouts.
var rows = []struct {
	name    string
	layouts []string
	test    func(l *lab)
}{
	{"added and removed: all is as before", all, func(l *lab) {
		other := deb{name: "other", version: "1", files: []string{x}}
		l.mustInstall(other)
		before := l.tree()
		l.carryOut(acme)
		assert.Equal(l.t, other.text(x), l.has(target))
		assert.Empty(l.t, l.has(x))
		l.carryOut(released)
		after := l.tree()
		for _, d := range []map[string]string{before, after} {
			delete(d, admin+"/diversions")
			delete(d, admin+"/diversions-old")
			for name := range d {
				if strings.HasPrefix(name, "/var") && strings.Count(name, "/") < 4 || name == "/usr/bin" {
					delete(d, name) // folders tell when they were written to
				}
			}
		}
		assert.Equal(l.t, before, after)
		assert.Empty(l.t, l.state().Diversions)
	}},
	{"the aliased name to the canonical one", one, func(l *lab) {
		l.file("/usr/lib/f", "f")
		l.refused(divert.Want{From: "/lib/f", To: "/usr/lib/f", NoMove: true}, divert.OnePlace, "")
		l.refused(divert.Want{From: "/lib/f", To: "/lib/f.real"}, divert.NotCanonical, "")
		// One that is there is released, and the file stays.
		l.must("dpkg-divert", "--quiet", "--local", "--no-rename", "--divert", "/usr/lib/f", "--add", "/lib/f")
		l.carryOut(divert.Want{From: "/lib/f", Absent: true})
		assert.Equal(l.t, "f", l.has("/usr/lib/f"))
		assert.Empty(l.t, l.state().Diversions)
	}},
	{"a file is mounted on a name", base, func(l *lab) {
		l.file(x, "x")
		l.file("/other", "other")
		l.bind("/other", x)
		l.refused(acme, divert.Mounted, "")
	}},
	{"only a folder below is aliased", base, func(l *lab) {
		l.folder("/usr/lib/tst")
		l.link("/lib/tst", "/usr/lib/tst")
		l.file("/usr/lib/tst/f", "f")
		l.refused(divert.Want{From: "/lib/tst/f", To: "/usr/lib/tst/f"}, divert.OnePlace, "")
		assert.Equal(l.t, "f", l.has("/usr/lib/tst/f"))
	}},
	{"a link for each file", base, func(l *lab) {
		l.file("/usr/lib/f", "f")
		l.link("/lib/f", "/usr/lib/f")
		l.refused(divert.Want{From: "/lib/f", To: "/usr/lib/f"}, divert.Linked, "")
		l.refused(divert.Want{From: "/usr/lib/f", To: "/lib/f"}, divert.Linked, "")
	}},
	{"a loop or nothing at a name", base, func(l *lab) {
		l.link("/usr/bin/loop", "loop")
		l.link("/usr/bin/nowhere", "none/x")
		l.link("/usr/loops", "loops")
		for _, name := range []string{"/usr/bin/loop", "/usr/bin/nowhere"} {
			l.refused(divert.Want{From: name, To: target}, divert.Dangling, "")
			l.refused(divert.Want{From: x, To: name}, divert.Dangling, "")
		}
		l.refused(divert.Want{From: "/usr/loops/x", To: target}, divert.NoWay, "")
		l.refused(divert.Want{From: x, To: "/usr/loops/x"}, divert.NoWay, "")
	}},
	{"a directory, an empty one too", all, func(l *lab) {
		l.folder("/usr/bin/empty")
		l.file("/usr/bin/full/x", "x")
		for _, name := range []string{"/usr/bin/empty", "/usr/bin/full"} {
			l.refused(divert.Want{From: name, To: target}, divert.IsFolder, "")
			l.refused(divert.Want{From: x, To: name}, divert.IsFolder, "")
		}
	}},
	{"no folder for the target", all, func(l *lab) {
		l.refused(divert.Want{From: x, To: "/usr/bin/none/x"}, divert.NoParent, "")
	}},
	{"no file yet", all, func(l *lab) {
		l.carryOut(acme)
		other := deb{name: "other", version: "1", files: []string{x}}
		l.mustInstall(other)
		assert.Equal(l.t, other.text(x), l.has(target))
		assert.Empty(l.t, l.found()[:0])
	}},
	{"the same again, and again", all, func(l *lab) {
		l.file(x, "x")
		l.carryOut(acme)
		before := l.tree()
		for range 2 {
			l.carryOut(acme)
			assert.Equal(l.t, before, l.tree())
		}
	}},
	{"to another target: only on request", all, func(l *lab) {
		l.file(x, "x")
		l.carryOut(acme)
		w := acme
		w.To = x + ".elsewhere"
		l.refused(w, divert.Diverted, "acme")
		w.Instead = &divert.Diversion{From: x, To: target, Package: "rival"}
		l.refused(w, divert.Diverted, "acme")
		w.Instead.Package = "acme"
		l.carryOut(w)
		assert.Equal(l.t, "x", l.has(w.To))
		assert.Empty(l.t, l.has(target))
	}},
	{"diverted by another package or by the admin", all, func(l *lab) {
		l.carryOut(divert.Want{From: x, To: x + ".rival", Package: "rival"})
		l.refused(acme, divert.Diverted, "rival")
		l.refused(released, divert.Diverted, "rival")
		l.refused(divert.Want{From: x, To: target}, divert.Diverted, "rival")
		l.carryOut(divert.Want{From: x, Package: "rival", Absent: true})
		l.carryOut(divert.Want{From: x, To: target})
		l.refused(acme, divert.Diverted, "")
	}},
	{"the target is in another diversion", all, func(l *lab) {
		l.carryOut(divert.Want{From: "/usr/bin/y", To: target, Package: "rival"})
		l.refused(acme, divert.Diverted, "rival")
		l.refused(divert.Want{From: x, To: "/usr/bin/y"}, divert.Diverted, "rival")
		l.refused(divert.Want{From: target, To: "/usr/bin/z"}, divert.Diverted, "rival")
	}},
	{"a package owns the target, by either spelling", all, func(l *lab) {
		l.mustInstall(deb{name: "third", version: "1", files: []string{target}})
		l.refused(acme, divert.Owned, "third")
		if l.layout == "split" {
			return
		}
		l.mustInstall(deb{name: "fourth", version: "1", files: []string{"/bin/y"}})
		l.refused(divert.Want{From: x, To: "/usr/bin/y"}, divert.Owned, "fourth")
	}},
	{"the holder is gone", all, func(l *lab) {
		other := deb{name: "other", version: "1", files: []string{x}}
		l.mustInstall(other)
		l.carryOut(acme)
		l.carryOut(released)
		assert.Equal(l.t, other.text(x), l.has(x))
		assert.Empty(l.t, l.found())
	}},
	{"dpkg is at work", base, func(l *lab) {
		l.file(x, "x")
		for _, lock := range []string{"lock-frontend", "lock"} {
			end := l.holdLock(lock)
			before := l.tree()
			_, err := l.koweld().Divert(l.t.Context(), []divert.Want{acme}, unit.Options{})
			var locked *store.LockedError
			require.ErrorAs(l.t, err, &locked)
			assert.Regexp(l.t, "^process [0-9]+$", locked.Holder)
			assert.Contains(l.t, locked.Lock, lock)
			assert.Equal(l.t, before, l.tree())
			// Inside that run it goes on.
			in := l.koweld()
			in.InDpkg = true
			_, err = in.Divert(l.t.Context(), []divert.Want{acme}, unit.Options{})
			require.NoError(l.t, err)
			_, err = in.Divert(l.t.Context(), []divert.Want{released}, unit.Options{})
			require.NoError(l.t, err)
			end()
		}
		l.carryOut(acme)
	}},
	{"forty at once", base, func(l *lab) {
		var wants []string
		var all []*exec.Cmd
		program := koweld(l.t)
		for n := range 40 {
			name := fmt.Sprintf("/usr/bin/x%d", n)
			wants = append(wants, name)
			cmd := exec.Command(program, "--root", l.dir, "--wait", "10m", "divert", "add", "--local", name)
			cmd.Env = []string{"PATH=" + l.bin + ":/usr/bin:/bin", "LC_ALL=C"}
			require.NoError(l.t, cmd.Start())
			all = append(all, cmd)
		}
		for n, cmd := range all {
			assert.NoError(l.t, cmd.Wait(), "%d", n)
		}
		var got []string
		for _, d := range l.state().Diversions {
			got = append(got, d.From)
		}
		assert.ElementsMatch(l.t, wants, got)
	}},
	{"dpkg-divert was killed before it moved the file", all, func(l *lab) {
		other := deb{name: "other", version: "1", files: []string{x}}
		l.mustInstall(other)
		l.must("dpkg-divert", "--quiet", "--package", "acme", "--no-rename", "--divert", target, "--add", x)
		l.carryOut(acme)
		assert.Equal(l.t, other.text(x), l.has(target))
	}},
	{"dpkg-divert was killed before it recorded", base, func(l *lab) {
		l.file(x, "x")
		require.NoError(l.t, os.WriteFile(l.host(admin+"/diversions-new"), []byte("half a diver"), 0o644))
		l.carryOut(acme)
		assert.Equal(l.t, "x", l.has(target))
	}},
	{"/usr was merged meanwhile", base, func(l *lab) {
		w := divert.Want{From: "/lib/f", To: "/usr/lib/f", NoMove: true}
		l.carryOut(w)
		hmac := deb{name: "hmac", version: "1", files: []string{"/lib/f"}}
		l.mustInstall(hmac)
		assert.Equal(l.t, hmac.text("/lib/f"), l.has("/usr/lib/f"))
		for _, top := range []string{"bin", "sbin", "lib"} {
			require.NoError(l.t, os.Remove(l.host("/"+top)))
			l.link("/"+top, "usr/"+top)
		}
		assert.Contains(l.t, l.found(), "onto-itself")
		l.carryOut(divert.Want{From: "/lib/f", Absent: true})
		assert.Equal(l.t, hmac.text("/lib/f"), l.has("/usr/lib/f"))
		assert.Empty(l.t, l.found())
	}},
	{"an old dpkg-divert (a wrapper refuses what 1.19.0.5 lacks)", base, func(l *lab) {
		bin := l.t.TempDir()
		require.NoError(l.t, os.WriteFile(filepath.Join(bin, "dpkg-divert"), []byte(oldDivert(l.bin)), 0o755))
		l.old = bin
		l.file(x, "x")
		l.carryOut(acme)
		assert.Equal(l.t, "x", l.has(target))
		l.carryOut(released)
		assert.Equal(l.t, "x", l.has(x))
		calls, err := os.ReadFile(filepath.Join(bin, "calls"))
		require.NoError(l.t, err)
		assert.Equal(l.t, 2, strings.Count(string(calls), "\n"), "%s", calls)
		assert.NotContains(l.t, string(calls), "rename")
		assert.NotContains(l.t, string(calls), "--root")
		assert.NotContains(l.t, string(calls), "--instdir")
	}},
	{"links out of the root", base, func(l *lab) {
		outside := l.t.TempDir()
		require.NoError(l.t, os.WriteFile(filepath.Join(outside, "x"), []byte("the host's"), 0o644))
		l.folder(outside) // the same path below the root
		l.link("/usr/games", outside)
		l.file(outside+"/x", "x")
		l.carryOut(divert.Want{From: "/usr/games/x", To: "/usr/games/x.real"})
		assert.Equal(l.t, "x", l.has(outside+"/x.real"))
		data, err := os.ReadFile(filepath.Join(outside, "x"))
		require.NoError(l.t, err)
		assert.Equal(l.t, "the host's", string(data))
	}},
	{"a name that is not the shortest spelling", all, func(l *lab) {
		for _, name := range []string{"/usr//bin/x", "/usr/bin/../bin/x", "/usr/bin/./x", "/usr/bin/x/", "usr/bin/x"} {
			l.refused(divert.Want{From: name, To: target}, divert.NotClean, "")
			l.refused(divert.Want{From: "/usr/bin/y", To: name}, divert.NotClean, "")
		}
	}},
	{"a conffile", all, func(l *lab) {
		l.folder("/etc")
		l.mustInstall(deb{name: "other", version: "1", conffile: "/etc/x.conf"})
		l.refused(divert.Want{From: "/etc/x.conf", To: "/etc/x.conf.distrib"}, divert.IsConffile, "other")
	}},
	{"another file came to the name", all, func(l *lab) {
		l.file(x, "x")
		l.carryOut(acme)
		l.file(x, "intruder")
		l.refused(released, divert.Exists, "")
		w := released
		w.Save = true
		l.carryOut(w)
		assert.Equal(l.t, "x", l.has(x))
		assert.Equal(l.t, "intruder", l.has(x+".koweld-saved-1"))
	}},
	{"the file system is read-only", base, func(l *lab) {
		l.file(x, "x")
		l.bind("/usr/bin", "/usr/bin")
		const flags = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY
		require.NoError(l.t, unix.Mount("", l.host("/usr/bin"), "", flags, ""))
		l.refused(acme, divert.NotWritable, "")
		// Where no file moves nothing is written there.
		l.carryOut(divert.Want{From: x, To: target, NoMove: true})
	}},
	{"another file system", base, func(l *lab) {
		realfs.New(l.t, realfs.Tmpfs, l.host("/opt"), 16, 16)
		l.file(x, "x")
		require.NoError(l.t, os.Chmod(l.host(x), os.ModeSetuid|0o751))
		require.NoError(l.t, unix.Setxattr(l.host(x), "trusted.koweld", []byte("kept"), 0))
		was, err := os.Stat(l.host(x))
		require.NoError(l.t, err)
		w := divert.Want{From: x, To: "/opt/x"}
		l.carryOut(w)
		l.requireAs("/opt/x", was)
		w.Absent = true
		l.carryOut(w)
		l.requireAs(x, was)
		assert.Empty(l.t, l.has("/opt/x"))
		// A link stays one.
		l.link("/usr/bin/link", "x")
		l.carryOut(divert.Want{From: "/usr/bin/link", To: "/opt/link"})
		to, err := os.Readlink(l.host("/opt/link"))
		require.NoError(l.t, err)
		assert.Equal(l.t, "x", to)
	}},
	{"a file that dpkg was told not to unpack", all, func(l *lab) {
		l.mustInstall(deb{name: "other", version: "1", files: []string{x}})
		require.NoError(l.t, os.Remove(l.host(x)))
		l.carryOut(acme)
		l.carryOut(released)
		assert.Empty(l.t, l.state().Diversions)
	}},
	{"the list of diversions is damaged", base, func(l *lab) {
		l.file(x, "x")
		require.NoError(l.t, os.WriteFile(l.host(admin+"/diversions"), []byte("/a\n/b\n"), 0o644))
		before := l.tree()
		_, err := l.koweld().Divert(l.t.Context(), []divert.Want{acme}, unit.Options{})
		var damaged *divert.FormatError
		require.ErrorAs(l.t, err, &damaged)
		assert.Contains(l.t, damaged.Hint(), "diversions-old")
		assert.Equal(l.t, before, l.tree())
	}},
	{"/usr is being merged", []string{"converting"}, func(l *lab) {
		const half = "\nPackage: usrmerge\nStatus: install ok half-configured\nMaintainer: Nobody <nobody@example.org>\nArchitecture: all\nVersion: 1\nDescription: converts\n"
		status, err := os.ReadFile(l.host(admin + "/status"))
		require.NoError(l.t, err)
		require.NoError(l.t, os.WriteFile(l.host(admin+"/status"), append(status, half...), 0o644))
		l.refused(acme, divert.NotConverted, "usrmerge")
	}},
	{"/usr is partly merged", []string{"partial"}, func(l *lab) {
		l.file("/usr/bin/x", "x") // one with /bin
		l.carryOut(acme)
		assert.Len(l.t, l.state().Diversions, 2)
		l.file("/lib/f", "f") // split
		l.carryOut(divert.Want{From: "/lib/f", To: "/lib/f.real"})
		assert.Len(l.t, l.state().Diversions, 3)
		l.refused(divert.Want{From: "/usr/sbin/x", To: "/usr/sbin/x.real"}, divert.BrokenLayout, "")
	}},
	{"a name is protected in one spelling", one, func(l *lab) {
		// As base-files does for its links to folders, and DEP17 M8 for files.
		w := divert.Want{From: "/lib", To: "/.lib.usr-is-merged", Package: "base-files", Exact: true}
		if l.layout == "bind" { // where it is a folder dpkg diverts none
			l.refused(w, divert.IsFolder, "")
			return
		}
		l.carryOut(w)
		other := w
		other.To, other.Instead = "/.lib.other", &divert.Diversion{From: w.From, To: w.To, Package: w.Package}
		l.carryOut(other)
		to, err := os.Readlink(l.host("/lib"))
		require.NoError(l.t, err)
		assert.Equal(l.t, "usr/lib", to)
		l.carryOut(divert.Want{From: "/lib", Package: "base-files", Absent: true, Exact: true})
		assert.Empty(l.t, l.state().Diversions)
	}},
	{"dpkg-divert fails or lies: what the list says counts", base, func(l *lab) {
		l.file(x, "x")
		for script, done := range map[string]bool{
			"exit 0": false,
			l.bin + "/dpkg-divert \"$@\"; case $* in *--help*) exit 0;; esac; exit 2":   true,
			"case $* in *--help*) exec " + l.bin + "/dpkg-divert --help;; esac; exit 2": false,
		} {
			bin := l.t.TempDir()
			require.NoError(l.t, os.WriteFile(filepath.Join(bin, "dpkg-divert"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
			l.old = bin
			_, err := l.koweld().Divert(l.t.Context(), []divert.Want{acme}, unit.Options{})
			l.old = ""
			if done {
				require.NoError(l.t, err)
				assert.Equal(l.t, "x", l.has(target))
				l.carryOut(released)
				continue
			}
			var failed *txn.DiverterError
			require.ErrorAs(l.t, err, &failed, script)
			assert.Equal(l.t, "x", l.has(x))
			assert.Empty(l.t, l.state().Diversions)
		}
	}},
}

func TestDpkgRows(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		for _, row := range rows {
			for _, layout := range row.layouts {
				t.Run(row.name+"/"+layout, func(t *testing.T) { row.test(newLab(t, layout, bin)) })
			}
		}
	})
}

// oldDivert is a dpkg-divert that knows neither --no-rename nor --root and
// --instdir, as that of bionic, and notes how it is called.
func oldDivert(bin string) string {
	return `#!/bin/sh
real='` + bin + `/dpkg-divert'
case $* in
*--help*) "$real" --help | grep -v -e rename -e root -e instdir; exit ;;
*--no-rename*|*--root*|*--instdir*) echo "unknown option" >&2; exit 2 ;;
esac
echo "$*" >>"${0%/*}/calls"
exec "$real" "$@" 2>/dev/null
`
}

// requireAs makes sure that a file is as it was, but for its name.
func (l *lab) requireAs(name string, was os.FileInfo) {
	l.t.Helper()
	is, err := os.Stat(l.host(name))
	require.NoError(l.t, err)
	assert.Equal(l.t, was.Mode(), is.Mode())
	assert.Equal(l.t, was.ModTime(), is.ModTime())
	assert.Equal(l.t, "x", l.has(name))
	value := make([]byte, 10)
	n, err := unix.Getxattr(l.host(name), "trusted.koweld", value)
	require.NoError(l.t, err)
	assert.Equal(l.t, "kept", string(value[:n]))
}

const holderDir = "KOWELD_TEST_HOLDS"

// holdLock has another process hold a lock of dpkg's until end is called.
func (l *lab) holdLock(name string) (end func()) {
	l.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHoldLock$")
	cmd.Env = append(os.Environ(), holderDir+"="+l.host(admin+"/"+name))
	in, err := cmd.StdinPipe()
	require.NoError(l.t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(l.t, err)
	require.NoError(l.t, cmd.Start())
	_, err = out.Read(make([]byte, 1))
	require.NoError(l.t, err)
	return func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
}

// TestHoldLock is the other process of holdLock.
func TestHoldLock(t *testing.T) {
	name := os.Getenv(holderDir)
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	require.NoError(t, err)
	require.NoError(t, unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	fmt.Println("held")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// koweld builds the program.
func koweld(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "koweld")
	out, err := exec.Command("go", "build", "-o", program, "koweld/cmd/koweld").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}
