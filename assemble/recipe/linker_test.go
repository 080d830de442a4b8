package recipe_test

import (
	"cmp"
	"debug/elf"
	"slices"

	"koweld/assemble/elf64"
)

// linker is a linker of few lines, of which each decision can be chosen: tests
// need linkers of all habits, and of machines that none here links for.
type linker struct {
	discard      func(object int, p *part) bool // drops a section
	order        func(n int) []int              // of the sections of the image
	names        naming
	globalsFirst bool // undefined and defined globals by first use of their name; else by the objects that define them
	sort         bool // relocations by offset
	zero         bool // relocations against what was dropped are kept as zeros
	noSections   bool // no section symbols
}

// link joins the sections of one name.
func (l *linker) link(objects ...*object) *object {
	image := &object{machine: objects[0].machine, names: l.names}
	type where struct {
		out   int // index of a part of the image plus one
		delta uint64
	}
	at := make([][]where, len(objects))
	index := map[string]int{}
	var names []string
	for i, o := range objects {
		at[i] = make([]where, len(o.parts))
		for k := range o.parts {
			p := &o.parts[k]
			if _, ok := index[p.name]; !ok && !(l.discard != nil && l.discard(i, p)) {
				index[p.name] = len(names)
				names = append(names, p.name)
			}
		}
	}
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	if l.order != nil {
		order = l.order(len(names))
	}
	image.parts = make([]part, len(names))
	for pos, which := range order {
		index[names[which]] = pos
	}
	for i, o := range objects {
		for k := range o.parts {
			p := &o.parts[k]
			if l.discard != nil && l.discard(i, p) {
				continue
			}
			pos := index[p.name]
			out := &image.parts[pos]
			out.name, out.typ, out.flags, out.entry = p.name, p.typ, p.flags, p.entry
			out.align = max(out.align, p.align)
			size := max(uint64(len(out.data)), out.size)
			for p.align > 1 && size%p.align != 0 {
				size++
			}
			if p.typ == elf.SHT_NOBITS {
				out.size = size + p.size
			} else {
				out.data = append(append(out.data, make([]byte, size-uint64(len(out.data)))...), p.data...)
			}
			at[i][k] = where{pos + 1, size}
		}
	}

	if !l.noSections {
		for i := range image.parts {
			image.symbols = append(image.symbols, symbol{info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), part: i + 1})
		}
	}
	moved := func(i int, s symbol) (symbol, bool) {
		if s.part == 0 {
			return s, true
		}
		w := at[i][s.part-1]
		s.part, s.value = w.out, s.value+w.delta
		return s, w.out != 0
	}
	became := make([][]int, len(objects)) // index in the image; 0 for nothing
	for i, o := range objects {
		became[i] = make([]int, len(o.symbols))
		for k, s := range o.symbols {
			if elf.ST_BIND(s.info) != elf.STB_LOCAL || elf.ST_TYPE(s.info) == elf.STT_SECTION {
				continue
			}
			if s, ok := moved(i, s); ok {
				image.symbols = append(image.symbols, s)
				became[i][k] = len(image.symbols)
			}
		}
	}
	globals := map[string]int{}
	for _, defined := range []bool{true, false} {
		if l.globalsFirst {
			defined = false
		}
		for i, o := range objects {
			for _, s := range o.symbols {
				if elf.ST_BIND(s.info) == elf.STB_LOCAL || defined && s.part == 0 {
					continue
				}
				s, ok := moved(i, s)
				if !ok {
					continue
				}
				have, known := globals[s.name]
				switch {
				case !known:
					image.symbols = append(image.symbols, s)
					globals[s.name] = len(image.symbols)
				case image.symbols[have-1].part == 0 && s.part != 0:
					image.symbols[have-1] = s
				}
			}
		}
	}
	for i, o := range objects {
		for k := range o.parts {
			w := at[i][k]
			if w.out == 0 {
				continue
			}
			out := &image.parts[w.out-1]
			for _, r := range o.parts[k].relocs {
				r.at += w.delta
				s := o.symbols[r.symbol-1]
				section := where{}
				if s.part != 0 {
					section = at[i][s.part-1]
				}
				to := became[i][r.symbol-1]
				switch {
				case elf.ST_TYPE(s.info) == elf.STT_SECTION && section.out != 0 && !l.noSections:
					to, r.addend = section.out, r.addend+int64(section.delta)
				case elf.ST_BIND(s.info) != elf.STB_LOCAL:
					to = globals[s.name]
				}
				r.symbol = to
				if to == 0 {
					if !l.zero {
						continue
					}
					r.kind, r.addend = 0, 0
				}
				out.relocs = append(out.relocs, r)
			}
			if l.sort {
				slices.SortStableFunc(out.relocs, func(a, b reloc) int { return cmp.Compare(a.at, b.at) })
			}
		}
	}
	return image
}

