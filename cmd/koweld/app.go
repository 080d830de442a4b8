package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// app is what every command shares: the streams, the global flags and the
// document of --json.
//
// Results go to out, everything else to stderr as "koweld: …". In a
// maintainer script out is stderr as well: debconf owns standard output.
type app struct {
	stdin       io.Reader
	out, stderr io.Writer
	stdout      output
	environ     []string

	root    string
	dryRun  bool
	json    bool
	verbose bool
	quiet   bool
	wait    time.Duration

	// script says that a maintainer script runs us: what did not happen is
	// not worth a line, and another koweld is waited for.
	script bool
	// changes says that the command changes the system: what it did counts more than
	// whether it could say so.
	changes bool

	results  []any
	problems []problem
	progress *progress
}

// output is a writer that remembers its first error.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func newApp(stdin io.Reader, stdout, stderr io.Writer, environ []string) *app {
	a := &app{stdin: stdin, stderr: stderr, environ: environ}
	a.stdout.Writer = stdout
	a.out = &a.stdout
	if a.script = a.getenv("DPKG_MAINTSCRIPT_NAME") != ""; a.script {
		a.out = stderr
	}
	return a
}

// getenv returns an environment variable, or "".
func (a *app) getenv(name string) string {
	for _, kv := range a.environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// result adds v to the document of --json; otherwise text prints it for
// people.
func (a *app) result(v any, text func(w io.Writer)) {
	if a.json {
		a.results = append(a.results, v)
		return
	}
	text(a.out)
}

// infof says something on standard error, unless -q was given.
func (a *app) infof(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, "koweld: "+format+"\n", args...)
	}
}

// warnf warns on standard error.
func (a *app) warnf(format string, args ...any) {
	fmt.Fprintf(a.stderr, "koweld: warning: "+format+"\n", args...)
}

// document is what --json prints, once, whatever happens. Later versions
// only add keys.
type document struct {
	Version int       `json:"koweld"`
	Results []any     `json:"results"`
	Errors  []problem `json:"errors,omitempty"`
	Exit    int       `json:"exit"`
}

type problem struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// exit prints the error, or the document, and returns the exit code.
func (a *app) exit(err error) int {
	code := exitCode(err)
	a.report(err)
	if a.json {
		d := document{Version: 1, Results: a.results, Errors: a.problems, Exit: code}
		if d.Results == nil {
			d.Results = []any{}
		}
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		_ = enc.Encode(d)
	}
	return a.said(code)
}

// said makes sure that what a command had to say was written: for one that only reads
// that is all there is.
func (a *app) said(code int) int {
	err := a.stdout.err
	if err == nil || a.changes {
		return code
	}
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		err = at.Err
	}
	fmt.Fprintf(a.stderr, "koweld: error: cannot write to standard output: %v\n", err)
	if h := hint(err); h != "" {
		fmt.Fprintf(a.stderr, "koweld: hint: %s\n", h)
	}
	return exitFailed
}

// report says what went wrong, or keeps it for the document.
func (a *app) report(err error) {
	for _, e := range flatten(err) {
		if errors.Is(e, errSaid) {
			continue
		}
		p := problem{Error: e.Error(), Hint: hint(e)}
		if slices.Contains(a.problems, p) {
			continue // several steps have met it
		}
		a.problems = append(a.problems, p)
		if a.json {
			continue
		}
		fmt.Fprintf(a.stderr, "koweld: error: %s\n", strings.TrimSpace(p.Error))
		if p.Hint != "" {
			fmt.Fprintf(a.stderr, "koweld: hint: %s\n", p.Hint)
		}
	}
}

// flatten returns the errors of an errors.Join, one a unit.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		if _, own := err.(interface{ Hint() string }); !own {
			var all []error
			for _, e := range j.Unwrap() {
				all = append(all, flatten(e)...)
			}
			return all
		}
	}
	return []error{err}
}
