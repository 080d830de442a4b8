package autoscripts_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/store"
)

// A scene is a root, what koweld and others did to it, and what the postrm
// makes of that without koweld.
type scene struct {
	name   string
	before []string
	do     func(r *root)
	// after tells in what the end differs from before; nil: in nothing.
	after  func(r *root)
	said   []string // lines, without "koweld: warning: "
	depmod bool     // it runs
	again  bool     // the next call says the same
}

const (
	conf = "/usr/lib/modprobe.d/acme.conf"
	acme = mods + "/kernel/acme/acme.ko"
)

// parked is where the prerm keeps acme.
var parked = store.ParkedName(pkg, acme)

// merged is a system with merged /usr, a kernel, and files of nobody.
var merged = []string{
	"usr/lib/", "lib -> usr/lib", "usr/lib/modprobe.d/other.conf = other", "etc/fstab = /",
	mods + "/modules.order = kernel/ext4.ko", mods + "/modules.dep = kernel/ext4.ko:", mods + "/kernel/ext4.ko = ext4",
}

func with(lines ...string) []string { return append(append([]string{}, merged...), lines...) }

var scenes = []scene{
	{name: "nothing is known", do: func(*root) {}},
	{
		name: "an empty state folder", do: func(r *root) { r.put(state+"/packages/x", ""); r.drop(state + "/packages/x") },
	},
	{
		name: "placed files", depmod: true,
		do: func(r *root) {
			r.place(acme, "acme")
			r.place(mods+"/kernel/acme/deep/aux.ko.xz", "aux")
			r.place(conf, "options acme")
			r.recorded()
		},
	},
	{
		name: "no modules, no depmod",
		do:   func(r *root) { r.place(conf, "options acme"); r.place(mods+"/acme.hmac", "1"); r.recorded() },
	},
	{
		name: "/usr is not merged", depmod: true,
		before: []string{"usr/lib/", mods + "/modules.dep = "},
		do:     func(r *root) { r.place(acme, "acme"); r.place(conf, "options acme"); r.recorded() },
	},
	{
		name: "parked files",
		do: func(r *root) {
			r.place(acme, "acme")
			r.place(mods+"/updates/plain.ko", "plain")
			r.recorded()
			r.park(acme)
			r.park(mods + "/updates/plain.ko")
			r.recorded()
		},
	},
	{
		name: "somebody removed it first", depmod: true,
		do: func(r *root) {
			r.place(acme, "acme")
			r.place(conf, "options acme")
			r.recorded()
			r.drop(mods+"/kernel/acme", conf)
		},
	},
	{
		name: "somebody changed it", depmod: true,
		do: func(r *root) {
			r.place(acme, "acme")
			r.place(conf, "options acme")
			r.recorded()
			r.put(acme, "my own")
			r.put(conf, "options acme gentle=1")
			require.NoError(r.t, os.Chmod(r.at(conf), 0o640))
		},
		after: func(r *root) {
			r.put(saved+acme+".changed", "my own")
			r.put(saved+conf+".changed", "options acme gentle=1")
			require.NoError(r.t, os.Chmod(r.at(saved+conf+".changed"), 0o640))
			r.put(state+"/lock", "")
		},
		said: []string{
			acme + " is not what koweld placed: kept as " + saved + acme + ".changed",
			conf + " is not what koweld placed: kept as " + saved + conf + ".changed",
		},
	},
	{
		name: "somebody changed it once more",
		do: func(r *root) {
			r.place(conf, "options acme")
			r.recorded()
			r.put(conf, "third")
			r.put(saved+conf+".changed", "first")
			r.link("nowhere", saved+conf+".changed.2")
		},
		after: func(r *root) {
			r.put(saved+conf+".changed", "first")
			r.link("nowhere", saved+conf+".changed.2")
			r.put(saved+conf+".changed.3", "third")
			r.put(state+"/lock", "")
		},
		said: []string{conf + " is not what koweld placed: kept as " + saved + conf + ".changed.3"},
	},
	{
		name: "somebody changed a parked one",
		do: func(r *root) {
			r.place(acme, "acme")
			r.park(acme)
			r.recorded()
			r.put(parked, "my own")
		},
		after: func(r *root) {
			r.put(saved+parked+".changed", "my own")
			r.put(state+"/lock", "")
		},
		said: []string{parked + " is not what koweld placed: kept as " + saved + parked + ".changed"},
	},
	{
		name: "an original goes back", depmod: true,
		before: with("file/ = "),
		do: func(r *root) {
			r.place(conf, "options acme")
			r.place(mods+"/kernel/ext4.ko", "another ext4")
			r.recorded()
		},
	},
	{
		name:   "originals whose names were taken",
		before: with("etc/a.conf = a", "etc/b.conf = b"),
		do: func(r *root) {
			r.put(saved+"/etc/a.conf", "of an older install")
			r.put(saved+"/etc/b.conf", "of an older install")
			r.put(saved+"~2/etc/b.conf", "of a later one")
			r.place("/etc/a.conf", "acme a")
			r.place("/etc/b.conf", "acme b")
			r.recorded()
		},
		after: func(r *root) {
			r.put(saved+"/etc/a.conf", "of an older install")
			r.put(saved+"/etc/b.conf", "of an older install")
			r.put(saved+"~2/etc/b.conf", "of a later one")
			r.put(state+"/lock", "")
		},
	},
	{
		name:   "an original with the bytes of what was placed",
		before: with("etc/a.conf = the same"),
		do:     func(r *root) { r.place("/etc/a.conf", "the same"); r.recorded() },
	},
	{
		name:   "an original, and what was placed is gone",
		before: with("etc/a.conf = a"),
		do:     func(r *root) { r.place("/etc/a.conf", "acme"); r.recorded(); r.drop("/etc/a.conf") },
	},
	{
		name:   "an original, and what was placed was changed",
		before: with("etc/a.conf = a"),
		do:     func(r *root) { r.place("/etc/a.conf", "acme"); r.recorded(); r.put("/etc/a.conf", "mine") },
		after:  func(r *root) { r.put(saved+"/etc/a.conf.changed", "mine"); r.put(state+"/lock", "") },
		said:   []string{"/etc/a.conf is not what koweld placed: kept as " + saved + "/etc/a.conf.changed"},
	},
	{
		name:   "an original that somebody gave back before",
		before: with("etc/a.conf = a"),
		do: func(r *root) {
			r.place("/etc/a.conf", "acme")
			r.recorded()
			r.put("/etc/a.conf", "a")
			require.NoError(r.t, os.Chmod(r.at("/etc/a.conf"), 0o600)) // and without its mode
		},
	},
	{
		name:   "an original that is lost",
		before: with("etc/a.conf = a"),
		do:     func(r *root) { r.place("/etc/a.conf", "acme"); r.recorded(); r.drop(saved) },
		after:  func(r *root) { r.drop("/etc/a.conf") },
	},
	{
		name:   "an original that is not what was saved",
		before: with("etc/a.conf = a"),
		do:     func(r *root) { r.place("/etc/a.conf", "acme"); r.recorded(); r.put(saved+"/etc/a.conf", "other") },
		after: func(r *root) {
			r.drop("/etc/a.conf")
			r.put(saved+"/etc/a.conf", "other")
			r.put(state+"/lock", "")
		},
		said: []string{saved + "/etc/a.conf is not what koweld saved: it stays"},
	},
	{
		name:   "an original whose folder is gone",
		before: with("etc/acme/a.conf = a"),
		do:     func(r *root) { r.place("/etc/acme/a.conf", "acme"); r.recorded(); r.drop("/etc/acme") },
		after: func(r *root) {
			r.drop("/etc/acme")
			r.put(saved+"/etc/acme/a.conf", "a")
			r.put(state+"/lock", "")
		},
		said: []string{"the file that was at /etc/acme/a.conf before cannot go back: it stays as " + saved + "/etc/acme/a.conf"},
	},
	{
		name:   "a link or a folder is in the way",
		before: with("etc/a.conf = a"),
		do: func(r *root) {
			r.place("/etc/a.conf", "acme")
			r.place("/etc/b.conf", "acme")
			r.recorded()
			r.drop("/etc/a.conf", "/etc/b.conf")
			r.link("fstab", "/etc/a.conf")
			r.put("/etc/b.conf/x", "")
		},
		after: func(r *root) {
			r.drop("/etc/a.conf")
			r.link("fstab", "/etc/a.conf")
			r.put("/etc/b.conf/x", "")
			r.put(saved+"/etc/a.conf", "a")
			r.put(state+"/lock", "")
		},
		said: []string{
			"/etc/a.conf is not what koweld placed: left as it is",
			"/etc/b.conf is not what koweld placed: left as it is",
			"the file that was at /etc/a.conf before cannot go back: it stays as " + saved + "/etc/a.conf",
		},
	},
	{
		name:   "a link to the bytes of the original",
		before: with("etc/a.conf = a", "etc/b.conf = a"),
		do: func(r *root) {
			r.place("/etc/a.conf", "acme")
			r.recorded()
			r.drop("/etc/a.conf")
			r.link("b.conf", "/etc/a.conf")
		},
		after: func(r *root) {
			r.drop("/etc/a.conf")
			r.link("b.conf", "/etc/a.conf")
			r.put(saved+"/etc/a.conf", "a")
			r.put(state+"/lock", "")
		},
		said: []string{
			"/etc/a.conf is not what koweld placed: left as it is",
			"the file that was at /etc/a.conf before cannot go back: it stays as " + saved + "/etc/a.conf",
		},
	},
	{
		name: "a parked module whose original could not go back then", depmod: true,
		do: func(r *root) {
			r.put(saved+mods+"/kernel/ext4.ko", "of an older install")
			r.place(mods+"/kernel/ext4.ko", "another ext4")
			r.park(mods + "/kernel/ext4.ko")
			r.recorded()
		},
		after: func(r *root) {
			r.put(saved+mods+"/kernel/ext4.ko", "of an older install")
			r.put(state+"/lock", "")
		},
	},
	{
		name:   "a folder on the way has become a file",
		before: with("etc/acme/a.conf = a"),
		do: func(r *root) {
			r.place("/etc/acme/a.conf", "acme")
			r.recorded()
			r.drop("/etc/acme")
			r.put("/etc/acme", "file")
		},
		after: func(r *root) {
			r.drop("/etc/acme")
			r.put("/etc/acme", "file")
			r.put(saved+"/etc/acme/a.conf", "a")
			r.put(state+"/lock", "")
		},
		said: []string{"the file that was at /etc/acme/a.conf before cannot go back: it stays as " + saved + "/etc/acme/a.conf"},
	},
	{
		name: "unusual names", depmod: true,
		before: with(oddLines()...),
		do: func(r *root) {
			for _, name := range odd {
				r.place("/etc/kept/"+name, "acme "+name)
				r.place("/etc/"+name, "acme "+name)
				r.place(mods+"/"+name+"/"+name+".ko", "acme "+name)
			}
			r.recorded()
			for _, name := range odd {
				r.put("/etc/"+name, "changed "+name)
			}
		},
		after: func(r *root) {
			for _, name := range odd {
				r.put(saved+"/etc/"+name+".changed", "changed "+name)
			}
			r.put(state+"/lock", "")
		},
		said: oddSaid(),
	},
	{
		name: "folders: what koweld did not make stays", depmod: true,
		before: with("usr/lib/firmware/", mods+"/updates/"),
		do: func(r *root) {
			r.place("/usr/lib/firmware/acme/fw.bin", "fw")
			r.place(mods+"/updates/acme/acme.ko", "acme")
			r.place("/opt/acme/x", "x")
			r.recorded()
			r.put("/opt/acme/of-somebody", "")
		},
		after: func(r *root) { r.put("/opt/acme/of-somebody", "") },
	},
	{
		name:   "folders: that of a kernel stays, whoever made it",
		before: []string{"usr/lib/modules/", "lib -> usr/lib"},
		do:     func(r *root) { r.place(acme, "acme"); r.recorded() },
		after:  func(r *root) { r.put(mods+"/x", ""); r.drop(mods + "/x") },
	},
	{
		name: "the kernel is gone",
		do: func(r *root) {
			r.place(acme, "acme")
			r.recorded()
			r.drop(mods+"/modules.order", mods+"/modules.dep", mods+"/kernel/ext4.ko")
		},
		after: func(r *root) { r.drop(mods+"/modules.order", mods+"/modules.dep", mods+"/kernel/ext4.ko") },
	},
	{
		name: "the kernel's folder is gone",
		do:   func(r *root) { r.place(acme, "acme"); r.recorded(); r.drop(mods) },
		after: func(r *root) {
			r.drop(mods)
		},
	},
	{
		name: "other packages", depmod: true,
		before: others,
		do:     func(r *root) { r.place(acme, "acme"); r.recorded() },
	},
	{
		name: "no record of this package", before: others,
		do: func(*root) {},
	},
	{
		name: "a list that nothing else goes with", depmod: true,
		do: func(r *root) {
			r.place(mods+"/kernel/acme.ko", "acme")
			r.recorded()
			r.drop(state+"/packages/"+pkg+".json", state+"/lock")
		},
	},
	{
		name: "the list is missing",
		do: func(r *root) {
			r.place(conf, "acme")
			r.recorded()
			r.drop(state + "/packages/" + pkg + ".sha256")
		},
		after: func(r *root) {
			r.put(conf, "acme")
			r.put(state+"/packages/"+pkg+".json", recordOf(r.t, conf, "acme"))
			r.put(state+"/lock", "")
		},
		said: []string{state + "/packages/" + pkg + ".sha256 is missing: the files of " + pkg +
			" stay; run koweld repair --all, then koweld remove " + pkg},
		again: true,
	},
	{
		name: "scratch of a killed run",
		do:   func(r *root) { r.place(conf, "acme"); r.recorded(); r.put(state+"/scratch/x/y", "") },
	},
}

