// Package tap prints results in the words of TAP (testanything.org), which
// tools/layer counts.
package tap

import (
	"fmt"
	"io"
	"strings"
)

// Writer prints results and counts them.
type Writer struct {
	w                       io.Writer
	passed, failed, skipped int
}

// New returns a writer that prints to w.
func New(w io.Writer) *Writer { return &Writer{w: w} }

// Result prints whether a check held.
func (t *Writer) Result(ok bool, name string) {
	word := "ok"
	if ok {
		t.passed++
	} else {
		t.failed++
		word = "not ok"
	}
	fmt.Fprintf(t.w, "%s %d - %s\n", word, t.ran(), name)
}

// Skip prints a check that this machine cannot do.
func (t *Writer) Skip(name, reason string) {
	t.skipped++
	fmt.Fprintf(t.w, "ok %d - %s # SKIP %s\n", t.ran(), name, reason)
}

// Note prints a diagnostic.
func (t *Writer) Note(text string) {
	fmt.Fprintf(t.w, "#   %s\n", strings.ReplaceAll(text, "\n", "\n#   "))
}

// Finish prints the plan and the sum, and reports whether all is well.
func (t *Writer) Finish() bool {
	fmt.Fprintf(t.w, "1..%d\n%d passed, %d failed, %d skipped\n", t.ran(), t.passed, t.failed, t.skipped)
	return t.failed == 0 && t.passed > 0
}

func (t *Writer) ran() int { return t.passed + t.failed + t.skipped }
