package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is a line of `go test -json` (cmd/test2json, type TestEvent), as far
// as it is needed here.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

// readGoTest counts tests and subtests. A package that fails without a test
// that did (it does not build, a panic outside a test, a time limit) counts as
// one failure.
func readGoTest(r io.Reader, out io.Writer) (counts, error) {
	var c counts
	outputs := map[string]*strings.Builder{} // of tests and packages still running
	failedIn := map[string]bool{}            // packages with a failed test
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadString('\n')
		if text != "" {
			var e event
			if json.Unmarshal([]byte(text), &e) != nil {
				fmt.Fprint(out, text) // what go itself says
			} else {
				c.add(e, outputs, failedIn, out)
			}
		}
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return c, err
		}
	}
}

func (c *counts) add(e event, outputs map[string]*strings.Builder, failedIn map[string]bool, out io.Writer) {
	name := e.Package
	if e.Test != "" {
		name += "." + e.Test
	}
	switch e.Action {
	case "build-output":
		fmt.Fprint(out, e.Output)
		return
	case "output":
		if outputs[name] == nil {
			outputs[name] = &strings.Builder{}
		}
		outputs[name].WriteString(e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}

	var said string
	if b := outputs[name]; b != nil {
		said = b.String()
		delete(outputs, name)
	}
	switch {
	case e.Test == "":
		c.endPackage(e, said, failedIn, out)
	case e.Action == "pass":
		c.passed++
		fmt.Fprint(out, proofs(name, said))
	case e.Action == "skip":
		c.skipped = append(c.skipped, skip{name, reason(said)})
	default:
		c.failed++
		failedIn[e.Package] = true
		fmt.Fprintf(out, "FAIL %s\n%s", name, said)
	}
}

func (c *counts) endPackage(e event, said string, failedIn map[string]bool, out io.Writer) {
	switch {
	case e.Action == "pass":
		fmt.Fprintf(out, "ok   %s (%.1f s)\n", e.Package, e.Elapsed)
	case e.Action == "fail" && !failedIn[e.Package]:
		c.failed++
		fmt.Fprintf(out, "FAIL %s\n%s", e.Package, said)
	}
}

// proofs are the lines by which a test that passed says how much it proved:
// those that end in the number of violations.
func proofs(name, said string) string {
	var b strings.Builder
	for text := range strings.Lines(said) {
		text = strings.TrimSpace(text)
		if !strings.HasSuffix(text, " violations") {
			continue
		}
		if _, log, ok := strings.Cut(text, ".go:"); ok {
			_, text, _ = strings.Cut(log, ": ") // the line's number
		}
		fmt.Fprintf(&b, "proof %s: %s\n", name, text)
	}
	return b.String()
}

// reason is what a skipped test printed, without the frame around it.
func reason(said string) string {
	var words []string
	for text := range strings.Lines(said) {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "=== ") || strings.HasPrefix(text, "--- ") {
			continue
		}
		words = append(words, text)
	}
	return strings.Join(words, " ")
}
