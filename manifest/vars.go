package manifest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Vars are the facts that the caller knows and a manifest may use.
type Vars struct {
	Arch      string // ${arch}, as in dpkg --print-architecture; "" is not known
	Multiarch string // ${multiarch}, as in dpkg-architecture -qDEB_HOST_MULTIARCH; "" is not known
	Dir       string // absolute folder of the manifest below the root; the default of objects and signatures
}

// maxText bounds an expanded string, in bytes: PATH_MAX of linux/limits.h.
// Variables that are made of variables grow without it.
const maxText = 4096

// maxVars bounds the variables of a document, and with them how deeply they
// are made of each other.
const maxVars = 1000

var varName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// ownVars are the names that koweld gives, or will give, a value.
var ownVars = []string{"arch", "multiarch", "kernel", "name", "package", "from", "to"}

// variables is what ${name} stands for. The values of the document are
// expanded when they are first used, for they may use each other.
type variables struct {
	known map[string]string
	open  map[string]*value // of the document, not expanded yet
	busy  map[string]bool   // being expanded: a use of one is a cycle
	wrong map[string]bool   // an error has been reported
}

func newVariables(host Vars) variables {
	v := variables{
		known: map[string]string{},
		open:  map[string]*value{},
		busy:  map[string]bool{},
		wrong: map[string]bool{},
	}
	if host.Arch != "" {
		v.known["arch"] = host.Arch
	}
	if host.Multiarch != "" {
		v.known["multiarch"] = host.Multiarch
	}
	return v
}

// names are all names that may stand in ${…} now, for suggestions.
func (v *variables) names() []string {
	return slices.Concat(slices.Sorted(maps.Keys(v.known)), slices.Sorted(maps.Keys(v.open)))
}

// declare reads the key vars and takes the kernel's name for a variable.
func (d *decoder) declare(vars, kernel *value) {
	if kernel != nil && kernel.kind == text {
		d.vars.open["kernel"] = kernel
	} else {
		d.vars.wrong["kernel"] = true
	}
	if vars == nil || !d.is(vars, mapping) {
		return
	}
	if len(vars.items) > maxVars {
		d.errorf(vars, "", "%d variables; the most is %d", len(vars.items), maxVars)
		return
	}
	for i := range vars.items {
		v, name := vars.memberAt(i), vars.keys[i].text
		switch {
		case strings.HasPrefix(name, extension):
		case slices.Contains(ownVars, name):
			d.errorAt(vars.keys[i].pos, v, "", "the name belongs to koweld")
		case !varName.MatchString(name):
			d.errorAt(vars.keys[i].pos, v, "", "a name is a lower case letter, then lower case letters, digits, - and _")
		case !d.is(v, text):
			d.vars.wrong[name] = true
		default:
			d.vars.open[name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.vars.open)) {
		d.variable(name, d.vars.open[name])
	}
}

// variable is the value of a name that is used at v.
func (d *decoder) variable(name string, v *value) (s string, ok bool) {
	if s, ok := d.vars.known[name]; ok {
		return s, true
	}
	if d.vars.wrong[name] {
		return "", false
	}
	own, ok := d.vars.open[name]
	switch {
	case !ok:
		d.unknownVariable(name, v)
		return "", false
	case d.vars.busy[name]:
		d.errorf(v, "", "${%s} is made of itself", name)
		return "", false
	}
	d.vars.busy[name] = true
	s, ok = d.expand(own)
	delete(d.vars.busy, name)
	delete(d.vars.open, name)
	if !ok {
		d.vars.wrong[name] = true
		return "", false
	}
	d.vars.known[name] = s
	return s, true
}

func (d *decoder) unknownVariable(name string, v *value) {
	switch name {
	case "arch", "multiarch":
		d.errorf(v, "", "${%s} is not known here", name)
	case "name":
		d.errorf(v, "", "${name} is the name of a module: it is known below modules and defaults only")
	case "from":
		d.errorf(v, "", "${from} is a name that is diverted: it is known where that goes to only")
	default:
		d.errorf(v, didYouMean(nearest(name, d.vars.names())), "${%s} is not known", name)
	}
}

// expand is the text of the string v with each ${name} replaced, once: what a
// variable brings is not read again.
func (d *decoder) expand(v *value) (string, bool) {
	rest := v.text
	if len(rest) <= maxText && !strings.Contains(rest, "$") {
		return rest, true
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		if b.Len() > maxText {
			d.errorf(v, "", "longer than %d bytes", maxText)
			return "", false
		}
		if !found {
			return b.String(), true
		}
		name, tail, closed := strings.Cut(strings.TrimPrefix(after, "{"), "}")
		if !strings.HasPrefix(after, "{") || !closed || !varName.MatchString(name) {
			d.errorf(v, `write ${name}; a "$" itself has no place in a manifest`, `a "$" that begins no variable`)
			return "", false
		}
		s, ok := d.variable(name, v)
		if !ok {
			return "", false
		}
		b.WriteString(s)
		rest = tail
	}
}

// withName makes ${name} known as name while f runs.
func (d *decoder) withName(name string, f func()) { d.with("name", name, f) }

// with makes a variable known while f runs. A value that is wrong is "", and a use
// of it no further error.
func (d *decoder) with(variable, val string, f func()) {
	if val == "" {
		d.vars.wrong[variable] = true
	} else {
		d.vars.known[variable] = val
	}
	f()
	delete(d.vars.wrong, variable)
	delete(d.vars.known, variable)
}
