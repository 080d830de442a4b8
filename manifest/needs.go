package manifest

import (
	"regexp"
	"slices"
	"strings"
)

// features are what a manifest may need of this koweld beyond the version of
// the schema: diverts, that the key of that name may be other than empty. All
// koweld that were released know it.
var features = []string{"diverts"}

// feature is an entry of needs: a name, and the first koweld that knows it.
var feature = regexp.MustCompile(`^([a-z][a-z0-9-]*)(?:>=([0-9][0-9A-Za-z.+~]*))?$`)

// NeedsError says that a manifest needs what only a newer koweld can do. It
// is found before anything else is decoded, so it is the only error.
type NeedsError struct {
	File    string
	Pos     Pos
	Feature string
	Version string // the first koweld that knows the feature, as the manifest has it; "" if it does not say
}

func (e *NeedsError) Error() string {
	at := (&Error{File: e.File, Pos: e.Pos, Msg: "needs " + e.what()}).Error()
	return "cannot read manifest: " + at
}

func (e *NeedsError) what() string {
	if e.Version != "" {
		return "koweld ≥ " + e.Version + " for " + e.Feature
	}
	return "a koweld that knows " + e.Feature
}

// Hint says what to install.
func (e *NeedsError) Hint() string {
	if e.Version != "" {
		return "install koweld " + e.Version + " or later"
	}
	return "install a later koweld"
}

// newer finds the first feature of the document that is not ours. Whatever is
// malformed is left to the decoder.
func newer(file string, root *value) error {
	needs := root.member("needs")
	if needs == nil {
		return nil
	}
	for i := range needs.items {
		n := &needs.items[i]
		m := feature.FindStringSubmatch(n.text)
		if needs.kind == list && n.kind == text && m != nil && !slices.Contains(features, m[1]) {
			return &NeedsError{File: file, Pos: n.pos, Feature: m[1], Version: m[2]}
		}
	}
	return nil
}

// Feature is what a manifest needs of koweld.
type Feature struct {
	Name  string `json:"feature"`
	Least string `json:"version,omitempty"` // the first koweld that knows it; "" if the manifest does not say
}

// Features are the Needs of the manifest, taken apart.
func (m *Manifest) Features() []Feature {
	all := []Feature{}
	for _, n := range m.Needs {
		name, least, _ := strings.Cut(n, ">=")
		all = append(all, Feature{name, least})
	}
	return all
}

// needs are the features, each known by now.
func (d *decoder) needs(v *value) []string {
	var needs []string
	for _, e := range d.elements(v) {
		s, ok := d.word(e)
		if ok && !feature.MatchString(s) {
			d.errorf(e, "", "%s is not the name of a feature", s)
		}
		needs = append(needs, s)
	}
	return needs
}
