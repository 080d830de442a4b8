package quirks

import (
	"slices"
	"strings"
)

// Condition is something that is true, false or unknown of a system. There is a
// closed set of them; none runs a command.
type Condition interface {
	// String is the condition in words.
	String() string
	eval(e *evaluation) Reason
	need(n *Needs)
}

// evaluation is what conditions are evaluated by.
type evaluation struct {
	*Facts
	ours []Diversion // those on record, and the one that is wanted
}

// All is true if each is, Any if one is, Not if it is not.
type (
	All []Condition
	Any []Condition
	Not struct{ Condition }
)

func (c All) String() string { return "all of these" }
func (c Any) String() string { return "one of these" }
func (c Not) String() string { return "not" }

func (c All) eval(e *evaluation) Reason { return fold(c.String(), e, c, True, Truth.and) }
func (c Any) eval(e *evaluation) Reason { return fold(c.String(), e, c, False, Truth.or) }

// fold evaluates all parts, also those that decide nothing any more: they are
// shown.
func fold(text string, e *evaluation, parts []Condition, is Truth, join func(Truth, Truth) Truth) Reason {
	r := Reason{Text: text, Is: is}
	for _, c := range parts {
		part := c.eval(e)
		r.Is = join(r.Is, part.Is)
		r.Of = append(r.Of, part)
	}
	return r
}

func (c Not) eval(e *evaluation) Reason {
	part := c.Condition.eval(e)
	return Reason{Text: c.String(), Is: part.Is.not(), Of: []Reason{part}}
}

func (c All) need(n *Needs) { needAll(c, n) }
func (c Any) need(n *Needs) { needAll(c, n) }

func needAll(parts []Condition, n *Needs) {
	for _, c := range parts {
		c.need(n)
	}
}

// leaf is the reason of a condition that compares a fact.
func leaf[T any](c Condition, f Fact[T], is bool, found string) Reason {
	if !f.Known {
		return Reason{Text: c.String(), Is: Unknown, Why: f.why()}
	}
	return Reason{Text: c.String(), Is: truth(is), Found: found}
}

// either is a list of words as it is said.
func either(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
}

func oneOf[S ~string](words []S, w S) bool { return slices.Contains(words, w) }
