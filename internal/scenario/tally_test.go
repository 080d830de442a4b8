package scenario

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
)

// A tally is what was tried with the dpkg of one release.
type tally struct {
	version   string
	scenarios int
	calls     int // judged, of maintainer scripts
	faults    map[kind]int
	failures  int
}

var tallies = struct {
	sync.Mutex
	of map[string]*tally
}{of: map[string]*tally{}}

// count adds to the tally of the scene's release.
func (s *scene) count(add func(*tally)) {
	version := s.release.version(s.t)
	tallies.Lock()
	defer tallies.Unlock()
	if tallies.of[s.release.name] == nil {
		tallies.of[s.release.name] = &tally{version: version, faults: map[kind]int{}}
	}
	add(tallies.of[s.release.name])
}

// countScenario is called when one ends, however it does.
func (s *scene) countScenario() {
	s.count(func(y *tally) {
		y.scenarios++
		y.calls += len(s.calls)
		if s.t.Failed() {
			y.failures++
		}
	})
}

// countDisturbance is called when a scenario ends into which it came.
func (s *scene) countDisturbance(k kind) {
	s.count(func(y *tally) {
		y.faults[k]++
		y.calls += len(s.calls)
	})
}

// printTallies prints a table.
func printTallies(to io.Writer) {
	tallies.Lock()
	defer tallies.Unlock()
	var names []string
	for name := range tallies.of {
		names = append(names, name)
	}
	slices.Sort(names)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "release\tdpkg\tscenarios\tscripts failed\tkoweld killed\tdpkg killed\tcalls judged\tfailures")
	for _, name := range names {
		y := tallies.of[name]
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n", name, y.version, y.scenarios,
			y.faults[failBefore]+y.faults[failAfter], y.faults[killKoweld], y.faults[killBefore]+y.faults[killAfter]+y.faults[killRename], y.calls, y.failures)
	}
	_ = w.Flush()
}
