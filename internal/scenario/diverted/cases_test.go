package diverted

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/divert"
)

func TestComesAndGoes(t *testing.T) {
	inLayouts(t, layouts, func(t *testing.T, s *scene) {
		for _, version := range []string{"1", "2"} {
			s.install(tool[version])
			s.judge()
			before := s.snapshot()
			s.install(acme["2"])
			s.judge()
			s.install(acme["2"]) // again
			s.judge()
			s.install(acme["3"])
			s.judge()
			s.install(tool["3"])
			s.judge()
			s.install(tool[version])
			s.judge()
			s.must("--remove", "acme")
			assert.Equal(t, before, s.snapshot())
			s.install(acme["2"])
			s.judge()
			s.must("--purge", "acme")
			assert.Equal(t, before, s.snapshot())
			s.must("--purge", "tool")
		}
	})
}

// What is diverted comes after, is upgraded and goes.
func TestTheOtherComesLater(t *testing.T) {
	eachLayout(t, func(t *testing.T, s *scene) {
		before := s.snapshot()
		s.install(acme["2"])
		s.judge()
		for _, version := range []string{"1", "2", "3", "1"} {
			s.install(tool[version])
			s.judge()
		}
		s.must("--remove", "tool")
		s.judge()
		s.install(tool["2"], acme["3"])
		s.judge()
		s.must("--purge", "tool", "acme")
		assert.Equal(t, before, s.snapshot())
		s.install(tool["1"], acme["2"])
		s.judge()
		s.must("--purge", "acme", "tool")
		assert.Equal(t, before, s.snapshot())
	})
}

func TestAnUpgradeBeginsToDivert(t *testing.T) {
	eachLayout(t, func(t *testing.T, s *scene) {
		for _, old := range []string{"0.1", "0.5"} {
			for _, version := range []string{"1", "2"} {
				if old == "0.5" && version == "2" {
					continue // see TestAnIneffectiveDiversionIsMended
				}
				s.install(tool[version])
				before := s.snapshot()
				s.install(acme[old])
				s.judge()
				s.install(acme["2"])
				s.judge()
				s.install(tool["3"])
				s.judge()
				s.install(tool[version])
				s.must("--remove", "acme")
				assert.Equal(t, before, s.snapshot())
				s.must("--purge", "acme", "tool")
			}
		}
	})
}

// An old one diverted the aliased name alone, and the package whose file it was has
// gone to the other: then dpkg has replaced the file of acme (DEP17, P3).
func TestAnIneffectiveDiversionIsMended(t *testing.T) {
	eachLayout(t, func(t *testing.T, s *scene) {
		s.install(tool["1"], acme["0.5"])
		s.judge()
		s.install(tool["2"])
		if s.layout != "split" {
			require.Equal(t, tool["2"].text(halt), s.get(halt), "dpkg has replaced it")
		}
		s.install(acme["2"])
		s.judge()
		s.must("--purge", "acme")
		s.judge()
		s.must("--purge", "tool")

		// Or acme came last.
		s.install(tool["1"], acme["0.5"])
		s.install(tool["2"])
		s.install(acme["0.5"])
		require.Equal(t, acme["0.5"].text("/sbin/halt"), s.get("/sbin/halt"))
		s.install(acme["2"])
		if s.layout == "split" {
			s.judge()
			return
		}
		// dpkg has no copy of the other's file left.
		assert.Equal(t, acme["2"].text(halt), s.get(halt))
		assert.Empty(t, s.get(halt+".real"))
		s.install(tool["2"])
		s.judge()
	})
}

func TestAnUpgradeEndsIt(t *testing.T) {
	eachLayout(t, func(t *testing.T, s *scene) {
		for _, old := range []string{"0.5", "2", "3"} {
			for _, version := range []string{"1", "2"} {
				if old == "0.5" && version == "2" {
					continue
				}
				s.install(tool[version])
				s.install(acme[old])
				s.install(acme["4"])
				s.judge()
				s.install(tool["3"])
				s.judge()
				s.must("--purge", "acme", "tool")
			}
		}
		s.install(acme["4"]) // has nothing to end
		s.judge()
	})
}

// atSplit is what 2 leaves until it is configured where /usr is split: there what it
// diverts is another place than before.
var (
	old        = divert.Diversion{From: "/sbin/halt", To: "/sbin/halt.real", Package: "acme"}
	untilThen4 = []divert.Diversion{
		{From: halt, To: halt + ".real", Package: "acme"},
		{From: data, To: data + ".distrib", Package: "acme"},
		{From: plugin, To: "/usr/lib/acme/plugin.so", Package: "acme"},
	}
	twins = []divert.Diversion{
		{From: "/sbin/halt", To: "/sbin/halt.real.usr-is-merged", Package: "acme"},
		{From: "/lib/tool/plugin.so", To: "/lib/acme/plugin.so.usr-is-merged", Package: "acme"},
	}
)

