package scenario

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pault.ag/go/debian/version"
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
				s.begin(sc)
				for i, st := range sc.steps {
					s.play(st, i+1)
				}
				s.converge(sc)
				s.goes(sc)
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
	s.faults = func(_ int, name string) fault { return fault{kind: s.faultOf(st, name)} }
	code, said := s.dpkg(st.dpkg...)
	s.faults = nil

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
	state := st.state
	if st.older != nil && s.olderThan("1.23") {
		state = st.older
	}
	assert.Equal(t, state, s.state(), "the packages after step %d, %v: %s", n, st.dpkg, said)
	if !s.judged {
		return
	}
	for i, c := range calls {
		assert.Equal(t, st.calls[i].set, c.after.set, "after %s of step %d: %s", c.name, n, said)
		assert.Empty(t, c.after.strange, "after %s of step %d: %s", c.name, n, said)
	}
}

// faultOf is what a step does to a call.
func (s *scene) faultOf(st step, name string) kind {
	if !s.judged && slices.ContainsFunc(st.calls, func(c told) bool { return c.refused && c.call == name }) {
		return failAfter
	}
	return st.faults[name]
}

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

func (s *scene) olderThan(other string) bool {
	s.t.Helper()
	this, err := version.Parse(s.release.version(s.t))
	require.NoError(s.t, err)
	that, err := version.Parse(other)
	require.NoError(s.t, err)
	return version.Compare(this, that) < 0
}

// canJudge reports whether koweld and the snippets are there that this needs.
func (l *lab) canJudge() bool {
	_, err := os.Stat("../../debian/autoscripts/postinst-koweld")
	return err == nil && exec.Command(l.koweld, "maintscript", "--help").Run() == nil
}
