package manifest

import (
	"strconv"
	"strings"
)

// kind is what a YAML value is, by the core schema of YAML 1.2 (§10.3).
type kind int

const (
	null kind = iota
	boolean
	integer
	float
	text
	list
	mapping
)

// String names the kind as messages do.
func (k kind) String() string {
	return [...]string{"empty", "a boolean", "an integer", "a number", "a string", "a list", "a mapping"}[k]
}

// node is a value of the document. It is all that the decoder knows of YAML.
type node struct {
	kind kind
	text string // of a scalar, unquoted
	keys []node // of a mapping; as long as items, no key twice
	// items are the elements of a list or the values of a mapping.
	items []node
	pos   Pos
}

// value is a node and where it is: the way up to the root. A nil *value is a
// value that is absent, which decoding functions pass over.
type value struct {
	*node
	up    *value
	key   string // of the mapping above, if index is notInList
	index int    // in the list above
}

const notInList = -1

// path is the way to the value from the root: modules[2].image.sha256.
func (v *value) path() string {
	if v.up == nil {
		return ""
	}
	if v.index != notInList {
		return v.up.path() + "[" + strconv.Itoa(v.index) + "]"
	}
	return join(v.up.path(), v.key)
}

// join is path with key behind it.
func join(path, key string) string {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == '.' || r == '"' || r > '~' }) || key == "" {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// element is item i of a list.
func (v *value) element(i int) *value {
	return &value{node: &v.items[i], up: v, index: i}
}

// member is the value of key, or nil; of a value that is no mapping, nil.
func (v *value) member(key string) *value {
	for i := range v.keys {
		if v.keys[i].text == key {
			return v.memberAt(i)
		}
	}
	return nil
}

// keyAt is key i of a mapping as a string of its own.
func (v *value) keyAt(i int) *value {
	return &value{node: &v.keys[i], up: v, key: v.keys[i].text, index: notInList}
}

// memberAt is value i of a mapping.
func (v *value) memberAt(i int) *value {
	return &value{node: &v.items[i], up: v, key: v.keys[i].text, index: notInList}
}