// others is a system with other packages of koweld, of similar names.
var others = with(
	state+"/lock = ", state+"/packages/zeta.json = {}", state+"/packages/zeta.sha256 = ",
	state+"/packages/"+pkg+"-dbg.json = {}", state+"/packages/x-"+pkg+".sha256 = ",
	state+"/saved/"+pkg+"-dbg/etc/a = a", state+"/saved/"+pkg+"-dbg/empty/",
	state+"/journal/7-other.journal = ",
)

var odd = []string{
	"with space", " leading", "trailing ", "two  spaces", `back\slash`, `back\nslash`, `\`, `quo"te`, "quo'te", "$(touch x)", "`x`",
	"a*b", "a?b", "[ab]", "~", "#", "%25", "-dash", "<&>", "grün", "雪", "a\u00a0b", ";x", "=",
}

func oddLines() (lines []string) {
	for _, name := range odd {
		lines = append(lines, "etc/kept/"+name+" = original "+name)
	}
	return lines
}

func oddSaid() (said []string) {
	for _, name := range odd {
		said = append(said, "/etc/"+name+" is not what koweld placed: kept as "+saved+"/etc/"+name+".changed")
	}
	return said
}

// build makes the root of a scene and, beside it, what must come of it.
func (s scene) build(t testing.TB) (r, want *root) {
	t.Helper()
	before := s.before
	if before == nil {
		before = merged
	}
	r, want = newRoot(t, before...), newRoot(t, before...)
	s.do(r)
	if s.after != nil {
		s.after(want)
	}
	return r, want
}

