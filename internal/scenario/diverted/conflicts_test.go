package diverted

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// one is a package of one diversion, of data unless it says otherwise.
func one(keys string, files ...string) deb {
	all := []string{"id: one"}
	if !strings.Contains(keys, "from:") {
		all = append(all, "from: "+data)
	}
	if keys != "" {
		all = append(all, keys)
	}
	if len(files) == 0 {
		files = []string{"/usr/share/one"}
		all = append(all, "ship: false")
	}
	return deb{name: "one", version: "1", files: files, diverts: "  - {" + strings.Join(all, ", ") + "}\n"}
}

// At the removal somebody's file lies at the diverted name (facts of the field: the
// postrm fails, and the package cannot be removed).
func TestBothNamesAreThereAtTheRemoval(t *testing.T) {
	for _, rule := range []string{"save", "leave", "fail"} {
		t.Run(rule, func(t *testing.T) {
			merged(t, func(t *testing.T, s *scene) {
				s.install(tool["2"])
				s.install(one("from: " + halt + ", on_conflict: " + rule))
				theirs := tool["2"].text(halt)
				require.Equal(t, theirs, s.get(halt+".distrib"))
				s.put(halt, "an intruder")
				s.put(halt+".koweld-saved-1", "an older one")
				code, said := s.dpkg("--remove", "one")
				switch rule {
				case "save":
					require.Zero(t, code, said)
					assert.Contains(t, said, "kept as "+halt+".koweld-saved-2")
					assert.Equal(t, "an intruder", s.get(halt+".koweld-saved-2"))
					assert.Equal(t, "an older one", s.get(halt+".koweld-saved-1"))
					assert.Equal(t, theirs, s.get(halt))
					assert.Empty(t, s.get(halt+".distrib"))
				case "leave":
					require.Zero(t, code, said)
					assert.Contains(t, said, halt+".distrib stays")
					assert.Equal(t, "an intruder", s.get(halt))
					assert.Equal(t, theirs, s.get(halt+".distrib"))
				case "fail":
					require.NotZero(t, code)
					assert.Contains(t, said, "cannot take back the diversion of "+halt)
					require.NoError(t, os.Remove(s.host(halt)))
					s.must("--remove", "one")
					assert.Equal(t, theirs, s.get(halt))
				}
				assert.Empty(t, s.diversions())
			})
		})
	}
}

// One that is like the diverted file is it.
func TestTheSameFileIsThereAtTheRemoval(t *testing.T) {
	merged(t, func(t *testing.T, s *scene) {
		s.install(tool["2"])
		before := s.files()
		s.install(one("from: " + halt))
		s.put(halt, tool["2"].text(halt))
		s.must("--remove", "one")
		assert.Equal(t, before, s.files())
		assert.Empty(t, s.diversions())
	})
}

func TestAFileOfNobodyIsDiverted(t *testing.T) {
	merged(t, func(t *testing.T, s *scene) {
		s.put(halt, "of the admin")
		s.folder(filepath.Dir(plugin))
		require.NoError(t, unix.Symlink("elsewhere", s.host(plugin)+"x"))
		before := s.snapshot()
		d := one("from: "+halt+", to: /usr/lib/one/halt", halt)
		d.diverts += "  - {id: link, from: " + plugin + "x, ship: false}\n"
		s.install(d)
		assert.Equal(t, "of the admin", s.get("/usr/lib/one/halt"))
		assert.Equal(t, d.text(halt), s.get(halt))
		assert.Equal(t, "-> elsewhere", s.files()[s.place(plugin)+"x.distrib"])
		s.must("--purge", "one")
		assert.Equal(t, before, s.snapshot())
	})
}

func TestAFileIsInTheWayAtTheInstallation(t *testing.T) {
	merged(t, func(t *testing.T, s *scene) {
		s.install(tool["2"])
		s.put(halt+".distrib", "in the way")
		before := s.snapshot()
		for _, rule := range []string{"leave", "fail"} {
			code, said := s.tryInstall(one("from: " + halt + ", on_conflict: " + rule))
			require.NotZero(t, code)
			assert.Contains(t, said, "there is a file at "+halt+".distrib, and it is another")
			assert.Equal(t, before, s.snapshot())
		}
		s.install(one("from: " + halt))
		assert.Equal(t, tool["2"].text(halt), s.get(halt+".distrib"))
		assert.Equal(t, "in the way", s.get(halt+".distrib.koweld-saved-1"))
		s.must("--purge", "one")
		assert.Equal(t, tool["2"].text(halt), s.get(halt))
	})
}

