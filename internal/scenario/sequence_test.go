package scenario

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSequences plays each scenario as it is written: the calls that dpkg makes,
// what it says of the packages, and after each call which set is placed. In the
// end all goes, and nothing of it may be left.
func TestSequences(t *testing.T) {
	eachRelease(t, func(t *testing.T, l *lab, r release) {
		for _, sc := range scenarios() {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, l, r)
				defer s.countScenario()
				s.begin(sc)
				for i, st := range r.steps(t, sc) {
					s.play(st, i+1)
				}
				s.converge(sc, "as written")
				s.goes(sc, "as written")
			})
		}
	})
}

// begin does what a scenario starts from.
func (s *scene) begin(sc scenario) {
	s.t.Helper()
	for _, words := range sc.start {
		code, said := s.dpkg(words...)
		require.Zero(s.t, code, "%v: %s", words, said)
	}
	s.calls = nil
}

// play runs dpkg for a step and compares.
func (s *scene) play(st step, n int) {
	t := s.t
	t.Helper()
	from := len(s.calls)
	code, said := s.do(st, st.fault)

	var want, got []string
	for _, c := range st.calls {
		want = append(want, c.call)
	}
	calls := s.driversOf(from)
	for _, c := range calls {
		got = append(got, c.name)
	}
	require.Equal(t, want, got, "the calls of step %d, %v: %s", n, st.dpkg, said)
	assert.Equal(t, st.code, code, "the exit code of step %d, %v: %s", n, st.dpkg, said)
	assert.Equal(t, st.state, s.state(), "the packages after step %d, %v: %s", n, st.dpkg, said)
	for i, c := range calls {
		assert.Equal(t, st.calls[i].set, c.after.set, "after %s of step %d: %s", c.name, n, said)
		assert.Equal(t, st.calls[i].refused, c.code != 0 && st.faults[c.name] == none, "whether koweld refuses %s of step %d: %s", c.name, n, said)
		assert.Empty(t, c.after.strange, "after %s of step %d: %s", c.name, n, said)
		assert.Empty(t, c.after.stale, "depmod's index after %s of step %d: %s", c.name, n, said)
		assert.False(t, c.after.open, "a journal after %s of step %d: %s", c.name, n, said)
	}
	// Nothing moves but by a script.
	for i := from + 1; i < len(s.calls); i++ {
		last, next := s.calls[i-1], s.calls[i]
		assert.Equal(t, last.after.set, next.before.set, "between %s and %s", last.name, next.name)
	}
	now, err := s.look()
	require.NoError(t, err)
	assert.Empty(t, slices.Concat(now.stale, now.unindexed), "depmod's index after step %d: %s", n, said)
	assert.False(t, s.isPending(), "something is pending after step %d: %s", n, said)
	s.ownCalls(from, n)
}

// do runs dpkg for a step, with faults by the name of a call, and which one it is
// of those that are called so.
func (s *scene) do(st step, faults func(name string, nth int) fault) (int, string) {
	s.t.Helper()
	return s.doUnder(nil, st, faults)
}

// doUnder is do with dpkg run by another program.
func (s *scene) doUnder(runner []string, st step, faults func(name string, nth int) fault) (int, string) {
	s.t.Helper()
	if st.lost != "" {
		require.NoError(s.t, os.Remove(filepath.Join(s.root, folder, st.lost)))
	}
	s.faults = faults
	defer func() { s.faults = nil }()
	return s.dpkgUnder(runner, st.dpkg...)
}

// fault is what a step does to a call.
func (st step) fault(name string, _ int) fault { return fault{kind: st.faults[name]} }

// driversOf are the calls from that one on, without those of koweld's package.
func (s *scene) driversOf(from int) []call {
	var calls []call
	for _, c := range s.calls[from:] {
		if !strings.HasPrefix(c.name, "koweld ") {
			calls = append(calls, c)
		}
	}
	return calls
}

// ownCalls checks that koweld's package does what is left once, and last.
func (s *scene) ownCalls(from, n int) {
	s.t.Helper()
	for i, c := range s.calls[from:] {
		if strings.HasPrefix(c.name, "koweld ") {
			assert.Equal(s.t, "koweld 1.0 postinst triggered", c.name)
			assert.Equal(s.t, len(s.calls)-1, from+i, "%s comes before others in step %d", c.name, n)
			assert.Zero(s.t, c.code, c.name)
		}
	}
}