func TestPostrmWithoutKoweld(t *testing.T) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			eachShell(t, func(t *testing.T, shell []string) {
				r, want := s.build(t)
				m := newMachine(t, shell)
				postrm := script(t, "postrm", pkg)
				got := m.run(r, postrm, "remove")
				assert.Zero(t, got.code)
				sameTree(t, snapshot(t, want.dir), snapshot(t, r.dir))
				assert.Equal(t, lines(s.said), got.said)
				depmod := ""
				if s.depmod {
					depmod = "depmod -b " + r.dir + "/ " + kernel + "\n"
				}
				assert.Equal(t, depmod, m.logged())

				got = m.run(r, postrm, "purge")
				if !s.again {
					assert.Equal(t, result{}, got, "twice is once")
				}
				sameTree(t, snapshot(t, want.dir), snapshot(t, r.dir))
				assert.Empty(t, m.logged())
			})
		})
	}
}

// recordOf is the record of one file, as place makes it.
func recordOf(t testing.TB, name, text string) string {
	r := newRoot(t, merged...)
	r.place(name, text)
	record, err := store.Encode(&r.record)
	require.NoError(t, err)
	return string(record)
}

func lines(said []string) string {
	var b strings.Builder
	for _, line := range said {
		b.WriteString("koweld: warning: " + line + "\n")
	}
	return b.String()
}

