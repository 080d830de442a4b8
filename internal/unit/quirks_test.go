package unit_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys/faultfs"
	"koweld/internal/unit"
	"koweld/quirks"
)

// quirky is a scene with a quirk of the administrator that says something while a
// condition holds.
func quirky(t *testing.T, condition string) *scene {
	s := newScene(t, t.TempDir(), false)
	t.Cleanup(s.close)
	s.write(unit.AdminQuirksDir+"/x.yaml", "koweld: 1\nquirks:\n  - id: x\n    title: t\n    keep: {when: "+condition+", do: [message: {text: holds}]}\n")
	return s
}

func TestQuirkFactsOfTheSystem(t *testing.T) {
	fips := func(text string) func(*scene) {
		return func(s *scene) { s.write("/proc/sys/crypto/fips_enabled", text) }
	}
	tests := []struct {
		name      string
		condition string
		prepare   func(s *scene)
		elsewhere bool // it is not the running system
		want      quirks.Truth
	}{
		{"fips", "{fips: true}", fips("1\n"), false, quirks.True},
		{"no fips", "{fips: true}", fips("0\n"), false, quirks.False},
		{"a kernel without", "{fips: true}", nil, false, quirks.False},
		{"fips of another system", "{fips: true}", fips("1\n"), true, quirks.Unknown},
		{"running kernel", "{kernel: {version: {eq: 5.4.0-84-generic}}}", nil, false, quirks.True},
		{"running kernel of another system", "{kernel: {version: {ge: '1'}}}", nil, true, quirks.Unknown},
		{"installed kernel", "{kernel: {view: installed, version: {eq: " + kernel + "}}}", nil, true, quirks.True},
		{"no such kernel", "{kernel: {view: installed, version: {gt: '7'}}}", nil, true, quirks.False},
		{"os-release", "{os: {id: debian, release: bookworm}}", func(s *scene) {
			s.write("/etc/os-release", "NAME=x\nID=debian\nVERSION_CODENAME=\"bookworm\"\n# VERSION_ID=1\n")
		}, true, quirks.True},
		{"os-release by a link", "{os: {release: '24.04'}}", func(s *scene) {
			s.write("/usr/lib/os-release", "VERSION_ID='24.04'\n")
			require.NoError(s.t, os.Symlink("../usr/lib/os-release", s.host("/etc/os-release")))
		}, true, quirks.True},
		{"os-release in /usr", "{os: {id: debian}}", func(s *scene) { s.write("/usr/lib/os-release", "ID=arch\n") }, true, quirks.False},
		{"no os-release", "{os: {id: debian}}", nil, true, quirks.Unknown},
		{"arch", "{arch: amd64}", nil, true, quirks.True},
		{"layout", "{layout: {dir: /lib, is: split}}", nil, true, quirks.True},
		{"a file", "{path: {path: /etc/f, is: file, mode: '0644'}}", func(s *scene) { s.write("/etc/f", "") }, true, quirks.True},
		{"a folder", "{path: {path: /etc, is: dir}}", nil, true, quirks.True},
		{"nothing", "{path: {path: /etc/none, is: absent}}", nil, true, quirks.True},
		{"a loop", "{path: {path: /etc/loop/x, is: loop}}", func(s *scene) { require.NoError(s.t, os.Symlink("loop", s.host("/etc/loop"))) }, true, quirks.True},
		{"a link", "{path: {path: /etc/link, is: symlink}}", func(s *scene) { require.NoError(s.t, os.Symlink("f", s.host("/etc/link"))) }, true, quirks.True},
		{"a package without dpkg", "{package: {name: tool}}", nil, true, quirks.Unknown},
		{"an owner without dpkg", "{owner: {path: /etc/f, is: none}}", nil, true, quirks.Unknown},
		{"dpkg without dpkg", "{dpkg: {version: {ge: '1'}}}", nil, true, quirks.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := quirky(t, tt.condition)
			if tt.prepare != nil {
				tt.prepare(s)
			}
			sys := s.sound()
			if sys.Running = !tt.elsewhere; sys.Running {
				sys.Kernel = "5.4.0-84-generic"
			}
			all, err := sys.Explain(s.ctx(), unit.Occasion{Stage: quirks.Manual})
			require.NoError(t, err)
			require.Len(t, all, 1)
			assert.Equal(t, tt.want, all[0].When.Is, all[0].Explain())
		})
	}
}

// A document that others may write is not read, and what is on record stays.
func TestQuirksOfOthersAreNotRead(t *testing.T) {
	s := quirky(t, "{arch: amd64}")
	all, err := s.sound().Reconcile(s.ctx(), unit.Occasion{Stage: quirks.Manual}, unit.Options{})
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Len(t, all[0].Say, 1)
	before := s.tree()

	require.NoError(t, os.Chmod(s.host(unit.AdminQuirksDir+"/x.yaml"), 0o666))
	all, err = s.sound().Reconcile(s.ctx(), unit.Occasion{Stage: quirks.Manual}, unit.Options{})
	var wrong *unit.QuirksError
	require.ErrorAs(t, err, &wrong)
	assert.Contains(t, err.Error(), "is writable by others")
	require.Len(t, all, 1)
	assert.Equal(t, quirks.Unsure, all[0].State)
	require.NoError(t, os.Chmod(s.host(unit.AdminQuirksDir+"/x.yaml"), 0o644))
	assert.Equal(t, before, s.tree())
}