// pastOf are the diversions that a version which is not configured has yet to end.
func (s *scene) pastOf(from, to string) []divert.Diversion {
	switch {
	case to == "4" && from == "0.5", to == "2" && from == "0.5" && s.layout == "split":
		return []divert.Diversion{old}
	case to == "4" && from != "0.1" && s.layout == "split":
		return untilThen4
	case to == "4" && from != "0.1":
		return append(untilThen4[:3:3], twins...)
	}
	return nil
}

func TestFailsAndIsTakenBack(t *testing.T) {
	eachLayout(t, func(t *testing.T, s *scene) {
		s.install(tool["1"], owner)
		ups := [][2]string{{"", "2"}, {"0.1", "2"}, {"0.5", "2"}, {"2", "4"}, {"2", "3"}, {"0.5", "4"}}
		if width() != "all" {
			ups = ups[:4]
		}
		for _, up := range ups {
			t.Run(strings.Join(up[:], " to "), func(t *testing.T) {
				s.t = t
				was, next := up[0], acme[up[1]]
				begin := func() {
					s.must("--purge", "acme")
					if was != "" {
						s.install(acme[was])
					}
				}
				call, preinst := "upgrade", "acme "+up[1]+" preinst upgrade"
				if was == "" {
					call, preinst = "install", "acme 2 preinst install"
				}
				begin()
				before := s.snapshot()
				for _, fail := range []string{"before " + preinst, "after " + preinst} {
					s.failing(fail, func() {
						code, said := s.tryInstall(next)
						require.NotZero(t, code, said)
					})
					assert.Equal(t, before, s.snapshot(), fail)
				}
				code, said := s.tryInstall(broken(next))
				require.NotZero(t, code, said)
				assert.Equal(t, before, s.snapshot(), "unpacking fails")
				if call == "upgrade" {
					s.failing("before acme "+was+" postrm upgrade,before acme "+up[1]+" postrm failed-upgrade", func() {
						code, said := s.tryInstall(next)
						require.NotZero(t, code, said)
					})
					assert.Equal(t, before, s.snapshot(), "both postrm fail")
				}
				s.failing("before acme "+up[1]+" postinst configure", func() {
					code, said := s.tryInstall(next)
					require.NotZero(t, code, said)
				})
				s.judge(s.pastOf(was, up[1])...)
				s.must("--configure", "--pending")
				s.judge()

				// Unpacked, and never configured.
				begin()
				code, said = s.bring("--unpack", next)
				require.Zero(t, code, said)
				s.judge(s.pastOf(was, up[1])...)
				s.must("--purge", "acme")
				s.judge()
			})
		}
	})
}

// A removal that fails changes nothing; what comes in the place of acme does.
func TestRemovalFails(t *testing.T) {
	merged(t, func(t *testing.T, s *scene) {
		s.install(tool["1"])
		before := s.snapshot()
		s.install(acme["2"])
		during := s.snapshot()
		s.failing("before acme 2 prerm remove", func() {
			code, _ := s.dpkg("--remove", "acme")
			require.NotZero(t, code)
		})
		assert.Equal(t, during, s.snapshot())
		for _, when := range []string{"before", "after"} {
			s.failing(when+" acme 2 postrm remove", func() {
				code, _ := s.dpkg("--remove", "acme")
				require.NotZero(t, code)
			})
		}
		s.must("--remove", "acme")
		assert.Equal(t, before, s.snapshot())
	})
}

func TestAnotherTakesItsPlace(t *testing.T) {
	merged(t, func(t *testing.T, s *scene) {
		s.install(tool["1"], owner)
		s.install(acme["2"])
		before := s.snapshot()
		for _, fail := range []string{"before rival 1 preinst install", "after rival 1 preinst install"} {
			s.failing(fail, func() {
				code, _ := s.bring("--install", rival)
				require.NotZero(t, code)
			})
			assert.Equal(t, before, s.snapshot(), fail)
		}
		code, _ := s.tryInstall(broken(rival))
		require.NotZero(t, code)
		assert.Equal(t, before, s.snapshot(), "unpacking fails")
		s.install(rival)
		s.judge()
	})
}

func TestDisappears(t *testing.T) {
	merged(t, func(t *testing.T, s *scene) {
		s.install(tool["1"], veil)
		s.judge()
		s.calls()
		s.install(heir)
		require.Contains(t, s.calls(), "veil 1 postrm disappear")
		s.judge()
	})
}