// An original goes back with all that it had.
func TestPostrmGivesBackOwnerTimeAndAttributes(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		r := newRoot(t, with("etc/a.conf = a", "etc/b.conf = b")...)
		require.NoError(t, os.Chmod(r.at("/etc/a.conf"), 0o440))
		long := time.Unix(123, 456)
		require.NoError(t, os.Chtimes(r.at("/etc/a.conf"), long, long))
		if err := unix.Setxattr(r.at("/etc/a.conf"), "user.note", []byte("by hand"), 0); err != nil {
			t.Skipf("SKIP: attributes are not given back, this file system keeps none: %v", err)
		}
		if os.Geteuid() != 0 {
			t.Skip("SKIP: owners are not given back, it needs root")
		}
		require.NoError(t, os.Chown(r.at("/etc/a.conf"), 12, 34))
		before := snapshot(t, r.dir)
		require.Contains(t, before["/etc/a.conf"], `12:34 123000000456 "a" [user.note=by hand]`)
		r.place("/etc/a.conf", "acme")
		r.place("/etc/b.conf", "b")
		require.NoError(t, os.Chmod(r.at("/etc/b.conf"), 0o755)) // of ours, not of the original
		r.recorded()
		assert.Equal(t, result{}, newMachine(t, shell).run(r, script(t, "postrm", pkg), "remove"))
		sameTree(t, before, snapshot(t, r.dir))
	})
}

