package unit

import (
	"context"
	"slices"
)

// Recover ends the runs that were interrupted and does nothing more: nothing is
// formed, and effects stay pending. So it is fit for the boot, before anything
// loads modules.
func (s *System) Recover(ctx context.Context, opts Options) ([]Change, error) {
	open, err := s.txn().InFlight()
	if opts.DryRun {
		var changes []Change
		for _, pkg := range open {
			changes = append(changes, Change{Package: pkg, Action: Planned, Steps: []string{"end an interrupted run"}})
		}
		return changes, err
	}
	// With an unreadable journal too: the others can be ended, and recovery says
	// what is wrong with it.
	err = s.locked(ctx, func() error { return nil })
	left, _ := s.txn().InFlight()
	var changes []Change
	for _, pkg := range open {
		if !slices.Contains(left, pkg) {
			changes = append(changes, Change{Package: pkg, Action: Repaired})
		}
	}
	return changes, err
}
