package manifest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Document is a YAML document in another format of koweld's, read as strictly as
// a manifest: what [Parse] refuses of YAML is refused here, and what is wrong is
// collected with its position. There is one reader of YAML, and this is the way
// to it.
type Document struct {
	d    *decoder
	root Value
}

// ReadDocument reads the one document in data. file is for messages. The error is
// an [ErrorList].
func ReadDocument(file string, data []byte, vars Vars) (*Document, error) {
	d := &decoder{file: file, vars: newVariables(vars), seen: map[fieldAt]bool{}}
	root, errs := readYAML(data)
	for _, e := range errs {
		d.add(e)
	}
	if len(errs) > 0 {
		return nil, d.failed()
	}
	return &Document{d, Value{d, &value{node: &root, index: notInList}}}, nil
}

// Root is the outermost value.
func (d *Document) Root() Value { return d.root }

// Err is all that has been found wrong so far, an [ErrorList], or nil.
func (d *Document) Err() error {
	if len(d.d.errs) == 0 {
		return nil
	}
	return d.d.failed()
}

// Declare takes the variables of the document from a mapping.
func (d *Document) Declare(vars Value) {
	d.d.declare(vars.v, nil)
	delete(d.d.vars.wrong, "kernel") // no kernel is named: it is not known
}

// Scope runs f with variables of its own: those that it declares are gone
// afterwards.
func (d *Document) Scope(f func()) {
	outer := d.d.vars
	d.d.vars = variables{
		known: maps.Clone(outer.known), open: maps.Clone(outer.open),
		busy: map[string]bool{}, wrong: maps.Clone(outer.wrong),
	}
	f()
	d.d.vars = outer
}

// Word is a string of a document and where it is.
type Word struct {
	Text string
	Pos  Pos
}

// Peek gives the strings of a list in the outermost mapping without decoding
// it: nothing is reported.
func (d *Document) Peek(key string) []Word {
	v := d.root.v.member(key)
	if v == nil || v.kind != list {
		return nil
	}
	var all []Word
	for _, n := range v.items {
		if n.kind == text {
			all = append(all, Word{n.text, n.pos})
		}
	}
	return all
}

// With makes names known as variables while f runs. Those with an empty value
// are wrong already, and a use of them no further error.
func (d *Document) With(names map[string]string, f func()) {
	for name, s := range names {
		if s == "" {
			d.d.vars.wrong[name] = true
		} else {
			d.d.vars.known[name] = s
		}
	}
	f()
	for name := range names {
		delete(d.d.vars.wrong, name)
		delete(d.d.vars.known, name)
	}
}

// Value is a value of a document. The zero Value is absent: decoding it gives
// the zero value, and no error.
type Value struct {
	d *decoder
	v *value
}

// Is reports whether the value is there.
func (v Value) Is() bool { return v.v != nil }

// IsMapping reports whether the value is a mapping.
func (v Value) IsMapping() bool { return v.v != nil && v.v.kind == mapping }

// Pos is where the value begins; the zero Pos of one that is absent.
func (v Value) Pos() Pos {
	if v.v == nil {
		return Pos{}
	}
	return v.v.pos
}

// Errorf reports an error of the value, which is there. hint may be "".
func (v Value) Errorf(hint, format string, args ...any) { v.d.errorf(v.v, hint, format, args...) }

// Fields are those of a mapping that has no other keys than known.
func (v Value) Fields(known ...string) Fields { return Fields{v.d.fields(v.v, known...), known} }

// List are the items of a list of at least one.
func (v Value) List() []Value { return v.values(v.d.filled(v.v)) }

// ListOrEmpty are the items of a list, which may have none.
func (v Value) ListOrEmpty() []Value { return v.values(v.d.elements(v.v)) }

// OneOrMore are the items of such a list, or the value itself, if it is none.
func (v Value) OneOrMore() []Value {
	if v.v != nil && v.v.kind != list {
		return []Value{v}
	}
	return v.List()
}

func (v Value) values(all []*value) []Value {
	if all == nil {
		return nil
	}
	out := make([]Value, len(all))
	for i, e := range all {
		out[i] = Value{v.d, e}
	}
	return out
}

// Integer is the text of an integer.
func (v Value) Integer() string {
	if v.v == nil || !v.d.is(v.v, integer) {
		return ""
	}
	return v.v.text
}

// Text is a string with its variables expanded; false if it is absent or wrong.
func (v Value) Text() (string, bool) { return v.d.string(v.v) }

// Word is a string in which no variable is expanded.
func (v Value) Word() (string, bool) { return v.d.word(v.v) }

// Name is a string of a known form; what says which, in messages.
func (v Value) Name(form *regexp.Regexp, what string) string { return v.d.name(v.v, form, what) }

// OneOf is one of a few words, or otherwise, if the value is absent or another.
func (v Value) OneOf(otherwise string, words ...string) string {
	return v.d.oneOf(v.v, otherwise, words...)
}

// Bool is true or false, or otherwise, if the value is absent.
func (v Value) Bool(otherwise bool) bool { return v.d.bool(v.v, otherwise) }

// Path is an absolute clean path with its variables expanded; false if it is
// absent or wrong.
func (v Value) Path() (string, bool) { return v.d.absolute(v.v) }

// Digest is a SHA-256 in hex.
func (v Value) Digest() string { return v.d.digest(v.v) }

// Fields is a mapping whose keys have been checked.
type Fields struct {
	f     fields
	known []string
}

// Get is the value of a key.
func (f Fields) Get(key string) Value { return Value{f.f.d, f.f.get(key)} }

// Need is the value of a key; that it is absent is an error.
func (f Fields) Need(key string) Value { return Value{f.f.d, f.f.need(key)} }

// Of lists those of some keys that are there, in their order in the document.
func (f Fields) Of(keys ...string) []string {
	var there []string
	if f.f.v == nil {
		return nil
	}
	for _, k := range f.f.v.keys {
		if slices.Contains(keys, k.text) {
			there = append(there, k.text)
		}
	}
	return there
}

// Suspect reports whether there is no mapping or a key of it is not known, which
// has been said: what is missing may be there under another name.
func (f Fields) Suspect() bool {
	return f.f.v == nil || slices.ContainsFunc(f.f.v.keys, func(k node) bool {
		return !strings.HasPrefix(k.text, extension) && !slices.Contains(f.known, k.text)
	})
}

// Nearest is the word that name is most likely a misspelling of, as a hint, or
// "".
func Nearest(name string, words []string) string { return didYouMean(nearest(name, words)) }