// depmod is called if it is there; what becomes of it keeps nothing.
func TestPostrmDepmod(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		m := newMachine(t, shell)
		scene := func() (r, want *root) {
			r, want = newRoot(t, merged...), newRoot(t, merged...)
			for _, other := range []string{"/lib/modules/5.10/", "/usr/lib/modules/6.12/", "/lib/modules/none/"} {
				for _, r := range []*root{r, want} {
					r.put(other+"kernel/x", "")
					if !strings.Contains(other, "none") {
						r.put(other+"modules.order", "")
					}
				}
				r.place(other+"acme.ko.zst", "acme")
			}
			r.place(acme, "acme")
			r.recorded()
			return r, want
		}
		postrm := script(t, "postrm", pkg)
		r, want := scene()
		assert.Equal(t, result{}, m.run(r, postrm, "remove"))
		b := "depmod -b " + r.dir + "/ "
		assert.Equal(t, b+"5.10\n"+b+kernel+"\n"+b+"6.12\n", m.logged())
		sameTree(t, snapshot(t, want.dir), snapshot(t, r.dir))

		m.fake("depmod", "echo to standard output; exit 1")
		r, want = scene()
		got := m.run(r, postrm, "remove")
		assert.Zero(t, got.code)
		for _, k := range []string{"5.10", "6.12", kernel} {
			assert.Contains(t, got.said, "koweld: warning: run depmod "+k+"\n")
		}
		sameTree(t, snapshot(t, want.dir), snapshot(t, r.dir))

		m.without("depmod")
		r, want = scene()
		assert.Equal(t, result{}, m.run(r, postrm, "remove"))
		sameTree(t, snapshot(t, want.dir), snapshot(t, r.dir))
	})
}

