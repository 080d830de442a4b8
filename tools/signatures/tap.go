package main

import (
	"fmt"
	"io"
	"strings"
)

// tapWriter prints results in the words of TAP (testanything.org), which
// tools/layer counts, and counts them itself.
type tapWriter struct {
	w                       io.Writer
	passed, failed, skipped int
}

func (t *tapWriter) result(ok bool, name string) {
	word := "ok"
	if ok {
		t.passed++
	} else {
		t.failed++
		word = "not ok"
	}
	fmt.Fprintf(t.w, "%s %d - %s\n", word, t.ran(), name)
}

func (t *tapWriter) skip(name, reason string) {
	t.skipped++
	fmt.Fprintf(t.w, "ok %d - %s # SKIP %s\n", t.ran(), name, reason)
}

func (t *tapWriter) note(text string) {
	fmt.Fprintf(t.w, "#   %s\n", strings.ReplaceAll(text, "\n", "\n#   "))
}

// finish prints the plan and the sum, and reports whether all is well.
func (t *tapWriter) finish() bool {
	fmt.Fprintf(t.w, "1..%d\n%d passed, %d failed, %d skipped\n", t.ran(), t.passed, t.failed, t.skipped)
	return t.failed == 0 && t.passed > 0
}

func (t *tapWriter) ran() int { return t.passed + t.failed + t.skipped }
