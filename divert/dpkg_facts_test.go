package divert_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/divert"
)

// What real dpkg does with a diversion, and that Check and Plan know it. Each
// test shows the harm first, so that it fails if dpkg learns better.

func TestDpkgRenameDeletesAnAliasedFile(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		for _, layout := range []string{"merged", "bind", "one folder is a link"} {
			t.Run(layout, func(t *testing.T) {
				l := newLab(t, layout, bin)
				from, to := "/lib/x.hmac", "/usr/lib/x.hmac"
				if layout == "one folder is a link" { // its top folders are split
					l.folder("/usr/lib/tst")
					l.link("/lib/tst", "../usr/lib/tst")
					from, to = "/lib/tst/x", "/usr/lib/tst/x"
				}
				l.file(to, "x")
				l.must("dpkg-divert", "--quiet", "--local", "--rename", "--divert", to, "--add", from)
				assert.Empty(t, l.has(to), "dpkg-divert --rename has deleted it, and said nothing")
				assert.Equal(t, []string{"onto-itself"}, l.found())

				// It is refused; and one that is there goes without harm.
				l.file(to, "x")
				l.refused(divert.Want{From: to, To: from}, divert.OnePlace, "")
				l.carryOut(divert.Want{From: from, To: to, Absent: true})
				assert.Equal(t, "x", l.has(to))
				assert.Empty(t, l.found())
			})
		}
	})
}

func TestDpkgReplacesTheFileOfAnIneffectiveDiversion(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "merged", bin)
		guard := deb{name: "guard", version: "1", files: []string{"/sbin/halt"}, preinst: "dpkg-divert --package guard --no-rename --divert /sbin/halt.real --add /sbin/halt\n"}
		old, moved := deb{name: "sysv", version: "1", files: []string{"/sbin/halt"}}, deb{name: "sysv", version: "2", files: []string{"/usr/sbin/halt"}}
		l.mustInstall(guard)
		l.mustInstall(old)
		assert.Equal(t, old.text("/sbin/halt"), l.has("/sbin/halt.real"))
		assert.Empty(t, l.found())
		l.mustInstall(moved)
		assert.Equal(t, moved.text("/usr/sbin/halt"), l.has("/sbin/halt"), "dpkg has replaced the file of guard")
		assert.Contains(t, l.found(), "ineffective")
	})
}

func TestDpkgKeepsBothFilesOfAPlannedDiversion(t *testing.T) {
	const halt = "/usr/sbin/halt"
	want := divert.Want{From: halt, To: halt + ".real", Package: "guard"}
	eachRelease(t, func(t *testing.T, bin string) {
		for _, spelling := range []string{"/sbin/halt", halt} {
			for _, layout := range []string{"merged", "bind"} {
				if layout == "bind" && spelling == halt {
					continue // as merged: nothing knows of the other spelling
				}
				t.Run(layout+spelling, func(t *testing.T) {
					l := newLab(t, layout, bin)
					sysv := deb{name: "sysv", version: "1", files: []string{spelling}}
					guard := deb{name: "guard", version: "1", files: []string{halt}}
					both := func() {
						t.Helper()
						assert.Empty(t, l.found())
						assert.Equal(t, guard.text(halt), l.has(halt))
						theirs := l.has("/usr/sbin/halt.real") + l.has("/sbin/halt.real.usr-is-merged")
						assert.Equal(t, sysv.text(sysv.files[0]), theirs)
					}
					l.mustInstall(sysv)
					l.carryOut(want)
					l.mustInstall(guard)
					both()
					// Its next version has the canonical name, and one after it too.
					for _, version := range []string{"2", "3"} {
						sysv = deb{name: "sysv", version: version, files: []string{halt}}
						l.mustInstall(sysv)
						both()
					}
					l.must("dpkg", "--purge", "guard")
					want := want
					want.Absent = true
					l.carryOut(want)
					assert.Equal(t, sysv.text(halt), l.has(halt))
					assert.Empty(t, l.state().Diversions)
				})
			}
		}
	})
}

func TestDpkgDeletesAFileDivertedToOnePlaceByBothSpellings(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "merged", bin)
		l.mustInstall(deb{name: "tool", version: "1", files: []string{"/bin/tool"}})
		for _, dir := range []string{"/bin", "/usr/bin"} {
			l.must("dpkg-divert", "--quiet", "--local", "--no-rename", "--divert", dir+"/tool.real", "--add", dir+"/tool")
		}
		require.NoError(t, os.Rename(l.host("/bin/tool"), l.host("/bin/tool.real")))
		assert.Equal(t, []string{"clash"}, l.found())
		l.mustInstall(deb{name: "tool", version: "2", files: []string{"/usr/bin/tool"}})
		assert.Empty(t, l.has("/usr/bin/tool.real"), "dpkg has deleted what it has just unpacked")
	})
}

