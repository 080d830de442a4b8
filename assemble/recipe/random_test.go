package recipe_test

import (
	"debug/elf"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"koweld/assemble/elf64"
)

var machines = []elf64.Machine{amd64, arm64, s390x}

// Names that end each other, so that tables of names can be merged.
var texts = []string{"a", "ba", "cba", "dcba", "xba", "init", "acme_init", "core_init", "$x", "$d", ".LC0", "", "a.b", "longer_name_of_a_symbol"}

// randomObject is any object that an assembler could have written.
func randomObject(t *rapid.T, m elf64.Machine, label string) *object {
	o := &object{machine: m, wide: rapid.Bool().Draw(t, label+" wide")}
	kinds := []part{
		{name: ".text", flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, align: 16},
		{name: ".text.unlikely", flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, align: 2},
		{name: ".init.text", flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, align: 1},
		{name: ".data", flags: elf.SHF_ALLOC | elf.SHF_WRITE, align: 32},
		{name: ".rodata.str1.1", flags: elf.SHF_ALLOC | elf.SHF_MERGE | elf.SHF_STRINGS, align: 1, entry: 1},
		{name: ".bss", typ: elf.SHT_NOBITS, flags: elf.SHF_ALLOC | elf.SHF_WRITE, align: 8},
		{name: ".note.a", typ: elf.SHT_NOTE, align: 4},
		{name: ".discard", align: 1},
		{name: ".debug_info", align: 1},
	}
	for i := range rapid.IntRange(0, 7).Draw(t, label+" sections") {
		p := rapid.SampledFrom(kinds).Draw(t, fmt.Sprint(label, " section ", i))
		if p.typ == elf.SHT_NOBITS {
			p.size = rapid.Uint64Range(0, 300).Draw(t, "size")
		} else {
			p.data = rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0, 0, 1, 'a', 'b', 0x90, 0xff}), 0, 80).Draw(t, "data")
		}
		o.parts = append(o.parts, p)
	}
	add := func(bind elf.SymBind) {
		for range rapid.IntRange(0, 6).Draw(t, label+" symbols") {
			s := symbol{
				name:  rapid.SampledFrom(texts).Draw(t, "name"),
				part:  rapid.IntRange(0, len(o.parts)).Draw(t, "part"),
				value: rapid.Uint64Range(0, 90).Draw(t, "value"),
				size:  rapid.Uint64Range(0, 20).Draw(t, "size"),
			}
			typ := rapid.SampledFrom([]elf.SymType{elf.STT_NOTYPE, elf.STT_FUNC, elf.STT_OBJECT, elf.STT_FILE}).Draw(t, "type")
			if s.part == 0 {
				s.shndx = uint16(rapid.SampledFrom([]elf.SectionIndex{elf.SHN_UNDEF, elf.SHN_ABS, elf.SHN_COMMON}).Draw(t, "shndx"))
			}
			s.info = elf.ST_INFO(bind, typ)
			o.symbols = append(o.symbols, s)
		}
	}
	if rapid.Bool().Draw(t, label+" section symbols") {
		for i := range o.parts {
			o.symbols = append(o.symbols, symbol{info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), part: i + 1})
		}
	}
	add(elf.STB_LOCAL)
	add(elf.STB_GLOBAL)
	for i := range o.parts {
		p := &o.parts[i]
		if len(o.symbols) == 0 || p.typ == elf.SHT_NOBITS {
			continue
		}
		for range rapid.IntRange(0, 6).Draw(t, label+" relocations") {
			p.relocs = append(p.relocs, reloc{
				at:     rapid.Uint64Range(0, 80).Draw(t, "at"),
				symbol: rapid.IntRange(1, len(o.symbols)).Draw(t, "symbol"),
				kind:   rapid.Uint32Range(0, 5).Draw(t, "kind"),
				addend: rapid.Int64Range(-9, 90).Draw(t, "addend"),
			})
		}
	}
	return o
}

func randomLinker(t *rapid.T) *linker {
	drop := rapid.SampledFrom([]string{"", ".discard", ".text.unlikely", ".rodata.str1.1"}).Draw(t, "dropped")
	return &linker{
		discard: func(_ int, p *part) bool { return p.name == drop },
		order: func(n int) []int {
			order := make([]int, n)
			for i := range order {
				order[i] = i
			}
			return rapid.Permutation(order).Draw(t, "order of sections")
		},
		names:        rapid.SampledFrom([]naming{eachName, mergedNames}).Draw(t, "names"),
		globalsFirst: rapid.Bool().Draw(t, "globals first"),
		sort:         rapid.Bool().Draw(t, "sorted"),
		zero:         rapid.Bool().Draw(t, "zero"),
		noSections:   rapid.Bool().Draw(t, "no section symbols"),
	}
}

// randomImage is what a linker makes of objects, and what is done to it since.
func randomImage(t *rapid.T, objects []*object) []byte {
	image := randomLinker(t).link(objects...)
	image.wide = rapid.Bool().Draw(t, "wide")
	if rapid.Bool().Draw(t, "symbols are shuffled") {
		locals := slices.IndexFunc(image.symbols, func(s symbol) bool { return elf.ST_BIND(s.info) != elf.STB_LOCAL })
		if locals < 0 {
			locals = len(image.symbols)
		}
		for _, list := range [][]symbol{image.symbols[:locals], image.symbols[locals:]} {
			copy(list, rapid.Permutation(list).Draw(t, "symbols"))
		}
	}
	for i := range image.parts {
		if p := &image.parts[i]; len(p.relocs) > 0 && rapid.IntRange(0, 3).Draw(t, "edit relocations") == 0 {
			p.relocs = rapid.Permutation(p.relocs).Draw(t, "relocations")
			p.relocs = p.relocs[:rapid.IntRange(1, len(p.relocs)).Draw(t, "kept")]
		}
	}
	if rapid.Bool().Draw(t, "BTF is added") {
		image.parts = append(image.parts, part{name: ".BTF", data: []byte("type information")})
	}
	data := image.encode()
	return edit(t, data)
}

// edit changes bytes of a file anywhere but where nothing can be read any more.
func edit(t *rapid.T, data []byte) []byte {
	original := slices.Clone(data)
	for range rapid.IntRange(0, 4).Draw(t, "edits") {
		data[rapid.IntRange(elf64.HeaderSize, len(data)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
	}
	data = append(data, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "appended")...)
	if _, err := elf64.Parse(data); err != nil {
		return original
	}
	return data
}

// There is a recipe for every image, whatever it was made from.
func TestMakeIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(machines).Draw(t, "machine")
		var objects []*object
		var files [][]byte
		for i := range rapid.IntRange(1, 3).Draw(t, "objects") {
			o := randomObject(t, m, fmt.Sprint("object ", i))
			objects = append(objects, o)
			files = append(files, o.encode())
		}
		requireExact(t, randomImage(t, objects), files...)
	})
}
