package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one fault of a manifest.
type Error struct {
	File string
	Pos  Pos    // of the offending value or key
	Path string // of the field, e.g. modules[2].image.sha256; "" for the document
	Msg  string
	Hint string // what to do instead; "" if there is nothing to say
}

// Error is "FILE:LINE:COLUMN: PATH: MSG; HINT", the form that editors jump to.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Pos.Line, e.Pos.Column)
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// ErrorList is all faults of one manifest, sorted by position. It is never
// empty when it is returned.
type ErrorList []*Error

// Error puts each fault on a line of its own, below a first line that says
// what could not be done.
func (l ErrorList) Error() string {
	if len(l) == 1 {
		return "cannot read manifest: " + l[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cannot read manifest: %d errors", len(l))
	for _, e := range l {
		b.WriteString("\n" + e.Error())
	}
	return b.String()
}

// Unwrap gives each fault to errors.As and errors.Is.
func (l ErrorList) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// Hint says where the format is described.
func (l ErrorList) Hint() string {
	return "koweld-manifest(5) describes the format"
}

func (l ErrorList) sort() {
	slices.SortStableFunc(l, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
			cmp.Compare(a.Path, b.Path),
		)
	})
}