// A record that cannot be read is told of, and its quirk is left alone; the others
// are decided.
func TestDamagedRecordOfAQuirk(t *testing.T) {
	s := quirky(t, "{arch: amd64}")
	s.write(unit.AdminQuirksDir+"/y.yaml", "koweld: 1\nquirks:\n  - id: y\n    title: t\n    keep: {when: {arch: amd64}, do: [message: {text: too}]}\n")
	s.write("/var/lib/koweld/quirks/x.json", "{")
	all, err := s.sound().Reconcile(s.ctx(), unit.Occasion{Stage: quirks.Boot}, unit.Options{})
	require.ErrorContains(t, err, "cannot read record /var/lib/koweld/quirks/x.json")
	require.Len(t, all, 1)
	assert.Equal(t, "y", all[0].Quirk)
	assert.Equal(t, quirks.Held, all[0].State)
	assert.FileExists(t, s.host("/var/lib/koweld/quirks/y.json"))

	s.write("/var/lib/koweld/quirks/x.json", `{"koweld": 9, "quirk": "x"}`)
	_, err = s.sound().Reconcile(s.ctx(), unit.Occasion{Stage: quirks.Boot}, unit.Options{})
	require.ErrorContains(t, err, "a newer koweld wrote it")
}

// Somebody puts another file at a name after each look that a reconciliation takes at
// it: theirs is never lost.
func TestQuirksLoseNoFileOfOthers(t *testing.T) {
	const (
		name, good, mirror = "/srv/f", "/srv/good", "/srv/copy"
		theirs             = "what somebody else put there"
		keeps              = "    keep: {when: {arch: %s}, do: [mirror: {from: " + name + ", to: " + mirror + "%s}]}\n"
		cleans             = "    cleanup: [{id: c, when: {path: {path: " + name + ", %s}}, do: [remove_stale: {path: " + name + ", keep: " + good + ", verify: false}]}]\n"
	)
	tests := []struct {
		name          string
		before, quirk string
		prepare       func(s *scene)
		target        string
	}{
		{"a second name is made", "", fmt.Sprintf(keeps, "amd64", ""), nil, mirror},
		{"a link is made", "", fmt.Sprintf(keeps, "amd64", ", mode: hardlink"), nil, mirror},
		{
			"a second name is made anew", fmt.Sprintf(keeps, "amd64", ""), fmt.Sprintf(keeps, "amd64", ""),
			func(s *scene) { s.write(name, "new") }, mirror,
		},
		{"a second name ends", fmt.Sprintf(keeps, "amd64", ""), fmt.Sprintf(keeps, "arm64", ""), nil, mirror},
		{"a file is stale", "", fmt.Sprintf(cleans, "sha256: "+fmt.Sprintf("%x", sha256.Sum256([]byte("old")))), nil, name},
		{"a link is stale", "", fmt.Sprintf(cleans, "is: symlink"), func(s *scene) {
			require.NoError(s.t, os.Remove(s.host(name)))
			require.NoError(s.t, os.Symlink("good", s.host(name)))
		}, name},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			met := 0
			for n := 1; ; n++ {
				s := newScene(t, t.TempDir(), false)
				sys := s.debians(t)
				s.write(name, "old")
				s.write(good, "good")
				reconcile := func(sys *unit.System, body string) error {
					s.write(unit.AdminQuirksDir+"/x.yaml", "koweld: 1\nquirks:\n  - id: x\n    title: t\n"+body)
					_, err := sys.Reconcile(s.ctx(), unit.Occasion{Stage: quirks.Manual}, unit.Options{})
					return err
				}
				if tt.before != "" {
					require.NoError(t, reconcile(sys, tt.before))
				}
				if tt.prepare != nil {
					tt.prepare(s)
				}
				x := faultfs.New(s.fs, faultfs.Fault{})
				looks := 0
				x.After = func(c faultfs.Call) {
					if c.Path != tt.target {
						return
					}
					if looks++; looks == n {
						require.NoError(t, os.WriteFile(s.host("/srv/.theirs"), []byte(theirs), 0o644))
						require.NoError(t, os.Rename(s.host("/srv/.theirs"), s.host(tt.target)))
					}
				}
				sys.FS = x
				err := reconcile(sys, tt.quirk)
				s.close()
				if looks < n {
					require.NoError(t, err)
					break
				}
				met++
				data, rerr := os.ReadFile(s.host(tt.target))
				require.NoError(t, rerr, "after look %d: %v", n, err)
				require.Equal(t, theirs, string(data), "after look %d: %v", n, err)
			}
			assert.Greater(t, met, 3)
			t.Logf("%d looks", met)
		})
	}
}
