package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRemovedInAnyOrder removes the three packages in each order: dpkg orders
// those of one call by itself, but not those of three.
func TestRemovedInAnyOrder(t *testing.T) {
	orders := [][]string{
		{"objects", "signatures", "modules"},
		{"objects", "modules", "signatures"},
		{"signatures", "objects", "modules"},
		{"signatures", "modules", "objects"},
		{"modules", "objects", "signatures"},
		{"modules", "signatures", "objects"},
	}
	eachCase(t, func(s *scene) {
		for _, order := range orders {
			s.sub(strings.Join(order, " ")+" at once", func(s *scene) {
				s.must(install("1.0")...)
				s.must(named("--purge", order...)...)
				s.holds("none", "purged")
				s.asBefore("purged")
			})
			s.sub(strings.Join(order, " ")+" one by one", func(s *scene) {
				s.must(install("1.0")...)
				want := "1.0"
				for _, short := range order {
					s.must(append([]string{"--force-depends"}, named("--purge", short)...)...)
					if short == "modules" {
						want = "none"
					}
					s.holds(want, "less "+short)
				}
				s.asBefore("purged")
			})
		}
	})
}

// TestKoweldGoesFirst purges koweld before what it placed: the shell of the postrm
// takes it back.
func TestKoweldGoesFirst(t *testing.T) {
	eachCase(t, func(s *scene) {
		s.sub("all are purged", func(s *scene) {
			s.must(install("1.0")...)
			s.koweldGoes("--purge", "koweld")
			s.holds("1.0", "without koweld")
			s.must(named("--purge", "objects", "signatures", "modules")...)
			s.holds("none", "purged")
			s.asBefore("purged")
			assert.NoDirExists(s.t, filepath.Join(s.root, stateDir))
		})
		s.sub("the modules are removed", func(s *scene) {
			s.must(install("2.0")...)
			s.koweldGoes("--purge", "koweld")
			s.must(named("--remove", "modules")...)
			s.holds("none", "removed")
			assert.Equal(s.t, s.base[conf], s.tree()[conf], "the admin's file")
			s.koweldComes()
			s.holds("none", "koweld is there again")
			s.must(named("--purge", "objects", "signatures", "modules")...)
			s.asBefore("purged")
		})
		s.sub("the upgrade waits for koweld", func(s *scene) {
			s.must(install("1.0")...)
			s.koweldGoes("--purge", "koweld")
			s.fails(append([]string{"--force-depends"}, install("2.0")...), "koweld: not found")
			s.holds("1.0", "not upgraded")
			s.koweldComes()
			s.must(configureAll...)
			s.holds("2.0", "upgraded")
			s.must(named("--purge", "objects", "signatures", "modules")...)
			s.asBefore("purged")
		})
	})
}

// TestObjectsAreGone removes the objects from under modules that are placed.
func TestObjectsAreGone(t *testing.T) {
	eachCase(t, func(s *scene) {
		t := s.t
		s.must(install("1.0")...)
		s.must(append([]string{"--force-depends"}, named("--remove", "objects")...)...)
		s.holds("1.0", "without objects")
		s.verifies("without objects")
		code, said := s.call("status")
		assert.Zero(t, code, said)
		assert.Contains(t, said, "inputs gone")

		name := filepath.Join(s.root, folder, "kernel/acme/acme.ko")
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		data[len(data)/2] ^= 1
		require.NoError(t, os.WriteFile(name, data, 0o644))
		code, said = s.call("repair", packages["modules"])
		assert.Equal(t, 1, code, said)
		assert.Contains(t, said, packages["objects"])

		s.must("--install", "+objects-1.0")
		code, said = s.call("repair", packages["modules"])
		assert.Zero(t, code, said)
		s.holds("1.0", "repaired")
		s.must(append([]string{"--force-depends"}, named("--remove", "objects")...)...)
		s.must(named("--remove", "modules")...)
		s.holds("none", "removed")
		s.must(named("--purge", "modules", "signatures")...)
		kept := filepath.Join(s.root, stateDir, "saved")
		assert.FileExists(t, filepath.Join(kept, packages["modules"], "lib/modules", kernel, "kernel/acme/acme.ko.changed"))
		require.NoError(t, os.RemoveAll(kept))
		s.asBefore("purged")
	})
}
