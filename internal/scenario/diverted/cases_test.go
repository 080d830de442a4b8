package diverted

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestComesAndGoes(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		t.Run("tool "+version, func(t *testing.T) {
			eachLayout(t, func(t *testing.T, s *scene) {
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
			})
		})
	}
}

func TestFailsAndIsTakenBack(t *testing.T) {
	eachLayout(t, func(t *testing.T, s *scene) {
		s.install(tool["1"], owner)
		before := s.snapshot()
		fails := func(d deb, call string) {
			t.Helper()
			s.failing(call, func() {
				code, said := s.tryInstall(d)
				require.NotZero(t, code, said)
			})
		}
		for _, call := range []string{"before acme 2 preinst install", "after acme 2 preinst install"} {
			fails(acme["2"], call)
			assert.Equal(t, before, s.snapshot(), call)
		}
		fails(broken(acme["2"]), "")
		assert.Equal(t, before, s.snapshot())
	})
}