func TestDpkgReplacesAndRemovesTheFileAtAnOwnedTarget(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		third := deb{name: "third", version: "1", files: []string{target}}
		l.mustInstall(third)
		l.refused(acme, divert.Owned, "third")
		l.must("dpkg-divert", "--quiet", "--package", "acme", "--no-rename", "--divert", target, "--add", x)
		assert.ElementsMatch(t, []string{"target-owned", "orphan"}, l.found())
		other := deb{name: "other", version: "1", files: []string{x}}
		l.mustInstall(other)
		assert.Equal(t, other.text(x), l.has(target), "dpkg has replaced the file of third")
		l.must("dpkg", "--purge", "other")
		assert.Empty(t, l.has(target), "and removed it")
	})
}

func TestDpkgDoesNotUnpackIntoAMissingFolder(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		want := divert.Want{From: x, To: "/usr/bin/none/x"}
		l.refused(want, divert.NoParent, "")
		l.must("dpkg-divert", "--quiet", "--local", "--no-rename", "--divert", want.To, "--add", x)
		assert.Equal(t, []string{"no-folder"}, l.found())
		out, err := l.install(deb{name: "other", version: "1", files: []string{x}})
		require.Error(t, err, out)
		assert.Contains(t, out, "/usr/bin/none/x.dpkg-new")
	})
}

func TestDpkgRefusesAPackageThatShipsATarget(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		l.mustInstall(deb{name: "hmac", version: "1", files: []string{"/lib/x.hmac"}})
		want := divert.Want{From: "/lib/x.hmac", To: "/usr/lib/x.hmac", NoMove: true}
		l.carryOut(want)
		assert.Equal(t, []string{"unmoved"}, l.found())
		// The broken version again: its file comes to where it is needed, the old one stays.
		l.mustInstall(deb{name: "hmac", version: "1.4", files: []string{"/lib/x.hmac"}})
		assert.Equal(t, "/lib/x.hmac of hmac 1", l.has("/lib/x.hmac"))
		assert.Equal(t, "/lib/x.hmac of hmac 1.4", l.has("/usr/lib/x.hmac"))
		assert.Empty(t, l.found())
		// The mended one needs the diversion to be gone first.
		mended := deb{name: "hmac", version: "1.5", files: []string{"/usr/lib/x.hmac"}}
		out, err := l.install(mended)
		require.Error(t, err, out)
		assert.Contains(t, out, "trying to overwrite")
		l.carryOut(divert.Want{From: want.From, Absent: true, NoMove: true})
		l.mustInstall(mended)
		assert.Equal(t, mended.text("/usr/lib/x.hmac"), l.has("/usr/lib/x.hmac"))
		assert.Empty(t, l.has("/lib/x.hmac"))
	})
}

func TestDpkgRenameDoesNotFinishAMove(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		other := deb{name: "other", version: "1", files: []string{x}}
		l.mustInstall(other)
		// Killed after it was recorded.
		l.must("dpkg-divert", "--quiet", "--local", "--no-rename", "--divert", target, "--add", x)
		l.must("dpkg-divert", "--quiet", "--local", "--rename", "--divert", target, "--add", x)
		assert.Equal(t, other.text(x), l.has(x), "dpkg-divert --rename has left it")
		assert.Equal(t, []string{"unmoved"}, l.found())
		l.carryOut(divert.Want{From: x, To: target})
		assert.Equal(t, other.text(x), l.has(target))
		assert.Empty(t, l.found())
	})
}

func TestDpkgLeavesADivertedConffile(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		l.folder("/etc")
		l.mustInstall(deb{name: "other", version: "1", conffile: "/etc/x.conf"})
		l.refused(divert.Want{From: "/etc/x.conf", To: "/etc/x.conf.distrib"}, divert.IsConffile, "other")
		l.must("dpkg-divert", "--quiet", "--local", "--rename", "--divert", "/etc/x.conf.distrib", "--add", "/etc/x.conf")
		assert.Equal(t, []string{"conffile"}, l.found())
		l.must("dpkg", "--purge", "other")
		assert.NotEmpty(t, l.has("/etc/x.conf.distrib"), "dpkg has left it behind")
	})
}

func TestDpkgKeepsTheDiversionOfAHolderThatIsGone(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		other := deb{name: "other", version: "1", files: []string{x}}
		l.mustInstall(other)
		l.carryOut(acme)
		l.mustInstall(deb{name: "acme", version: "1", files: []string{x}})
		assert.Empty(t, l.found())
		l.must("dpkg", "--purge", "acme")
		assert.Contains(t, l.found(), "orphan")
		l.refused(divert.Want{From: x, Package: "rival", Absent: true}, divert.Diverted, "acme")
		l.carryOut(released)
		assert.Equal(t, other.text(x), l.has(x))
		assert.Empty(t, l.found())
	})
}