// An absolute link in a root leads a shell out of it: then nothing is touched,
// on either side.
func TestPostrmStaysInTheRoot(t *testing.T) {
	for _, link := range []string{"/lib", "/usr", "/usr/lib/modprobe.d", "/etc/acme", "/var", "/var/lib/koweld", state + "/saved", mods + "/kernel"} {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			eachShell(t, func(t *testing.T, shell []string) {
				r := newRoot(t, with("etc/acme/a.conf = a")...)
				r.place(acme, "acme")
				r.place(conf, "options")
				r.place("/etc/acme/a.conf", "acme")
				r.recorded()
				r.put(conf, "changed")
				if link == "/lib" {
					r.drop("/lib")
					require.NoError(t, os.Rename(r.at("/usr/lib"), r.at("/lib")))
				}
				// What it names is whole, but outside.
				outside := t.TempDir() + "/there"
				require.NoError(t, os.Rename(r.at(link), outside))
				r.link(outside, link)
				m := newMachine(t, shell)
				in, out := snapshot(t, r.dir), snapshot(t, outside)
				for _, call := range []string{"remove", "purge"} {
					got := m.run(r, script(t, "postrm", pkg), call)
					assert.Zero(t, got.code)
					assert.Regexp(t, `^koweld: warning: /.* leads out of `+r.dir+`: the files of .* stay; run koweld .*\n$`, got.said)
					sameTree(t, in, snapshot(t, r.dir))
					sameTree(t, out, snapshot(t, outside))
					assert.Empty(t, m.logged())
				}
			})
		})
	}
}

// A relative link within, and a root that is itself reached by a link, are
// nothing special.
func TestPostrmFollowsLinksInTheRoot(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		r := newRoot(t, with("srv/acme/", "etc/acme -> ../srv/acme", "srv/acme/a.conf = a")...)
		before := snapshot(t, r.dir)
		r.place("/etc/acme/a.conf", "acme")
		r.place("/etc/acme/b.conf", "acme")
		r.recorded()
		real := r.dir
		r.dir = t.TempDir() + "/link"
		require.NoError(t, os.Symlink(real, r.dir))
		assert.Equal(t, result{}, newMachine(t, shell).run(r, script(t, "postrm", pkg), "remove"))
		sameTree(t, before, snapshot(t, real))
	})
}

// Nobody but koweld can end what was killed, and the only copy of an original
// may be under a name that its journal knows.
func TestPostrmLeavesAnOpenJournal(t *testing.T) {
	journal := func(unit string, packages ...string) string {
		text := `{"koweld":1,"unit":"` + unit + `","ops":[`
		for _, pkg := range packages {
			text += `{"kind":"place","path":"` + state + `/packages/` + pkg + `.json","mode":420},`
		}
		return "12345678 " + strings.TrimSuffix(text, ",") + "]}\n"
	}
	tests := []struct {
		name, file, text string
		listed, ours     bool
	}{
		{"of an upgrade", "12-" + pkg, journal(pkg, pkg), true, true},
		{"of a first install", "1-" + pkg, journal(pkg, pkg), false, true},
		{"of a package that takes over", "3-heir", journal("heir", pkg, "heir"), true, true},
		{"of another package", "3-other", journal("other", "other"), true, false},
		{"of similar names", "3-x-" + pkg, journal("x-"+pkg, "x-"+pkg, pkg+"-dbg"), true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachShell(t, func(t *testing.T, shell []string) {
				r := newRoot(t, with("etc/a.conf = a")...)
				if tt.listed {
					r.place("/etc/a.conf", "acme")
					r.recorded()
				}
				r.put(state+"/journal/"+tt.file+".journal", tt.text)
				r.put(state+"/lock", "")
				before := snapshot(t, r.dir)
				m := newMachine(t, shell)
				postrm := script(t, "postrm", pkg)
				if !tt.ours {
					assert.Equal(t, result{}, m.run(r, postrm, "remove"))
					assert.NoFileExists(t, r.at(state+"/packages/"+pkg+".json"))
					assert.FileExists(t, r.at(state+"/journal/"+tt.file+".journal"))
					return
				}
				for _, call := range []string{"remove", "purge"} {
					want := "koweld: warning: a run of koweld was killed: the files of " + pkg +
						" stay; run koweld repair --all, then koweld remove " + pkg + "\n"
					assert.Equal(t, result{0, want}, m.run(r, postrm, call))
					sameTree(t, before, snapshot(t, r.dir))

					// With koweld it can be ended, so dpkg has to try again.
					m.fake("koweld", "exit 5")
					assert.Equal(t, result{1, want}, m.run(r, postrm, call))
					sameTree(t, before, snapshot(t, r.dir))
					m.without("koweld")
				}
			})
		})
	}
}

