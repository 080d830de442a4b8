package manifest

import (
	"path"
	"strings"
)

// forms are the ways to an image, in order.
func (d *decoder) forms(v *value, objects string) []Form {
	var forms []Form
	for _, e := range d.filled(v) {
		forms = append(forms, d.form(e, objects))
	}
	return forms
}

func (d *decoder) form(v *value, objects string) Form {
	form := Form{Pos: v.pos}
	m := d.fields(v, "whole", "link", "recipe", "inputs")
	if m.v == nil {
		return form
	}
	var ways []string
	for _, way := range []string{"whole", "link", "recipe"} {
		if m.get(way) != nil {
			ways = append(ways, way)
		}
	}
	inputs := m.get("inputs")
	switch {
	case len(ways) > 1:
		d.errorf(v, "a list of ways has one way an item", "%s are %d ways", strings.Join(ways, " and "), len(ways))
	case len(ways) == 0 && inputs == nil:
		if len(m.meant) == 0 {
			d.errorf(v, "", "no way is given: whole, link or recipe")
		}
	case len(ways) == 0 || ways[0] == "recipe":
		if recipe := m.need("recipe"); recipe != nil {
			form.Recipe, _ = d.input(recipe, objects)
		}
		form.Inputs = d.recipeInputs(m.need("inputs"), objects)
	case inputs != nil:
		d.errorf(inputs, "", "goes with recipe, and not with %s", ways[0])
	case ways[0] == "whole":
		form.Whole, _ = d.input(m.get("whole"), objects)
	default:
		form.Link = d.inputs(m.get("link"), objects, 0)
	}
	return form
}

// recipeInputs are the objects that a recipe is applied to.
func (d *decoder) recipeInputs(v *value, objects string) []string {
	var inputs []string
	first := map[string]Pos{}
	for _, e := range d.filled(v) {
		in, ok := d.input(e, objects)
		if !ok {
			continue
		}
		if pos, twice := first[in]; twice {
			d.errorf(e, "", "%s is there twice; first at %d:%d", in, pos.Line, pos.Column)
			continue
		}
		first[in] = e.pos
		inputs = append(inputs, in)
	}
	return inputs
}

// inputs are what one call of ld is given. They lie in one folder then, so
// that no two can have one name.
func (d *decoder) inputs(v *value, objects string, step int) []Input {
	var inputs []Input
	first := map[string]Pos{}
	for _, e := range d.filled(v) {
		in, ok := d.linkInput(e, objects, step)
		if !ok {
			continue
		}
		if pos, twice := first[in.Name]; twice {
			d.errorf(e, "", "two inputs of one step have the name %s; first at %d:%d", in.Name, pos.Line, pos.Column)
			continue
		}
		first[in.Name] = e.pos
		inputs = append(inputs, in)
	}
	return inputs
}

// linkInput is an object or a step.
func (d *decoder) linkInput(v *value, objects string, step int) (in Input, ok bool) {
	in.Pos = v.pos
	switch v.kind {
	case text:
		if in.Object, ok = d.input(v, objects); !ok {
			return in, false
		}
		in.Name = path.Base(in.Object)
		return in, d.inputName(v, in.Name)
	case mapping:
		m := d.fields(v, "name", "objects")
		name, under := m.need("name"), m.need("objects")
		if step == maxSteps {
			d.errorf(v, "", "steps are nested deeper than %d levels", maxSteps)
			return in, false
		}
		in.Objects = d.inputs(under, objects, step+1)
		in.Name, ok = d.stepName(name)
		return in, ok
	}
	d.errorf(v, "", "must be an object (a string) or a step (a mapping of name and objects), and is %s", v.kind)
	return in, false
}

// inputName checks the base name of an input, which ld reads on its command
// line: there, @ begins a response file (ld(1), "@file").
func (d *decoder) inputName(v *value, name string) bool {
	if strings.HasPrefix(name, "-") || strings.HasPrefix(name, "@") {
		d.errorf(v, "", "the name %s begins with %q, which ld does not take for a file", name, name[:1])
		return false
	}
	return true
}

// stepName is the name of the object that a step makes.
func (d *decoder) stepName(v *value) (string, bool) {
	s, ok := d.string(v)
	switch {
	case !ok:
	case strings.Contains(s, "/"):
		d.errorf(v, "", "the name %s is not a base name", s)
	case !strings.HasSuffix(s, ".o") || s == ".o":
		d.errorf(v, "", "the name %s does not end in .o", s)
	default:
		return s, d.inputName(v, s)
	}
	return "", false
}