// acmeCore and acmeGlue are two objects of a module, with something of
// everything that recipes know.
func acmeCore(m elf64.Machine) *object {
	const code, data = elf.SHF_ALLOC | elf.SHF_EXECINSTR, elf.SHF_ALLOC | elf.SHF_WRITE
	local, global := elf.ST_INFO(elf.STB_LOCAL, elf.STT_FUNC), elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC)
	section := elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION)
	return &object{
		machine: m,
		names:   mergedNames,
		parts: []part{
			{name: ".text", flags: code, align: 16, data: []byte("core: code of the first object, 1"), relocs: []reloc{
				{at: 4, symbol: 5, kind: 2, addend: -4}, {at: 12, symbol: 2, kind: 1, addend: 3}, {at: 20, symbol: 6, kind: 4, addend: -4},
			}},
			{name: ".data", flags: data, align: 8, data: []byte("a state and a name"), relocs: []reloc{{at: 8, symbol: 1, kind: 1, addend: 7}}},
			{name: ".bss", typ: elf.SHT_NOBITS, flags: data, align: 32, size: 100},
			{name: ".discard", align: 1, data: []byte("not for the module")},
		},
		symbols: []symbol{
			{info: section, part: 1},
			{info: section, part: 2},
			{name: "core.c", info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_FILE), shndx: uint16(elf.SHN_ABS)},
			{name: "helper", info: local, part: 1, value: 16, size: 9},
			{name: "core_entry", info: global, part: 1, size: 16},
			{name: "entry", info: global},
			{name: "state", info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT), part: 3, value: 4, size: 8},
		},
	}
}

func acmeGlue(m elf64.Machine) *object {
	const code = elf.SHF_ALLOC | elf.SHF_EXECINSTR
	return &object{
		machine: m,
		names:   mergedNames,
		parts: []part{
			{name: ".text", flags: code, align: 16, data: []byte("glue: code of the second object, 2!"), relocs: []reloc{
				{at: 2, symbol: 4, kind: 4, addend: -4}, {at: 9, symbol: 1, kind: 2, addend: 12}, {at: 21, symbol: 2, kind: 1},
			}},
			{name: ".discard", align: 1, data: []byte("nor this")},
			{name: ".modinfo", flags: elf.SHF_ALLOC, align: 1, data: []byte("license=GPL\x00name=acme\x00")},
		},
		symbols: []symbol{
			{info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), part: 1},
			{info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), part: 2},
			{name: "entry", info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), part: 1, value: 3, size: 5},
			{name: "core_entry", info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)},
		},
	}
}

// acme links the two objects as GNU ld does.
func acme(m elf64.Machine) (image []byte, objects [][]byte) {
	core, glue := acmeCore(m), acmeGlue(m)
	l := linker{
		names:   mergedNames,
		discard: func(_ int, p *part) bool { return p.name == ".discard" },
	}
	return l.link(core, glue).encode(), [][]byte{core.encode(), glue.encode()}
}
