package unit

import (
	"context"
	"errors"
	"slices"

	"koweld/quirks"
)

// QuirkVerification is what verify found of a quirk that is to hold, or of which
// something is left to take back.
type QuirkVerification struct {
	Quirk       string       `json:"quirk"`
	State       quirks.State `json:"state"`
	Differences []Difference `json:"differences"`
}

// VerifyQuirks tells of the quirks that hold, and of those with something to do: what
// koweld reconcile would do now, by hand, or why it cannot. It changes nothing.
func (s *System) VerifyQuirks(ctx context.Context) ([]QuirkVerification, error) {
	decided, err := s.planQuirksNow(ctx)
	var all []QuirkVerification
	for i := range decided {
		r := &decided[i]
		v := QuirkVerification{Quirk: r.Quirk, State: r.State, Differences: []Difference{}}
		for _, step := range r.Steps {
			v.Differences = append(v.Differences, Difference{Problem: "still to be done: " + step})
		}
		if r.Refused != "" {
			v.Differences = append(v.Differences, Difference{Problem: r.Refused})
		}
		for _, c := range r.Cannot {
			v.Differences = append(v.Differences, Difference{Problem: "cannot " + c.Action + ": " + c.Require.Sentence()})
		}
		if r.State == quirks.Held || len(v.Differences) > 0 {
			all = append(all, v)
		}
	}
	return all, unrefused(err)
}

// unrefused is an error without those that a quirk is refused, which are told as
// differences.
func unrefused(err error) error {
	if err == nil {
		return nil
	}
	if _, is := err.(*QuirkRefusedError); is {
		return nil
	}
	several, is := err.(interface{ Unwrap() []error })
	if !is {
		return err
	}
	var left []error
	for _, e := range several.Unwrap() {
		left = append(left, unrefused(e))
	}
	return errors.Join(left...)
}

// QuirksNow decides the quirks as by hand, and tells of those that are of interest to
// whoever asks for a state: those that hold, that should and cannot, that something is
// on record of, or for which something is still to be done, which are the steps.
func (s *System) QuirksNow(ctx context.Context) ([]Reconciled, error) {
	decided, err := s.planQuirksNow(ctx)
	idle := []quirks.State{quirks.OutOfScope, quirks.Idle, quirks.Gone}
	var all []Reconciled
	for _, r := range decided {
		if !slices.Contains(idle, r.State) || r.Record != nil || len(r.Steps) > 0 || r.Refused != "" {
			all = append(all, r)
		}
	}
	return all, unrefused(err)
}

// planQuirksNow decides the quirks as by hand and plans what they want.
func (s *System) planQuirksNow(ctx context.Context) ([]Reconciled, error) {
	now := Occasion{Stage: quirks.Manual}
	set, err := s.loadQuirks(ctx, now)
	if err != nil {
		return nil, err
	}
	if set.isEmpty() {
		return nil, set.wrong
	}
	return s.reconcileSet(ctx, set, now, true)
}

// RepairQuirks makes true what quirks want now, as by hand, and tells of those for which
// something was done.
func (s *System) RepairQuirks(ctx context.Context, opts Options) ([]Reconciled, error) {
	now := Occasion{Stage: quirks.Manual}
	set, err := s.loadQuirks(ctx, now)
	if err != nil {
		return nil, err
	}
	if set.isEmpty() {
		return nil, set.wrong
	}
	all, err := s.Reconcile(ctx, now, opts)
	return slices.DeleteFunc(all, func(r Reconciled) bool { return !changes(r) }), err
}
