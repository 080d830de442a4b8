package quirks

import "fmt"

// Truth is whether a condition holds. The zero value is that it cannot be known.
type Truth int

// The truths.
const (
	Unknown Truth = iota
	False
	True
)

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

func (t Truth) String() string { return [...]string{"unknown", "false", "true"}[t] }

// MarshalText writes it as a word.
func (t Truth) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads such a word.
func (t *Truth) UnmarshalText(text []byte) error {
	for _, v := range []Truth{Unknown, False, True} {
		if v.String() == string(text) {
			*t = v
			return nil
		}
	}
	return fmt.Errorf("cannot read %q: it is neither true nor false nor unknown", text)
}

func (t Truth) not() Truth { return [...]Truth{Unknown, True, False}[t] }

// and is false if one is, and unknown if one is that and none false (Kleene).
func (t Truth) and(o Truth) Truth {
	switch {
	case t == False || o == False:
		return False
	case t == Unknown || o == Unknown:
		return Unknown
	}
	return True
}

func (t Truth) or(o Truth) Truth { return t.not().and(o.not()).not() }

// Fact is something that was measured, or could not be.
type Fact[T any] struct {
	Value T
	Known bool
	// Why says why it is not known; "" for what was not measured.
	Why string
}

// Known is a fact that is known.
func Known[T any](v T) Fact[T] { return Fact[T]{Value: v, Known: true} }

// NotKnown is one that is not.
func NotKnown[T any](why string) Fact[T] { return Fact[T]{Why: why} }

func (f Fact[T]) why() string {
	if f.Why == "" {
		return "it was not looked at"
	}
	return f.Why
}

// Reason says how a condition came to its truth: of a leaf with what was found,
// of the others by their parts.
type Reason struct {
	Is Truth `json:"is"`
	// Text is the condition in words.
	Text string `json:"text"`
	// Found is what was measured.
	Found string `json:"found,omitempty"`
	// Why says why it cannot be known.
	Why string   `json:"why,omitempty"`
	Of  []Reason `json:"of,omitempty"`
}

// decisive is the leaf that made it what it is, the first of several.
func (r Reason) decisive() Reason {
	if len(r.Of) == 1 && r.Is == r.Of[0].Is.not() && r.Is != Unknown {
		o := r.Of[0]
		return Reason{Is: r.Is, Text: "not that " + o.Text, Found: o.Found}
	}
	for _, o := range r.Of {
		if o.Is == r.Is || len(r.Of) == 1 {
			return o.decisive()
		}
	}
	return r
}

func (r Reason) String() string {
	s := r.Text
	switch {
	case r.Is == Unknown && r.Why != "":
		s += ": " + r.Why
	case r.Found != "":
		s += ": " + r.Found
	}
	return s
}
