package scenario

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestDisturbed plays each scenario again with one thing more that goes wrong: a
// script fails, koweld is killed, dpkg is. From there on the admin goes after the
// goal. It must be reached, and at every moment on the way one whole set be placed
// of those that the scenario has.
func TestDisturbed(t *testing.T) {
	if width() == "" {
		t.Skip("nothing goes wrong but what scenarios say: that takes KOWELD_TEST")
	}
	eachRelease(t, func(t *testing.T, l *lab, r release) {
		for number, sc := range scenarios() {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				for _, d := range disturbances(t, l, r, sc, number) {
					// No subtests: there are thousands, and each says which it was.
					if s := newScene(t, l, r); !s.disturbed(sc, d) {
						return
					}
				}
			})
		}
	})
}

// A disturbance is a fault at one call of a scenario.
type disturbance struct {
	call string
	nth  int // of the calls that are called so, from 0
	fault
}

func (d disturbance) String() string {
	where := fmt.Sprintf("%s: %s", d.call, d.kind)
	if d.nth > 0 {
		where = fmt.Sprintf("call %d of %s", d.nth+1, where)
	}
	if d.kind == killKoweld {
		where += fmt.Sprintf(" at system call %d", d.point)
	}
	return where
}

// disturbances lists those that are tried. For all of them the scenario is played
// once, to know its calls, and how many system calls koweld makes in each.
func disturbances(t *testing.T, l *lab, r release, sc scenario, number int) []disturbance {
	var all []disturbance
	add := func(c call, intended bool) {
		nth := 0
		for _, d := range all {
			if d.call == c.name && d.kind == killAfter {
				nth++
			}
		}
		var faults []fault
		if !intended {
			faults = append(faults, fault{kind: failBefore}, fault{kind: failAfter})
			for _, point := range points(c.counted) {
				faults = append(faults, fault{kind: killKoweld, point: point})
			}
		}
		faults = append(faults, fault{kind: killBefore}, fault{kind: killAfter})
		for _, f := range faults {
			all = append(all, disturbance{c.name, nth, f})
		}
	}
	if width() == "all" {
		s := newScene(t, l, r)
		s.begin(sc)
		intended := map[int]bool{}
		for _, st := range sc.steps {
			s.do(st, func(name string, _ int) fault {
				if kind := st.faults[name]; kind != none {
					intended[len(s.calls)-1] = true
					return fault{kind: kind}
				}
				return fault{kind: countCalls}
			})
		}
		for i, c := range s.calls {
			add(c, intended[i])
		}
		return all
	}
	for _, st := range r.steps(t, sc) {
		for _, c := range st.calls {
			add(call{name: c.call, counted: typical}, st.faults[c.call] != none)
		}
	}
	// One in so many, another one for each release.
	const share = 25
	var some []disturbance
	for i := range all {
		if (i+7*number+len(r.name))%share == 0 {
			some = append(some, all[i])
		}
	}
	return some
}

// killed is the exit code of a script whose koweld was.
const killed = 128 + int(unix.SIGKILL)

// typical is how many system calls koweld makes when it places modules.
const typical = 100

// points are those at which koweld is killed, of so many system calls.
func points(calls int) []int {
	const kills = 6
	var list []int
	for i := range min(kills, calls) {
		list = append(list, 1+i*calls/min(kills, calls))
	}
	return list
}

// disturbed plays the scenario up to the disturbance, lets the admin go on, and
// judges every moment. It reports whether all was well.
func (s *scene) disturbed(sc scenario, d disturbance) bool {
	t := s.t
	s.begin(sc)
	legal, came := s.legal(sc), false
	for _, st := range sc.steps {
		s.do(st, func(name string, nth int) fault {
			if name == d.call && nth == d.nth {
				came = true
				return d.fault
			}
			return st.fault(name, nth)
		})
		if came {
			break
		}
	}
	require.True(t, came, "%s: the call does not come", d)
	s.converge(sc, d.String())
	s.judge(legal, d.String())
	if d.kind != killKoweld || slices.ContainsFunc(s.calls, func(c call) bool { return c.name == d.call && c.code == killed }) {
		s.countDisturbance(d.kind) // else koweld was faster
	}
	s.goes(sc, d.String())
	return !t.Failed()
}

// judge looks at every moment on the way.
func (s *scene) judge(legal []string, what string) {
	s.t.Helper()
	for _, c := range s.calls {
		for when, m := range map[string]moment{"before": c.before, "after": c.after} {
			assert.Empty(s.t, m.strange, "%s: %s %s", what, when, c.name)
			if !m.open {
				assert.Contains(s.t, legal, m.set, "%s: %s %s", what, when, c.name)
				assert.Empty(s.t, m.stale, "%s: %s %s", what, when, c.name)
			}
		}
	}
}

// legal are the sets that may be placed: that from before and those of all versions
// that are unpacked; none and what is parked only where a removal is asked for.
func (s *scene) legal(sc scenario) []string {
	s.t.Helper()
	now, err := s.look()
	require.NoError(s.t, err)
	legal, removal := []string{now.set}, sc.placed() == "none"
	if modules := s.state()["modules"]; !isGone(modules) {
		words := strings.Fields(modules)
		legal = append(legal, words[len(words)-1]) // it may only be unpacked yet
	}
	for _, st := range sc.steps {
		for _, c := range st.calls {
			words := strings.Fields(c.call)
			legal = append(legal, words[1])
			removal = removal || slices.Contains(words, "remove")
		}
		if st.lost != "" {
			legal = append(legal, "part of "+now.set)
		}
	}
	if removal {
		for _, set := range legal {
			legal = append(legal, "parked "+set)
		}
		legal = append(legal, "none")
	}
	slices.Sort(legal)
	return slices.Compact(legal)
}
