package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Everything that knows YAML is in this file: the decoder works on nodes.

const (
	maxBytes = 16 << 20 // of a document
	maxDepth = 32       // of nested lists and mappings; the schema needs a third
)

// readYAML gives the root of the one document in data. The errors have no
// File yet; if there are any, the root is not to be used.
func readYAML(data []byte) (root node, errs []*Error) {
	if err := checkBytes(data); err != nil {
		return node{}, []*Error{err}
	}
	doc, err := parseYAML(data)
	if err != nil {
		return node{}, []*Error{err}
	}
	r := reader{}
	root = r.node(doc.Content[0], &value{}, 0)
	return root, r.errs
}

// checkBytes refuses what no YAML parser needs to see.
func checkBytes(data []byte) *Error {
	if len(data) > maxBytes {
		return &Error{Pos: Pos{1, 1}, Msg: fmt.Sprintf("the document has %d bytes; the most is %d", len(data), maxBytes)}
	}
	for i, n := 0, 0; i < len(data); i += n {
		var r rune
		r, n = utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return &Error{Pos: posAt(data, i), Msg: "not UTF-8"}
		case r == '\t':
			return &Error{Pos: posAt(data, i), Msg: "a tab", Hint: "indent and separate with spaces"}
		case isControl(r) && r != '\n' && r != '\r':
			return &Error{Pos: posAt(data, i), Msg: fmt.Sprintf("a control character (%q)", r)}
		}
	}
	return nil
}

// posAt is the position of the byte at offset i.
func posAt(data []byte, i int) Pos {
	line := bytes.Count(data[:i], []byte("\n")) + 1
	start := bytes.LastIndexByte(data[:i], '\n') + 1
	return Pos{line, utf8.RuneCount(data[start:i]) + 1}
}

// parseYAML parses data, which must be one document. The parser has panicked
// on hostile input before (CVE-2022-28948), hence the recover.
func parseYAML(data []byte) (doc *yaml.Node, fault *Error) {
	defer func() {
		if p := recover(); p != nil {
			doc, fault = nil, &Error{Pos: Pos{1, 1}, Msg: fmt.Sprintf("the YAML parser failed: %v", p)}
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	doc = new(yaml.Node)
	switch err := dec.Decode(doc); {
	case errors.Is(err, io.EOF):
		return nil, &Error{Pos: Pos{1, 1}, Msg: "the document is empty"}
	case err != nil:
		return nil, syntaxFault(data, err)
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
		return doc, nil
	case err != nil:
		return nil, syntaxFault(data, err)
	}
	return nil, &Error{Pos: Pos{second.Line, second.Column}, Msg: "a second document", Hint: "a manifest is one document"}
}

// parserError is a complaint of the parser, as opposed to its scanner. For
// these yaml.v3 v3.0.1 counts lines from 0 (decode.go, parser.fail).
var parserError = regexp.MustCompile(`^did not find expected (node content|key|',' or|'-' indicator|<)`)

var yamlLine = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// syntaxFault gives the parser's complaint a position. The parser knows no
// column, and now and then not the line; one common mistake is found exactly.
func syntaxFault(data []byte, err error) *Error {
	if i := unquotedVariable(data); i >= 0 {
		return &Error{
			Pos:  posAt(data, i),
			Msg:  `"${" outside of quotes within {…} or […], where YAML reads the brace as its own`,
			Hint: `put the value in quotes: "…${…}…"`,
		}
	}
	fault := &Error{Pos: Pos{1, 1}, Msg: "not YAML: " + err.Error()}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		fault.Msg = "not YAML: " + m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			fault.Pos.Line = n
			if parserError.MatchString(m[2]) {
				fault.Pos.Line++
			}
		}
	}
	return fault
}

// unquotedVariable is the offset of the first "${" that is in a flow mapping
// or list and not in quotes, or -1. It need not be exact: it only explains a
// document that the parser has refused already.
func unquotedVariable(data []byte) int {
	depth := 0
	var quote byte
	fresh := true // at the start of a token, where a quote or a brace opens
	for i, c := range data {
		switch {
		case quote != 0:
			if c == quote && (c != '"' || data[i-1] != '\\') {
				quote = 0
			}
			continue
		case fresh && (c == '"' || c == '\''):
			quote = c
		case c == '#' && (i == 0 || data[i-1] == ' ' || data[i-1] == '\n'):
			quote = '\n'
		case c == '$' && depth > 0 && i+1 < len(data) && data[i+1] == '{':
			return i
		case (c == '{' || c == '[') && (fresh || depth > 0):
			depth++
		case (c == '}' || c == ']') && depth > 0:
			depth--
		}
		fresh = strings.IndexByte(" \n{[,", c) >= 0 || fresh && c == '-'
	}
	return -1
}

// reader turns a tree of the parser into ours and collects what the parser
// lets pass.
type reader struct {
	errs []*Error
}

func (r *reader) fault(n *yaml.Node, at *value, msg, hint string) {
	r.errs = append(r.errs, &Error{Pos: Pos{n.Line, n.Column}, Path: at.path(), Msg: msg, Hint: hint})
}

func (r *reader) node(n *yaml.Node, at *value, depth int) node {
	out := node{pos: Pos{n.Line, n.Column}}
	if depth > maxDepth {
		r.fault(n, at, fmt.Sprintf("nested deeper than %d levels", maxDepth), "")
		return out
	}
	if n.Anchor != "" {
		r.fault(n, at, "an anchor (&"+n.Anchor+")", "write the value out where it is used, or use vars and defaults")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.fault(n, at, "a tag ("+n.Tag+")", "leave it out")
	}
	switch n.Kind {
	case yaml.AliasNode:
		r.fault(n, at, "an alias (*"+n.Value+")", "write the value out, or use vars and defaults")
	case yaml.SequenceNode:
		out.kind = list
		out.items = make([]node, len(n.Content))
		for i, c := range n.Content {
			out.items[i] = r.node(c, &value{up: at, index: i}, depth+1)
		}
	case yaml.MappingNode:
		r.mapping(&out, n, at, depth)
	default:
		out.kind, out.text = scalarKind(n), n.Value
	}
	return out
}

func (r *reader) mapping(out *node, n *yaml.Node, at *value, depth int) {
	out.kind = mapping
	out.keys = make([]node, 0, len(n.Content)/2)
	out.items = make([]node, 0, len(n.Content)/2)
	first := make(map[string]Pos, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.Tag == "!!merge" {
			r.fault(k, at, "a merge key (<<)", "write the values out, or use defaults")
			continue
		}
		key := r.node(k, at, depth+1)
		if key.kind != text {
			if k.Kind != yaml.AliasNode {
				r.fault(k, at, "a key must be a string, and is "+key.kind.String(), "")
			}
			continue
		}
		under := &value{up: at, key: key.text, index: notInList}
		if pos, ok := first[key.text]; ok {
			r.fault(k, under, fmt.Sprintf("the key is there twice; first at %d:%d", pos.Line, pos.Column), "")
			continue
		}
		first[key.text] = key.pos
		out.keys = append(out.keys, key)
		out.items = append(out.items, r.node(v, under, depth+1))
	}
}

// scalarKind is the kind of a scalar. A date is a string, as YAML 1.2 has it.
func scalarKind(n *yaml.Node) kind {
	switch n.ShortTag() {
	case "!!null":
		return null
	case "!!bool":
		return boolean
	case "!!int":
		return integer
	case "!!float":
		return float
	}
	return text
}

// writeYAML is v as a YAML document.
func writeYAML(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
