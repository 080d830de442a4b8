package recipe

import "koweld/assemble/elf64"

// ruleNames are the rules for people, by bit.
var ruleNames = []string{"tail-merge", "sort-relocations", "input-order", "zero-dropped", "extended-indices", "section-symbols"}

// Names are the names of the rules, those of the format's description.
func (r Rules) Names() []string {
	names := []string{}
	for i, name := range ruleNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Section is a section of the image.
type Section struct {
	elf64.Section
	Name string // shadows the offset of the header
	How  string // how its bytes are formed: copied, relocations, …
}

// hows are the contents for people.
var hows = [contents]string{"none", "bytes", "relocations", "symbols", "names", "indices"}

// Sections are the sections of the image by index, the one of index 0 first.
func (r *Recipe) Sections() []Section {
	all := make([]Section, len(r.sections))
	for i := range r.sections {
		s := &r.sections[i]
		all[i] = Section{Section: s.Section, Name: r.SectionName(i), How: hows[s.content]}
	}
	return all
}