// A power cut must not undo what the list no longer tells: bytes are durable
// before the only other copy goes, names before the list.
func TestPostrmIsDurable(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		r := newRoot(t, with("etc/a.conf = a", "etc/b.conf = b")...)
		r.place("/etc/a.conf", "acme")
		r.place("/etc/c.conf", "acme")
		r.recorded()
		r.put("/etc/c.conf", "changed")
		m := newMachine(t, shell)
		for _, name := range []string{"cp", "mv", "rm", "sync"} {
			program, err := exec.LookPath(name)
			require.NoError(t, err)
			m.fake(name, fmt.Sprintf("exec %q \"$@\"", program))
		}
		assert.Zero(t, m.run(r, script(t, "postrm", pkg), "remove").code)
		logged := strings.ReplaceAll(m.logged(), r.dir, "")
		kept := saved + "/etc"
		assert.Equal(t, []string{
			"rm -f /etc/a.conf",
			"cp -aT /etc/c.conf " + kept + "/.weld-copy",
			"sync " + kept + "/.weld-copy",
			"mv -fT " + kept + "/.weld-copy " + kept + "/c.conf.changed",
			"sync " + kept,
			"rm -f /etc/c.conf",
			"cp -aT " + kept + "/a.conf /etc/.weld-copy",
			"sync /etc/.weld-copy",
			"mv -fT /etc/.weld-copy /etc/a.conf",
			"sync /etc",
			"rm -f " + kept + "/a.conf",
			"sync /etc " + kept,
			"rm -f " + state + "/packages/" + pkg + ".json " + state + "/packages/" + pkg + ".sha256",
			"rm -rf " + state + "/scratch",
		}, strings.Split(strings.TrimSpace(logged), "\n"))
	})
}

// What cannot be read or removed fails the script, and all is there for the
// next try.
func TestPostrmFails(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		for _, broken := range []string{"rm", "tr", "sha256sum", "cp", "sync", "mkdir", "flock"} {
			t.Run(broken, func(t *testing.T) {
				build := scene{do: everything, before: everythingBefore, after: everythingAfter}
				r, want := build.build(t)
				m := newMachine(t, shell)
				real := m.bin + "/" + broken
				program, err := os.Readlink(real)
				require.NoError(t, err)
				m.fake(broken, "exit 1")
				got := m.run(r, script(t, "postrm", pkg), "remove")
				assert.NotZero(t, got.code, got.said)
				assert.FileExists(t, r.at(state+"/packages/"+pkg+".sha256"))
				require.NoError(t, os.Remove(real))
				require.NoError(t, os.Symlink(program, real))
				assert.Zero(t, m.run(r, script(t, "postrm", pkg), "remove").code)
				sameTree(t, snapshot(t, want.dir), snapshot(t, r.dir))
			})
		}
	})
}