func TestNothingIsMoved(t *testing.T) {
	merged(t, func(t *testing.T, s *scene) {
		s.install(tool["1"])
		s.install(one("from: " + halt + ", move: never"))
		assert.Equal(t, tool["1"].text("/sbin/halt"), s.get("/sbin/halt"))
		s.install(tool["2"])
		assert.Equal(t, tool["2"].text(halt), s.get(halt+".distrib"))
		s.must("--purge", "one")
		assert.Equal(t, tool["2"].text(halt), s.get(halt))
	})
}

// An Essential package is not to be without its file for a moment.
func TestEssentialFiles(t *testing.T) {
	vital := deb{name: "vital", version: "1", files: []string{halt}, fields: []string{"Essential: yes"}}
	merged(t, func(t *testing.T, s *scene) {
		s.install(vital)
		s.install(one("from: " + halt))
		assert.Equal(t, vital.text(halt), s.get(halt))
		s.must("--purge", "one")
		assert.Equal(t, vital.text(halt), s.get(halt))
		// The file of the package replaces it in one step.
		mine := one("from: "+halt, halt)
		s.install(mine)
		assert.Equal(t, mine.text(halt), s.get(halt))
		assert.Equal(t, vital.text(halt), s.get(halt+".distrib"))
		s.must("--purge", "one")
		assert.Equal(t, map[string]string{s.place(halt): vital.text(halt)}, s.files())
	})
}

// Nothing is changed where it cannot be done.
func TestRefusals(t *testing.T) {
	by := func(keys string) deb { d := one(keys); d.name = "other"; return d }
	tests := []struct {
		name    string
		prepare func(s *scene)
		keys    string
		says    string
		only    string // a layout
	}{
		{"the target is of a package", func(s *scene) { s.install(deb{name: "third", version: "1", files: []string{data + ".distrib"}}) }, "", "package third ships " + data + ".distrib", ""},
		{
			"by its other spelling", func(s *scene) { s.install(deb{name: "third", version: "1", files: []string{"/sbin/halt.distrib"}}) },
			"from: " + halt, "package third ships " + halt + ".distrib", "merged",
		},
		{"another package diverts it", func(s *scene) { s.install(by("to: /usr/share/tool/elsewhere")) }, "", data + " is in a diversion of other already", ""},
		{"to the same name", func(s *scene) { s.install(by("")) }, "", data + " is in a diversion of other already", ""},
		{"the administrator does", func(s *scene) {
			s.run("dpkg-divert", "--local", "--no-rename", "--add", data)
		}, "", data + " is in a diversion of LOCAL already", ""},
		{"the target is diverted", func(s *scene) { s.install(by("from: " + data + ".distrib, to: /usr/share/x")) }, "", data + ".distrib is in a diversion of other already", ""},
		{"the other spelling is diverted", func(s *scene) {
			s.run("dpkg-divert", "--package", "old", "--no-rename", "--divert", "/sbin/halt.old", "--add", "/sbin/halt")
		}, "from: " + halt, "/sbin/halt is in a diversion of old already", "merged"},
		{"it is a folder", func(s *scene) { s.folder(data) }, "", "cannot divert " + data + ": it is a folder", ""},
		{"the target is a folder", func(s *scene) { s.put(data, "x"); s.folder(data + ".distrib") }, "", data + ".distrib is a folder", ""},
		{"both are one place", func(s *scene) {
			s.folder("/usr/share/tool")
			require.NoError(s.t, os.Symlink("tool", s.host("/usr/share/alias")))
		}, "to: /usr/share/alias/data", "/usr/share/alias/data is the same place here", ""},
		{"two packages ship it by two spellings", func(s *scene) {
			s.install(deb{name: "a", version: "1", files: []string{"/sbin/halt"}})
			s.install(deb{name: "b", version: "1", files: []string{halt}})
		}, "from: " + halt, "whose file is there is not known", "merged"},
		{"one spelling is a link to the other", func(s *scene) {
			s.put(halt, "x")
			require.NoError(s.t, os.Symlink(halt, s.host("/sbin/halt")))
		}, "from: " + halt, "if /usr is being merged, end that first", "split"},
		{"a file is mounted there", func(s *scene) {
			s.put(data, "x")
			s.put("/usr/share/y", "y")
			if err := unix.Mount(s.host("/usr/share/y"), s.host(data), "", unix.MS_BIND, ""); err != nil {
				s.t.Skipf("mounts are not tried, they need CAP_SYS_ADMIN: %v", err)
			}
			s.t.Cleanup(func() { _ = unix.Unmount(s.host(data), unix.MNT_DETACH) })
		}, "", "a file is mounted on " + data, ""},
	}
	eachLayout(t, func(t *testing.T, s *scene) {
		for _, tt := range tests {
			if s.layout == "bind" || tt.only != "" && tt.only != s.layout {
				continue
			}
			t.Run(tt.name, func(t *testing.T) {
				s := newScene(t, s.release, s.layout)
				tt.prepare(s)
				before := s.snapshot()
				if s.layout == "split" && tt.only == "split" {
					// The link leads out of the root, where there is none.
					require.NoError(t, os.Remove(s.host("/sbin/halt")))
					require.NoError(t, os.Symlink("../usr/sbin/halt", s.host("/sbin/halt")))
					before = s.snapshot()
				}
				code, said := s.tryInstall(one(tt.keys))
				assert.NotZero(t, code)
				assert.Contains(t, said, tt.says)
				assert.Equal(t, before, s.snapshot())
			})
		}
	})
}

