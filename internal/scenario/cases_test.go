package scenario

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachCase runs a test of its own on a new scene for the dpkg of each release.
func eachCase(t *testing.T, test func(*scene)) {
	eachRelease(t, func(t *testing.T, l *lab, r release) {
		t.Parallel()
		s := newScene(t, l, r)
		defer s.countScenario()
		test(s)
	})
}

// sub runs a part of a case on a scene of its own.
func (s *scene) sub(name string, test func(*scene)) {
	s.t.Run(name, func(t *testing.T) {
		inner := newScene(t, s.lab, s.release)
		defer inner.countScenario()
		test(inner)
	})
}

// must runs a dpkg that may not fail.
func (s *scene) must(words ...string) string {
	s.t.Helper()
	code, said := s.dpkg(words...)
	require.Zero(s.t, code, "%v: %s", words, said)
	return said
}

// fails runs a dpkg that must fail, and say this.
func (s *scene) fails(words []string, told ...string) {
	s.t.Helper()
	code, said := s.dpkg(words...)
	require.Equal(s.t, 1, code, "%v: %s", words, said)
	for _, text := range told {
		assert.Contains(s.t, said, text)
	}
}

// holds checks that this set is placed, and nothing else is there.
func (s *scene) holds(set, when string) {
	s.t.Helper()
	now, err := s.look()
	require.NoError(s.t, err)
	assert.Equal(s.t, set, now.set, when)
	assert.Empty(s.t, now.strange, when)
	assert.Empty(s.t, slices.Concat(now.stale, now.unindexed), "depmod's index %s", when)
	assert.False(s.t, now.open, "a journal %s", when)
}

// asBefore checks that the root is what it was before any package of these.
func (s *scene) asBefore(when string) {
	s.t.Helper()
	assert.Empty(s.t, s.state(), when)
	assert.Empty(s.t, s.audit(), when)
	assert.Empty(s.t, s.tree().withoutState().since(s.base.withoutState()), "what is left, or gone, %s", when)
}

// koweldGoes lets dpkg take koweld away, by that action, and koweldComes brings
// it back.
func (s *scene) koweldGoes(words ...string) {
	s.t.Helper()
	s.must(append([]string{"--force-depends"}, words...)...)
	require.NoFileExists(s.t, filepath.Join(s.root, "usr/bin/koweld"))
	for _, name := range ownNames {
		delete(s.base, name)
	}
}

func (s *scene) koweldComes() {
	s.t.Helper()
	s.must("--install", "+koweld-1.0")
	now := s.tree()
	for _, name := range ownNames {
		s.base[name] = now[name]
	}
}

// ownNames are those that no other package has.
var ownNames = []string{"usr/bin/koweld", "usr/bin"}

// call calls koweld as an admin does.
func (s *scene) call(words ...string) (int, string) {
	s.t.Helper()
	return s.run(s.koweld, append([]string{"--root=" + s.root}, words...)...)
}

// verifies checks that koweld finds nothing wrong.
func (s *scene) verifies(when string) {
	s.t.Helper()
	code, said := s.call("verify")
	assert.Zero(s.t, code, "verify %s: %s", when, said)
}

// lives goes through what a package does in its life.
func (s *scene) lives() {
	s.t.Helper()
	s.must(install("1.0")...)
	s.holds("1.0", "installed")
	s.must(install("2.0")...)
	s.holds("2.0", "upgraded")
	s.faults = func(name string, _ int) fault {
		if name == "modules 2.0 prerm remove" {
			return fault{kind: failAfter}
		}
		return fault{}
	}
	s.fails(named("--remove", "modules"))
	s.faults = nil
	names := []string{s.calls[len(s.calls)-1].name}
	assert.Contains(s.t, append(names, s.calls[len(s.calls)-2].name), "modules 2.0 postinst abort-remove")
	s.holds("2.0", "after a removal that was given up")
	s.verifies("after a removal that was given up")
	s.must(named("--remove", "modules")...)
	s.holds("none", "removed")
	s.must(named("--purge", "modules", "signatures", "objects")...)
	s.asBefore("purged")
}
