package txn

import (
	"context"
	"errors"
	"fmt"
)

// Diversion is a record of dpkg's: what any package but Package ships as From
// lies at To.
type Diversion struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Package string `json:"package,omitempty"` // who holds it; "" for a local one
}

func (d Diversion) String() string {
	if d.Package == "" {
		return fmt.Sprintf("local diversion of %s to %s", d.From, d.To)
	}
	return fmt.Sprintf("diversion of %s to %s by %s", d.From, d.To, d.Package)
}

// Diverter is dpkg's list of diversions.
type Diverter interface {
	// Diverted returns the diversion of a name; nil if it has none.
	Diverted(from string) (*Diversion, error)
	// Record has dpkg record a diversion, and Forget remove one. Neither
	// moves a file.
	Record(ctx context.Context, d Diversion) error
	Forget(ctx context.Context, d Diversion) error
}

// DiverterError says that dpkg's list of diversions is not as it should be after
// dpkg-divert has run.
type DiverterError struct {
	Diversion Diversion
	Forget    bool // it was to be removed
	Err       error
}

func (e *DiverterError) Error() string {
	verb := "record"
	if e.Forget {
		verb = "forget"
	}
	if e.Err == nil {
		return fmt.Sprintf("cannot %s the %s: dpkg-divert says that it did, and did not", verb, e.Diversion)
	}
	return fmt.Sprintf("cannot %s the %s: %v", verb, e.Diversion, e.Err)
}

// Unwrap returns what dpkg-divert said.
func (e *DiverterError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *DiverterError) Hint() string { return "koweld divert list says who diverts what" }

var errNoDpkg = errors.New("there is no dpkg here")

// diverted tells how far an operation is: its diversion is still as it was
// planned, or it is as it is to be, or neither.
func (m *Manager) diverted(o Op) (before, after bool, err error) {
	if m.Diverter == nil {
		return false, false, fmt.Errorf("cannot %s: %w", o, errNoDpkg)
	}
	have, err := m.Diverter.Diverted(o.Diversion.From)
	if err != nil {
		return false, false, err
	}
	there := have != nil && *have == *o.Diversion
	if o.Forget {
		return there, have == nil, nil
	}
	return have == nil, there, nil
}

// mayDivert makes sure that a diversion is as it was when the plan was made.
func (m *Manager) mayDivert(o Op) error {
	before, _, err := m.diverted(o)
	if err == nil && !before {
		err = &ChangedError{Path: o.Diversion.From}
	}
	return err
}

// divert has dpkg change its list. What counts is what the list says afterwards,
// whatever dpkg-divert says.
func (tx *Tx) divert(ctx context.Context, o Op) error {
	if err := tx.m.mayDivert(o); err != nil {
		return err
	}
	said, err := tx.m.change(ctx, o.Diversion, o.Forget)
	if err != nil {
		return err
	}
	_, after, err := tx.m.diverted(o)
	if err == nil && !after {
		err = &DiverterError{*o.Diversion, o.Forget, said}
	}
	if err == nil && said != nil {
		tx.Warnings = append(tx.Warnings, fmt.Sprintf("%s: done, although %v", o, said))
	}
	return err
}

// change calls dpkg-divert. said is what it says of itself; err that it was not
// called to the end.
func (m *Manager) change(ctx context.Context, d *Diversion, forget bool) (said, err error) {
	if forget {
		said = m.Diverter.Forget(ctx, *d)
	} else {
		said = m.Diverter.Record(ctx, *d)
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, fmt.Errorf("cannot go on: %w", cause)
	}
	return said, nil
}

// undoDivert has dpkg take back what it did.
func (m *Manager) undoDivert(ctx context.Context, o Op) error {
	before, after, err := m.diverted(o)
	switch {
	case err != nil || before:
		return err
	case !after && !o.Forget:
		return nil // somebody has taken it back and diverted the name otherwise
	case !after:
		return &ChangedError{Path: o.Diversion.From}
	}
	said, err := m.change(ctx, o.Diversion, !o.Forget)
	if err != nil {
		return err
	}
	before, _, err = m.diverted(o)
	if err == nil && !before {
		err = &DiverterError{*o.Diversion, !o.Forget, said}
	}
	return err
}
