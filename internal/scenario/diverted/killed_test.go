package diverted

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A journey is what dpkg is told and may be killed in.
type journey struct {
	name  string
	begin func(s *scene)
	step  func(s *scene) (int, string)
	end   func(s *scene) // how an administrator goes on, until it is done
}

var journeys = []journey{
	{
		"install", func(s *scene) { s.install(tool["1"]) },
		func(s *scene) (int, string) { return s.tryInstall(acme["2"]) },
		func(s *scene) { s.install(acme["2"]) },
	},
	{
		"install beside files of nobody",
		func(s *scene) {
			for _, name := range []string{halt, data, plugin} {
				s.put(name, name+" of nobody")
			}
		},
		func(s *scene) (int, string) { return s.tryInstall(acme["2"]) },
		func(s *scene) { s.install(acme["2"]) },
	},
	{
		"upgrade from one made by hand", func(s *scene) { s.install(tool["1"], acme["0.5"]) },
		func(s *scene) (int, string) { return s.tryInstall(acme["2"]) },
		func(s *scene) { s.install(acme["2"]) },
	},
	{
		"upgrade to one without", func(s *scene) { s.install(tool["2"], acme["2"]) },
		func(s *scene) (int, string) { return s.tryInstall(acme["4"]) },
		func(s *scene) { s.install(acme["4"]) },
	},
	{
		"remove", func(s *scene) { s.install(tool["1"], acme["2"]) },
		func(s *scene) (int, string) { return s.dpkg("--remove", "acme") },
		func(s *scene) {
			// Killed after the last script had ended it is not there any more.
			if _, said := s.run("dpkg-query", "-W", "-f", "${db:Status-Status}", "acme"); said != "config-files" {
				s.must("--remove", "acme")
			}
		},
	},
	{
		"remove with an intruder",
		func(s *scene) { s.install(tool["2"], acme["2"]); s.put(data, "an intruder") },
		func(s *scene) (int, string) { return s.dpkg("--purge", "acme") },
		func(s *scene) { s.must("--purge", "acme") },
	},
	{
		"an upgrade that fails",
		func(s *scene) { s.install(tool["1"], acme["0.5"]) },
		func(s *scene) (int, string) {
			s.fail = "after acme 2 preinst upgrade"
			defer func() { s.fail = "" }()
			return s.tryInstall(acme["2"])
		},
		func(s *scene) { s.install(acme["2"]) },
	},
}

// TestKilled kills the scripts, and dpkg with them, before and after each program that
// changes something. Whoever goes on comes to where he would have come; and a removal
// leaves what was there before.
func TestKilled(t *testing.T) {
	eachRelease(t, func(t *testing.T, r release) {
		for _, layout := range []string{"merged", "split"} {
			for nth, j := range journeys {
				t.Run(layout+" "+j.name, func(t *testing.T) {
					t.Parallel()
					s := newScene(t, r, layout)
					j.begin(s)
					first := filepath.Join(s.dir, "first")
					s.copy(s.root, first)
					j.step(s)
					calls := s.counted()
					require.NotZero(t, calls)
					j.end(s)
					want := s.snapshot()

					for n := 1; n <= calls; n++ {
						for i, when := range []string{"-", "+"} {
							// Others for each journey, layout and release.
							if (2*n+i+3*nth+len(layout)+len(r.name))%share(r) != 0 {
								continue
							}
							point := fmt.Sprint(n) + when
							s.copy(first, s.root)
							s.kill = point
							code, said := j.step(s)
							s.kill = ""
							require.Equal(t, -9, code, "%s: %s", point, said)
							j.end(s)
							if !assert.Equal(t, want, s.snapshot(), "killed at %s of %d", point, calls) {
								return
							}
						}
					}
				})
			}
		}
	})
}

// share is of how many points one is tried: all, where that is asked for, with the dpkg
// of the host.
func share(r release) int {
	switch {
	case width() != "all":
		return 12
	case r.name != "host":
		return 4
	}
	return 1
}

// copy replaces a root by another.
func (s *scene) copy(from, to string) {
	out, err := exec.Command("rm", "-rf", to).CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	out, err = exec.Command("cp", "-a", from, to).CombinedOutput()
	require.NoError(s.t, err, "%s", out)
}

// Others may have been killed after they had recorded it: dpkg-divert --rename then says
// "Leaving", and never moves the file.
func TestAMoveThatNeverCameIsMade(t *testing.T) {
	eachLayout(t, func(t *testing.T, s *scene) {
		for _, version := range []string{"1", "2"} {
			s.install(tool[version])
			before := s.snapshot()
			for _, d := range [][2]string{{halt, halt + ".real"}, {data, data + ".distrib"}} {
				code, said := s.run("dpkg-divert", "--quiet", "--package", "acme", "--no-rename", "--divert", d[1], "--add", d[0])
				require.Zero(t, code, said)
			}
			s.install(acme["2"])
			s.judge()
			s.must("--purge", "acme")
			assert.Equal(t, before, s.snapshot())
			s.must("--purge", "tool")
		}
	})
}
