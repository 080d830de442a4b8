package unit_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/internal/dpkg"
	"koweld/internal/unit"
)

// call is a call of a package's maintainer script.
func (s *scene) call(pkg, script, action string) {
	_, err := s.sound().Maintscript(s.ctx(), pkg, dpkg.Call{Script: dpkg.Script(script), Action: action}, unit.Options{})
	require.NoError(s.t, err)
}

func TestParkedThenDroppedIsIdentity(t *testing.T) {
	check(t, func(t *rapid.T, s *scene) {
		before := s.tree()
		require.NoError(t, s.install(s.sound(), s.declare("acme", "1", draw(t, "unit"))))
		for range rapid.IntRange(0, 2).Draw(t, "removals that are given up") {
			s.call("acme", "prerm", "remove")
			s.call("acme", "postinst", "abort-remove")
			s.verified()
		}
		s.call("acme", "prerm", "remove")
		s.call("acme", "postrm", "remove")
		assert.Equal(t, before, s.tree())
	})
}

func TestSwitchedThenRemovedIsIdentity(t *testing.T) {
	check(t, func(t *rapid.T, s *scene) {
		before := s.tree()
		for _, pkg := range []string{"one", "two", "three"} {
			path := s.declare(pkg, "1", draw(t, pkg), "provides: {group: acme, version: \"1."+pkg+"\"}")
			require.NoError(t, s.install(s.sound(), path))
			s.verified()
		}
		for range rapid.IntRange(0, 3).Draw(t, "switches") {
			choice := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "choice")
			_, err := s.sound().Select(s.ctx(), "acme", choice, unit.Options{})
			require.NoError(t, err)
			s.verified()
			assert.True(t, s.record(choice).IsPlaced())
		}
		_, err := s.sound().Select(s.ctx(), "acme", "", unit.Options{})
		require.NoError(t, err)
		for _, pkg := range rapid.Permutation([]string{"one", "two", "three"}).Draw(t, "order") {
			if rapid.Bool().Draw(t, "by dpkg") {
				s.call(pkg, "prerm", "remove")
				s.call(pkg, "postrm", "remove")
			} else {
				require.NoError(t, s.remove(s.sound(), pkg))
			}
			s.verified()
		}
		assert.Equal(t, before, s.tree())
	})
}