func TestDpkgTakesAnUncleanNameForAnother(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		for i, name := range []string{"/usr//bin/x", "/usr/bin/../bin/x"} {
			to := target + string(rune('0'+i))
			l.refused(divert.Want{From: name, To: to}, divert.NotClean, "")
			l.must("dpkg-divert", "--quiet", "--local", "--no-rename", "--divert", to, "--add", name)
		}
		assert.Equal(t, []string{"unclean", "unclean"}, l.found())
		other := deb{name: "other", version: "1", files: []string{x}}
		l.mustInstall(other)
		assert.Equal(t, other.text(x), l.has(x), "nothing is diverted")
	})
}

func TestDpkgRefusesWhatThePlanRefuses(t *testing.T) {
	tests := []struct {
		name string
		want divert.Want
		why  divert.Reason
	}{
		{"from, to another target", divert.Want{From: x, To: "/usr/bin/y"}, divert.Diverted},
		{"from, by another holder", divert.Want{From: x, To: target, Package: "acme"}, divert.Diverted},
		{"its target is a target", divert.Want{From: "/usr/bin/y", To: target}, divert.Diverted},
		{"its target is diverted", divert.Want{From: "/usr/bin/y", To: x}, divert.Diverted},
		{"a target is diverted", divert.Want{From: target, To: "/usr/bin/y"}, divert.Diverted},
		{"a folder", divert.Want{From: "/usr/sbin", To: "/usr/bin/y"}, divert.IsFolder},
		{"itself", divert.Want{From: "/usr/bin/y", To: "/usr/bin/y"}, divert.OnePlace},
		{"a relative name", divert.Want{From: "usr/bin/y", To: "/usr/bin/z"}, divert.NotClean},
	}
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		l.carryOut(divert.Want{From: x, To: target})
		before := l.has(admin + "/diversions")
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				_, err := l.plan(tt.want)
				refusedFor(t, err, tt.why, "")
				d := divert.Diversion{From: tt.want.From, To: tt.want.To, Package: tt.want.Package}
				assert.False(t, real{bin}.add(l.scene, d))
			})
		}
		// The same again is nothing for both.
		l.carryOut(divert.Want{From: x, To: target})
		assert.True(t, real{bin}.add(l.scene, divert.Diversion{From: x, To: target}))
		assert.Equal(t, before, l.has(admin+"/diversions"))
	})
}

func TestDpkgMovesNothingWithoutTheOption(t *testing.T) {
	// As it is called where --no-rename is not known.
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		l.file(x, "x")
		d := divert.Diversion{From: x, To: target, Package: "acme"}
		l.must("dpkg-divert", divert.Step{Record: &d}.Args(false)...)
		assert.Equal(t, []divert.Diversion{d}, l.state().Diversions)
		assert.Equal(t, "x", l.has(x))
		l.must("dpkg-divert", divert.Step{Forget: &d}.Args(false)...)
		assert.Empty(t, l.state().Diversions)
		assert.Equal(t, "x", l.has(x))
	})
}

func TestDpkgCannotReadWhatIsDamaged(t *testing.T) {
	tests := []struct {
		name, data  string
		read, dpkgs bool
	}{
		{"whole", "/a\n/b\n:\n", true, true},
		{"names that dpkg shortens", "//a\n/./b\np\n", true, true},
		{"zeros", "\x00\x00\x00", false, false},
		{"torn", "/a\n/b\n", false, false},
		{"no last newline", "/a\n/b\n:", false, false},
		{"in two diversions", "/a\n/b\n:\n/b\n/c\n:\n", false, false},
		{"diverted twice", "/a\n/b\n:\n/a\n/c\n:\n", false, false},
		{"onto itself", "/a\n/a\n:\n", false, true},
		// dpkg reads these and means nothing by them; no dpkg-divert writes them.
		{"an empty name", "\n/b\n:\n", false, true},
		{"a relative name", "a\nb\n:\n", false, true},
	}
	eachRelease(t, func(t *testing.T, bin string) {
		l := newLab(t, "split", bin)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				require.NoError(t, os.WriteFile(l.host(admin+"/diversions"), []byte(tt.data), 0o644))
				_, err := l.koweld().Diversions(t.Context())
				assert.Equal(t, tt.read, err == nil, "%v", err)
				out, err := l.run("dpkg-divert", "--list")
				assert.Equal(t, tt.dpkgs, err == nil, out)
			})
		}
	})
}
