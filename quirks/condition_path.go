package quirks

import (
	"fmt"
	"slices"
	"strings"
)

// PathIs compares what lies at a name.
type PathIs struct {
	Path   string
	Is     []Kind
	SHA256 []string
	Mode   *uint32
}

func (c PathIs) String() string {
	var parts []string
	if c.Is != nil {
		words := make([]string, len(c.Is))
		for i, k := range c.Is {
			words[i] = kindWords[k]
		}
		parts = append(parts, "is "+either(words))
	}
	if c.SHA256 != nil {
		parts = append(parts, "has the bytes "+either(c.SHA256))
	}
	if c.Mode != nil {
		parts = append(parts, fmt.Sprintf("has the mode %04o", *c.Mode))
	}
	return c.Path + " " + strings.Join(parts, ", ")
}

var kindWords = map[Kind]string{
	NoFile: "absent", File: "a file", Dir: "a folder", Symlink: "a link", Special: "a special file", Loop: "unreachable",
}

func (c PathIs) need(n *Needs) {
	p := n.path(c.Path)
	if c.SHA256 != nil {
		p.hash()
	}
}

func (c PathIs) eval(e *evaluation) Reason {
	p := e.Paths[c.Path]
	kind := p.Kind.Value
	r := Reason{Text: c.String(), Is: True}
	if c.Is != nil {
		r = r.and(leaf(c, p.Kind, slices.Contains(c.Is, kind), "it is "+kindWords[kind]))
	}
	if c.SHA256 != nil {
		if p.Kind.Known && kind != File {
			r = r.and(Reason{Is: False, Found: "it is " + kindWords[kind]})
		} else {
			r = r.and(leaf(c, p.SHA256, slices.Contains(c.SHA256, p.SHA256.Value), "it has "+p.SHA256.Value))
		}
	}
	if c.Mode != nil {
		if p.Kind.Known && kind == NoFile {
			r = r.and(Reason{Is: False, Found: "it is absent"})
		} else {
			r = r.and(leaf(c, p.Mode, p.Mode.Value == *c.Mode, fmt.Sprintf("its mode is %04o", p.Mode.Value)))
		}
	}
	return r
}

// The words for owners, beside names of packages.
const (
	nobody        = "none"
	anybody       = "any"
	anyUndiverted = "any-undiverted"
	ownSelf       = "self"
)

// OwnerIs compares which packages ship a name.
type OwnerIs struct {
	Path string
	// Is are packages, or none, any, any-undiverted: one whose file does lie
	// there, since it is not diverted.
	Is []string
}

func (c OwnerIs) String() string {
	words := make([]string, len(c.Is))
	for i, w := range c.Is {
		switch w {
		case nobody:
			w = "nobody"
		case anybody:
			w = "anybody"
		case anyUndiverted:
			w = "anybody whose file lies there"
		}
		words[i] = w
	}
	return either(words) + " ships " + c.Path
}

func (c OwnerIs) need(n *Needs) { n.path(c.Path) }

func (c OwnerIs) eval(e *evaluation) Reason {
	f := e.Paths[c.Path].Owners
	found := "nobody does"
	if len(f.Value) > 0 {
		found = names(f.Value) + " does"
	}
	r := leaf(c, f, false, found)
	if !f.Known {
		return r
	}
	others := slices.DeleteFunc(slices.Clone(f.Value), func(o Owner) bool { return slices.Contains(c.Is, o.Package) })
	switch {
	case slices.Contains(c.Is, anybody) && len(f.Value) > 0,
		slices.Contains(c.Is, nobody) && len(f.Value) == 0,
		len(f.Value) > 0 && len(others) == 0:
		r.Is = True
	case slices.Contains(c.Is, anyUndiverted):
		if !e.Diversions.Known {
			return Reason{Text: r.Text, Why: e.Diversions.why()}
		}
		lies := e.undiverted(f.Value)
		r.Is = truth(len(lies) > 0)
		if len(f.Value) > 0 && len(lies) == 0 {
			r.Found += ", and its file is diverted"
		}
	}
	return r
}

// The words for diversions.
const (
	ours   = "ours"
	local  = "local"
	target = "target" // it is where another name is diverted to
)

// DiversionIs compares what dpkg diverts.
type DiversionIs struct {
	Path string
	// Is are none, ours, any, local, target, or package:N.
	Is []string
	To string // "" for any
}

func (c DiversionIs) String() string {
	words := make([]string, len(c.Is))
	for i, w := range c.Is {
		pkg, isPkg := strings.CutPrefix(w, holderPackage)
		switch {
		case w == nobody:
			w = "not diverted"
		case w == anybody:
			w = "diverted"
		case w == ours:
			w = "diverted by this quirk"
		case w == local:
			w = "diverted by the administrator"
		case w == target:
			w = "where another name is diverted to"
		case isPkg:
			w = "diverted by " + pkg
		}
		words[i] = w
	}
	text := c.Path + " is " + either(words)
	if c.To != "" {
		text += ", to " + c.To
	}
	return text
}

func (c DiversionIs) need(n *Needs) { n.path(c.Path) }

func (c DiversionIs) eval(e *evaluation) Reason {
	r := leaf(c, e.Diversions, false, "it is in no diversion")
	if !e.Diversions.Known {
		return r
	}
	from, isFrom := e.from(c.Path)
	to, isTo := e.to(c.Path)
	switch {
	case isFrom:
		r.Found = "it is diverted to " + from.To + " by " + from.by()
	case isTo:
		r.Found = to.From + " is diverted to it by " + to.by()
	}
	for _, w := range c.Is {
		is := false
		switch w {
		case nobody:
			is = !isFrom && !isTo
		case anybody:
			is = isFrom
		case ours:
			is = isFrom && slices.Contains(e.ours, from) || isTo && slices.Contains(e.ours, to)
		case local:
			is = isFrom && from.Package == ""
		case target:
			is = isTo
		default:
			is = isFrom && from.Package != "" && holderPackage+from.Package == w
		}
		if is && (c.To == "" || w == nobody || isFrom && from.To == c.To) {
			r.Is = True
		}
	}
	return r
}

// RelationIs compares how two names stand to each other.
type RelationIs struct {
	Of Pair
	Is []Relation
}

func (c RelationIs) String() string {
	words := make([]string, len(c.Is))
	for i, w := range c.Is {
		words[i] = string(w)
	}
	return c.Of.A + " and " + c.Of.B + " are " + either(words)
}

func (c RelationIs) need(n *Needs) { n.pair(c.Of) }

func (c RelationIs) eval(e *evaluation) Reason {
	f := e.Relations[c.Of]
	return leaf(c, f, slices.Contains(c.Is, f.Value), "they are "+string(f.Value))
}
