package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"
)

// A ledger says what each target has had.
type ledger struct {
	name    string
	Targets map[string]account `json:"targets"`
}

// An account is of one target.
type account struct {
	CPU    time.Duration `json:"cpu"`              // nanoseconds
	Last   time.Time     `json:"last"`             // end of the last slice
	Failed bool          `json:"failed,omitempty"` // by the last slice
}

func readLedger(name string) (*ledger, error) {
	l := &ledger{name: name, Targets: map[string]account{}}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(text, l)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the ledger: %w", err)
	}
	return l, nil
}

// add enters a slice and writes the ledger.
func (l *ledger) add(target string, s slice) error {
	a := l.Targets[target]
	a.CPU += s.cpu
	a.Last = time.Now().UTC().Truncate(time.Second)
	a.Failed = s.failed
	l.Targets[target] = a
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.name+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(l.name+".new", l.name)
}

// print shows the accounts of targets, and says whether one fails.
func (l *ledger) print(w io.Writer, targets []target, budget time.Duration) (failed bool) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	done := 0
	for _, t := range targets {
		a := l.Targets[t.String()]
		state := "to do"
		switch {
		case a.Failed:
			state, failed = "FAILS: see testdata/fuzz of the package", true
		case a.CPU >= budget:
			state = "done"
			done++
		}
		fmt.Fprintf(table, "%v\t%.0f s\t%s\n", t, a.CPU.Seconds(), state)
	}
	table.Flush()
	fmt.Fprintf(w, "%d of %d targets have had %v of processor time\n", done, len(targets), budget)
	return failed
}