// A shell and dpkg-divert join strings: an absolute link in a root leads them out.
func TestNothingOutsideTheRootIsTouched(t *testing.T) {
	eachRelease(t, func(t *testing.T, r release) {
		s := newScene(t, r, "merged")
		outside := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(outside, "data"), []byte("the host's"), 0o644))
		require.NoError(t, os.Symlink(outside, s.host("/usr/share/tool")))
		code, said := s.tryInstall(one("alias: none"))
		assert.NotZero(t, code)
		assert.Contains(t, said, "leads out of")
		names, err := filepath.Glob(outside + "/*")
		require.NoError(t, err)
		assert.Equal(t, []string{filepath.Join(outside, "data")}, names)
		assert.Empty(t, s.diversions())
	})
}

// Multi-Arch: same: the diversion stays until the last instance goes.
func TestInstancesShareIt(t *testing.T) {
	instance := func(version, arch, keys string, files ...string) deb {
		d := one(keys, files...)
		d.name, d.version, d.arch, d.fields = "same", version, arch, []string{"Multi-Arch: same"}
		if keys == "" {
			d.diverts = ""
		}
		return d
	}
	merged(t, func(t *testing.T, s *scene) {
		for _, files := range [][]string{nil, {halt}} {
			s.install(tool["2"], owner)
			before := s.snapshot()
			diverted := func(yes bool) {
				t.Helper()
				if yes {
					assert.Equal(t, tool["2"].text(halt), s.get(halt+".distrib"))
				} else {
					assert.Empty(t, s.get(halt+".distrib"))
					assert.Empty(t, s.diversions())
				}
			}
			keys := "from: " + halt + `, since: "2"`
			other := append([]string{"/usr/share/same"}, files...)
			all := other
			if files == nil {
				all = nil
			}
			amd64, i386 := instance("2", "amd64", keys, all...), instance("2", "i386", keys, all...)
			s.install(amd64)
			diverted(true)
			s.failing("after same 2 preinst install", func() { _, _ = s.tryInstall(i386) })
			diverted(true)
			_, _ = s.tryInstall(broken(i386))
			diverted(true)
			s.install(i386)
			diverted(true)
			for _, goes := range []string{"--remove", "--purge"} {
				s.must(goes, "same:amd64")
				diverted(true)
				s.install(amd64)
				s.must(goes, "same:i386")
				diverted(true)
				s.must(goes, "same:amd64")
				diverted(false)
				s.must("--purge", "same:amd64", "same:i386")
				assert.Equal(t, before, s.snapshot())
				s.install(amd64, i386)
			}
			s.must("--purge", "same:amd64", "same:i386")

			// Both are upgraded, and the second fails: the first needs it already.
			s.install(instance("1", "amd64", "", "/usr/share/same"), instance("1", "i386", "", "/usr/share/same"))
			for _, call := range []string{"before", "after"} {
				s.failing(call+" same 2 preinst upgrade", func() {
					_, _ = s.bring("--unpack", amd64)
				})
				diverted(false)
			}
			code, said := s.bring("--unpack", amd64)
			require.Zero(t, code, said)
			s.failing("after same 2 preinst upgrade", func() { _, _ = s.bring("--unpack", i386) })
			diverted(true)
			s.install(i386)
			s.must("--configure", "--pending")
			diverted(true)
			s.must("--purge", "same:i386", "same:amd64")
			assert.Equal(t, before, s.snapshot())
			s.must("--purge", "tool", "owner")
		}
	})
}
