package quirks

import (
	"fmt"
	"strings"
)

// Explain says in words what a decision is and how it came to be: a tree with
// each condition, its truth, and what was found.
func (d *Decision) Explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", d.Quirk, d.Title)
	fmt.Fprintf(&b, "  at %s: %s, since %s\n", d.Stage, stateWords[d.State], d.Why)
	if d.File != "" {
		fmt.Fprintf(&b, "  from %s\n", d.File)
	}
	if d.Scope != nil {
		b.WriteString("  for this system:\n")
		d.Scope.write(&b, 2)
	}
	if d.When != nil {
		b.WriteString("  kept while:\n")
		d.When.write(&b, 2)
	}
	for i := range d.Cleanup {
		c := &d.Cleanup[i]
		due := "not due"
		switch {
		case c.Done:
			due = "done"
		case c.Due:
			due = "due"
		}
		words := make([]string, len(c.At))
		for i, s := range c.At {
			words[i] = string(s)
		}
		fmt.Fprintf(&b, "  cleanup %s, at %s: %s\n", c.ID, either(words), due)
		c.When.write(&b, 2)
	}
	for _, line := range d.Lines() {
		fmt.Fprintf(&b, "  → %s\n", line)
	}
	return b.String()
}

var stateWords = map[State]string{
	Held: "it holds", Idle: "nothing is to hold", OutOfScope: "it is not for this system", Gone: "it is gone",
	Unsure: "all stays as it is", Deferred: "it waits", Refused: "it cannot hold",
}

// Lines says what is asked for, one line each; none if nothing is.
func (d *Decision) Lines() []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, w := range d.Wants {
		what := Diversion{w.From, w.To, w.Package}.String()
		switch {
		case w.Was != nil:
			add("divert %s, and no longer to %s", what, w.Was.To)
		case w.Absent:
			add("no longer divert %s", what)
		default:
			add("divert %s", what)
		}
	}
	for _, m := range d.Mirrors {
		switch {
		case m.Absent:
			add("remove %s, the second name of %s", m.To, m.From)
		case m.Link:
			add("link %s to %s", m.From, m.To)
		default:
			add("copy %s to %s", m.From, m.To)
		}
	}
	for _, r := range d.Remove {
		add("remove %s: %s", r.Path, r.Why)
	}
	for _, t := range d.Trigger {
		add("activate the trigger %s", t)
	}
	for _, m := range d.Say {
		add("%s", m)
	}
	for _, text := range d.Abort {
		add("refuse the transaction: %s", text)
	}
	for _, c := range d.Cannot {
		add("cannot %s: %s", c.Action, c.Require.Sentence())
	}
	return all
}

// Sentence says what a requirement lacks.
func (r Reason) Sentence() string { return r.decisive().detail() }

// detail is a reason that names its condition.
func (r Reason) detail() string {
	if r.Is == Unknown {
		return "it is not known whether " + r.String()
	}
	return "required is that " + r.String()
}

func (r Reason) write(b *strings.Builder, depth int) {
	fmt.Fprintf(b, "%s%-7s %s", strings.Repeat("  ", depth), r.Is, r.Text)
	switch {
	case r.Is == Unknown && r.Why != "":
		b.WriteString(" (" + r.Why + ")")
	case r.Found != "":
		b.WriteString(" (" + r.Found + ")")
	}
	b.WriteString("\n")
	for _, o := range r.Of {
		o.write(b, depth+1)
	}
}
