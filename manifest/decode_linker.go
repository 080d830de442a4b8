package manifest

import "regexp"

// emulation is a name as ld -V lists them.
var emulation = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_]*$`)

func (d *decoder) linker(v *value, objects string) *Linker {
	if v == nil {
		return nil
	}
	m := d.fields(v, "emulation", "script", "flags", "inner-flags", "recorded")
	l := &Linker{
		Flags:      d.flags(m.get("flags")),
		InnerFlags: d.flags(m.get("inner-flags")),
		Recorded:   d.recorded(m.get("recorded")),
		Pos:        v.pos,
	}
	e := m.get("emulation")
	var ok bool
	if l.Emulation, ok = d.word(e); ok && !emulation.MatchString(l.Emulation) {
		d.errorf(e, "ld -V lists them", "%s is not the name of an emulation", l.Emulation)
	}
	if script := m.get("script"); script != nil {
		l.Script, _ = d.input(script, objects)
	}
	return l
}

func (d *decoder) recorded(v *value) Recorded {
	var r Recorded
	if v == nil {
		return r
	}
	m := d.fields(v, "name", "version", "path")
	r.Name, _ = d.word(m.need("name"))
	r.Version, _ = d.word(m.need("version"))
	if p := m.get("path"); p != nil {
		r.Path, _ = d.absolute(p)
	}
	return r
}
