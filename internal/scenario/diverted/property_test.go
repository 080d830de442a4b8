package diverted

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pgregory.net/rapid"
)

// Whatever is installed, upgraded, downgraded and removed in whatever order: after each
// run of dpkg the files and the diversions are those of the packages.
func TestAnyOrder(t *testing.T) {
	eachLayout(t, func(t *testing.T, s *scene) {
		runs := 2
		if width() == "all" {
			runs = 40
		}
		fresh := s.root + ".fresh"
		s.copy(s.root, fresh)
		for seed := range runs {
			s.copy(fresh, s.root)
			steps := rapid.SliceOfN(rapid.SampledFrom(anything), 6, 6).Example(seed + len(s.layout))
			said := ""
			for _, step := range steps {
				said += " " + step.name
				if !step.may(s) {
					continue
				}
				code, out := step.run(s)
				require.Zero(t, code, "seed %d:%s: %s", seed, said, out)
				s.judge()
				require.False(t, t.Failed(), "seed %d:%s", seed, said)
			}
			s.must("--purge", "acme", "tool", "veil")
			s.judge()
		}
	})
}

// A move is one run of dpkg in any order.
type move struct {
	name string
	may  func(s *scene) bool
	run  func(s *scene) (int, string)
}

var anything = func() []move {
	always := func(*scene) bool { return true }
	var all []move
	for _, version := range []string{"1", "2", "3"} {
		all = append(all, move{"tool-" + version, always, func(s *scene) (int, string) { return s.tryInstall(tool[version]) }})
	}
	for _, version := range []string{"2", "3", "4"} {
		all = append(all, move{"acme-" + version, func(s *scene) bool { return !s.has("veil") }, func(s *scene) (int, string) { return s.tryInstall(acme[version]) }})
	}
	// It diverts one of the names that acme does.
	all = append(all, move{"veil", func(s *scene) bool { return !s.has("acme") }, func(s *scene) (int, string) { return s.tryInstall(veil) }})
	for _, name := range []string{"acme", "tool", "veil"} {
		for _, how := range []string{"--remove", "--purge"} {
			all = append(all, move{fmt.Sprint(how, "-", name), always, func(s *scene) (int, string) { return s.dpkg(how, name) }})
		}
	}
	return all
}()

// has reports whether a package has files.
func (s *scene) has(name string) bool {
	for _, p := range s.packages() {
		if p.name == name {
			return true
		}
	}
	return false
}
