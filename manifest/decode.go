package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// decoder turns nodes into values and collects what is wrong with them. Its
// methods take a value that may be nil (absent), give the zero value for one
// that is wrong, and go on.
type decoder struct {
	file string
	vars variables
	errs ErrorList
	seen map[fieldAt]bool
}

// fieldAt tells errors apart: a field has one. A default that is wrong is met
// once for each module that uses it.
type fieldAt struct {
	pos  Pos
	path string
}

// errorf reports an error of v itself.
func (d *decoder) errorf(v *value, hint, format string, args ...any) {
	d.errorAt(v.pos, v, hint, format, args...)
}

// errorAt reports an error of the field v that shows at pos.
func (d *decoder) errorAt(pos Pos, v *value, hint, format string, args ...any) {
	d.add(&Error{Pos: pos, Path: v.path(), Msg: fmt.Sprintf(format, args...), Hint: hint})
}

func (d *decoder) add(e *Error) {
	at := fieldAt{e.Pos, e.Path}
	if d.seen[at] {
		return
	}
	d.seen[at] = true
	e.File = d.file
	d.errs = append(d.errs, e)
}

// extension begins the keys that are ignored in every mapping.
const extension = "x-"

// reserved are the keys that have no meaning yet and will have one.
var reserved = []string{
	"quirks", "mode", "require", "release", "rollout", "health", "type",
}

// fields is a mapping whose keys have been checked.
type fields struct {
	d     *decoder
	v     *value   // nil if there is no mapping
	meant []string // known keys that an unknown one is a misspelling of
}

// fields checks that v is a mapping of no other keys than known.
func (d *decoder) fields(v *value, known ...string) fields {
	if v == nil || !d.is(v, mapping) {
		return fields{d: d}
	}
	f := fields{d: d, v: v}
	for i, k := range v.keys {
		if strings.HasPrefix(k.text, extension) || slices.Contains(known, k.text) {
			continue
		}
		if slices.Contains(reserved, k.text) {
			d.errorAt(k.pos, v.memberAt(i), "", "reserved for a later koweld")
			continue
		}
		word := nearest(k.text, known)
		d.errorAt(k.pos, v.memberAt(i), didYouMean(word), "unknown key")
		if word != "" {
			f.meant = append(f.meant, word)
		}
	}
	return f
}

// get is the value of key, or nil.
func (f fields) get(key string) *value {
	if f.v == nil {
		return nil
	}
	return f.v.member(key)
}

// need is the value of key; that it is absent is an error, unless it has been
// reported as a misspelling.
func (f fields) need(key string) *value {
	v := f.get(key)
	if v == nil && f.v != nil && !slices.Contains(f.meant, key) {
		f.d.add(&Error{Pos: f.v.pos, Path: join(f.v.path(), key), Msg: "missing"})
	}
	return v
}

// is checks the kind of v.
func (d *decoder) is(v *value, want kind) bool {
	if v.kind == want {
		return true
	}
	hint := ""
	switch {
	case v.kind == null && v.up != nil:
		hint = "give it a value or leave the key out"
	case want == text && v.kind < text:
		hint = fmt.Sprintf("put it in quotes: %q", v.text)
	}
	d.errorf(v, hint, "must be %s, and is %s", want, v.kind)
	return false
}

// filled are the items of a list of at least one.
func (d *decoder) filled(v *value) []*value {
	all := d.elements(v)
	if all != nil && len(all) == 0 {
		d.errorf(v, "", "the list is empty")
	}
	return all
}

// elements are the items of a list; nil if v is none.
func (d *decoder) elements(v *value) []*value {
	if v == nil || !d.is(v, list) {
		return nil
	}
	all := make([]*value, len(v.items))
	for i := range all {
		all[i] = v.element(i)
	}
	return all
}

// word is a string in which no variable is expanded.
func (d *decoder) word(v *value) (string, bool) {
	if v == nil || !d.is(v, text) {
		return "", false
	}
	if strings.Contains(v.text, "$") {
		d.errorf(v, "", "variables are expanded in names and paths only")
		return "", false
	}
	return v.text, d.printable(v, v.text)
}

// string is a string with its variables expanded.
func (d *decoder) string(v *value) (string, bool) {
	if v == nil || !d.is(v, text) {
		return "", false
	}
	s, ok := d.expand(v)
	return s, ok && d.printable(v, s)
}

// printable checks the text of v.
func (d *decoder) printable(v *value, s string) bool {
	switch i := strings.IndexFunc(s, isControl); {
	case s == "":
		d.errorf(v, "", "is empty")
	case len(s) > maxText:
		d.errorf(v, "", "longer than %d bytes", maxText)
	case i >= 0:
		d.errorf(v, "", "a control character (%q)", []rune(s[i:])[0])
	default:
		return true
	}
	return false
}

// isControl tells the characters of category Cc, which no name has.
func isControl(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 }

// oneOf is one of a few words, or otherwise if v is nil.
func (d *decoder) oneOf(v *value, otherwise string, words ...string) string {
	if v == nil {
		return otherwise
	}
	s, ok := d.word(v)
	if ok && !slices.Contains(words, s) {
		d.errorf(v, didYouMean(nearest(s, words)), "must be one of %s", strings.Join(words, ", "))
		return otherwise
	}
	return s
}

// bool is true or false, or otherwise if v is nil.
func (d *decoder) bool(v *value, otherwise bool) bool {
	if v == nil {
		return otherwise
	}
	return d.is(v, boolean) && strings.EqualFold(v.text, "true")
}

// digest is a SHA-256 in hex.
func (d *decoder) digest(v *value) string {
	s, ok := d.word(v)
	if !ok {
		return ""
	}
	const digits = 64
	if i := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }); i >= 0 {
		d.errorf(v, "", "a SHA-256 is lower case hexadecimal, and has %q", []rune(s[i:])[0])
		return ""
	}
	if len(s) != digits {
		d.errorf(v, "", "a SHA-256 has %d digits, and not %d", digits, len(s))
		return ""
	}
	return s
}
