package quirks_test

import (
	"fmt"
	"strings"

	"koweld/quirks"
)

// describe writes quirks out in full, with the words that explain has for them.
func describe(all []*quirks.Quirk) string {
	var b strings.Builder
	line := func(depth int, format string, args ...any) {
		fmt.Fprintf(&b, strings.Repeat("  ", depth)+format+"\n", args...)
	}
	for _, q := range all {
		line(0, "%s: %s", q.Key(), q.Title)
		line(1, "package %q, bugs %q, retire after %q, off %v", q.Package, q.Bugs, q.RetireAfter, q.Off)
		if q.Scope != nil {
			line(1, "scope")
			describeCondition(line, 2, q.Scope)
		}
		if q.Keep != nil {
			line(1, "keep")
			describeCondition(line, 2, q.Keep.When)
			describeActions(line, q.Keep.Do)
		}
		for _, c := range q.Cleanup {
			line(1, "cleanup %s at %s", c.ID, c.At)
			describeCondition(line, 2, c.When)
			describeActions(line, c.Do)
		}
	}
	return b.String()
}

func describeCondition(line func(int, string, ...any), depth int, c quirks.Condition) {
	line(depth, "%s", c)
	var parts []quirks.Condition
	switch c := c.(type) {
	case quirks.All:
		parts = c
	case quirks.Any:
		parts = c
	case quirks.Not:
		parts = []quirks.Condition{c.Condition}
	}
	for _, p := range parts {
		describeCondition(line, depth+1, p)
	}
}

func describeActions(line func(int, string, ...any), all []quirks.Action) {
	for _, a := range all {
		line(2, "do %s", a.Do)
		if d, ok := a.Do.(quirks.Divert); ok {
			line(3, "move %v, undo %s, %s", d.Move, d.Undo.Target, d.Undo.Stale)
		}
		for _, c := range a.Require {
			describeCondition(line, 3, c)
		}
	}
}
