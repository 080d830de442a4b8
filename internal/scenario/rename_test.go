package scenario

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDisturbedAtARename kills dpkg where it is between scripts: while it unpacks,
// writes its database or takes files away. All of these end in a rename.
func TestDisturbedAtARename(t *testing.T) {
	if width() == "" {
		t.Skip("dpkg is not killed: that takes KOWELD_TEST")
	}
	const share = 5 // of which one is played, another one for each release
	eachRelease(t, func(t *testing.T, l *lab, r release) {
		for number, sc := range scenarios() {
			if width() != "all" && (number+len(r.name))%share != 0 {
				continue
			}
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				for at, renames := range renamesOf(t, l, r, sc) {
					for _, nth := range renamePoints(renames, number+at+len(r.name)) {
						if s := newScene(t, l, r); !s.killedAt(sc, at, nth) {
							return
						}
					}
				}
			})
		}
	})
}

// renamesOf counts those of each step; none where a file was lost before, which
// nobody need find if no script is called.
func renamesOf(t *testing.T, l *lab, r release, sc scenario) (counts []int) {
	s := newScene(t, l, r)
	s.begin(sc)
	list := filepath.Join(s.dir, "renames")
	for _, st := range sc.steps {
		s.doUnder([]string{"strace", "-qq", "-e", "signal=none", "-e", "trace=rename", "-o", list}, st, st.fault)
		text, err := os.ReadFile(list)
		require.NoError(t, err)
		if st.lost != "" {
			text = nil
		}
		counts = append(counts, bytes.Count(text, []byte("\n")))
	}
	return counts
}

// renamePoints are those at which dpkg is killed, of so many renames: spread over
// all, or one of these.
func renamePoints(renames, which int) []int {
	const kills = 6
	var list []int
	for i := range min(kills, renames) {
		list = append(list, 1+i*renames/min(kills, renames))
	}
	if width() != "all" && len(list) > 0 {
		return list[which%len(list):][:1]
	}
	return list
}

// killedAt plays the scenario up to a rename of a step, lets the admin go on, and
// judges. It reports whether all was well.
func (s *scene) killedAt(sc scenario, at, nth int) bool {
	t := s.t
	what := fmt.Sprintf("step %d: %s %d", at+1, killRename, nth)
	s.begin(sc)
	legal := s.legal(sc)
	for _, st := range sc.steps[:at] {
		s.do(st, st.fault)
	}
	code, said := s.doUnder([]string{
		"strace", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e", "trace=rename",
		"-e", fmt.Sprintf("inject=rename:signal=KILL:when=%d", nth),
	}, sc.steps[at], sc.steps[at].fault)
	require.Equal(t, killed, code, "%s: %s", what, said)
	s.converge(sc, what)
	s.judge(legal, what)
	s.countDisturbance(killRename)
	s.goes(sc, what)
	return !t.Failed()
}
