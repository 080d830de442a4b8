package recipe

import (
	"debug/elf"
	"sync"

	"koweld/assemble/elf64"
)

// symbolTable is the symbol table of the image while it is formed.
type symbolTable struct {
	section int    // index, 0 if there is none
	entries []byte // in the image
	count   int
	names   []name    // of each symbol; nil if the names are not formed by a rule
	wide    []uint32  // section of symbols whose st_shndx is SHN_XINDEX; nil if they are not formed by a rule
	strings int       // index of the contentStrings section, 0 if there is none
	once    sync.Once // the names are formed
	err     error     // of that
}

// name is a symbol's name: in a string table of the objects, or a literal.
type name []byte

// symbolReader walks over a contentSymbols program and writes the symbols.
type symbolReader struct {
	reader
	f       *former
	n       int      // symbols written
	prev    uint64   // number of the last symbol of the objects
	section uint32   // of the last section symbol
	next    []uint32 // by section: the next one behind it that has a symbol; 0 for none
	sectsym []uint32
	budget  int // bytes that names may still have
}

// formSymbols forms the symbol table but for the names, and finds what the
// symbols of the objects became.
func (f *former) formSymbols() error {
	t := &f.syms
	for i := range f.r.sections {
		switch f.r.sections[i].content {
		case contentSymbols:
			t.section = i
		case contentStrings:
			t.strings = i
		case contentShndx:
			t.wide = make([]uint32, 0)
		}
	}
	f.targets = make([]target, f.symbols)
	if t.section == 0 {
		return nil
	}
	s := &f.r.sections[t.section]
	t.entries = f.image[s.Offset:][:s.Size]
	t.count = len(t.entries) / elf64.SymbolSize
	if t.strings != 0 {
		t.names = make([]name, t.count)
	}
	if t.wide != nil {
		t.wide = make([]uint32, t.count)
	}
	r := symbolReader{reader: s.program.reader(), f: f, prev: ^uint64(0), sectsym: make([]uint32, len(f.r.sections))}
	r.next = f.r.nextSectionSymbols()
	r.budget = 64*t.count + len(s.program.b)
	for _, o := range f.objects {
		r.budget += 4 * len(o.Strings)
	}
	for !r.done() {
		r.operation()
	}
	if r.err == nil && r.n != t.count {
		r.fail("%d symbols are formed instead of %d", r.n, t.count)
	}
	if r.err != nil {
		return r.err
	}
	if err := f.alias(); err != nil {
		return err
	}
	f.sectionTargets(r.sectsym)
	if t.strings == 0 {
		f.formNames(s.names.reader())
	}
	return nil
}

// formNames writes st_name of each symbol as it is spelt out.
func (f *former) formNames(r reader) {
	var at uint64
	for b := f.syms.entries; len(b) > 0; b = b[elf64.SymbolSize:] {
		at = r.delta(at)
		f.put32(b, uint32(at))
	}
}

func (r *symbolReader) operation() {
	kind, arg := r.op()
	switch kind {
	case opRun:
		for range r.room(arg) {
			r.copySymbol(r.prev+1, patch{})
		}
	case opList:
		for range r.room(arg) {
			r.copySymbol(r.prev+1+uint64(unzigzag(r.uint())), patch{})
		}
	case opSections:
		for range r.room(arg) {
			r.nextSection()
		}
	case opPatch:
		p := r.patch(arg)
		r.room(1)
		switch {
		case r.err != nil:
		case arg&patchSource != 0:
			r.copySymbol(r.prev+1+uint64(unzigzag(p.source)), p)
		default:
			r.put(elf64.Symbol{}, p)
		}
	}
}

// room checks that n more symbols fit.
func (r *symbolReader) room(n uint64) int {
	if n > uint64(r.f.syms.count-r.n) {
		r.fail("more symbols are formed than the section of %d holds", r.f.syms.count)
		return 0
	}
	return int(n)
}

// copySymbol writes the symbol of that number, but for what p gives. Its value
// moves along with its section.
func (r *symbolReader) copySymbol(number uint64, p patch) {
	if r.err != nil {
		return
	}
	f := r.f
	if number >= f.symbols {
		r.fail("symbol %d of the objects does not exist, they have %d", number, f.symbols)
		return
	}
	r.prev = number
	object, index := f.symbol(number)
	o := f.objects[object]
	s := o.Symbol(index)
	const both = patchShndx | patchValue
	if s.Section != 0 && p.mask&both != both {
		n := f.first[object] + uint64(s.Section)
		if int64(s.Section) >= int64(len(o.Sections)) || f.places[n].out == 0 {
			r.fail("symbol %d of the objects is in a section that is not placed", number)
			return
		}
		from := &f.places[n]
		s.Value = f.move(from, s.Value)
		s.Section = from.out
	}
	if f.syms.names != nil && p.mask&patchName == 0 && s.Name != 0 {
		text, ok := elf64.CString(o.Strings, s.Name)
		if !ok {
			r.fail("symbol %d of the objects has no name", number)
			return
		}
		r.name(text)
	}
	if s.Type() != elf.STT_SECTION { // see sectionTargets
		f.targets[number] = target{out: uint32(r.n) + 1}
	}
	r.put(s, p)
}

// name notes the name of the symbol that is written next. All names together
// are bounded: a million symbols may not name one string of a million bytes.
func (r *symbolReader) name(text []byte) {
	r.budget -= len(text)
	if r.budget < 0 {
		r.fail("the names of symbols are longer than the tables of the objects bear out")
		return
	}
	r.f.syms.names[r.n] = text
}

// put writes a symbol whose section and value are those in the image.
func (r *symbolReader) put(s elf64.Symbol, p patch) {
	if r.err != nil {
		return
	}
	t := &r.f.syms
	if p.mask&patchInfo != 0 {
		s.Info = p.info
	}
	if p.mask&patchOther != 0 {
		s.Other = p.other
	}
	switch {
	case p.mask&patchShndx != 0:
		s.Shndx, s.Section = p.shndx, p.section
		if p.shndx < uint16(elf.SHN_LORESERVE) {
			s.Section = uint32(p.shndx)
		}
	case s.Section >= uint32(elf.SHN_LORESERVE):
		s.Shndx = shnXindex
	case s.Section != 0:
		s.Shndx = uint16(s.Section)
	}
	if p.mask&patchValue != 0 {
		s.Value = p.value
	}
	if p.mask&patchSize != 0 {
		s.Size = p.size
	}
	if p.mask&patchName != 0 && t.names != nil {
		r.name(p.name)
	}
	if s.Shndx == shnXindex && t.wide != nil {
		t.wide[r.n] = s.Section
	}
	if s.Type() == elf.STT_SECTION && s.Section != 0 && int64(s.Section) < int64(len(r.sectsym)) {
		r.section = s.Section
		if r.sectsym[s.Section] == 0 {
			r.sectsym[s.Section] = uint32(r.n) + 1
		}
	}
	b := t.entries[r.n*elf64.SymbolSize:][:elf64.SymbolSize]
	r.f.put32(b, 0) // the name; see formStrings and formNames
	b[4], b[5] = s.Info, s.Other
	r.f.put16(b[6:], s.Shndx)
	r.f.put64(b[8:], s.Value)
	r.f.put64(b[16:], s.Size)
	r.n++
}

// nextSection writes the symbol of the next section that can have one.
func (r *symbolReader) nextSection() {
	next := r.next[r.section]
	if next == 0 {
		r.fail("there are more section symbols than sections")
		return
	}
	r.put(elf64.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: next}, patch{})
}

// nextSectionSymbols is for each section the next one behind it that has a
// symbol, 0 for none.
func (r *Recipe) nextSectionSymbols() []uint32 {
	next := make([]uint32, len(r.sections))
	for i := len(r.sections) - 1; i > 0; i-- {
		if next[i-1] = next[i]; hasSectionSymbol(&r.sections[i].Section) {
			next[i-1] = uint32(i)
		}
	}
	return next
}

// hasSectionSymbol tells whether ld gives a section of that kind a symbol.
func hasSectionSymbol(s *elf64.Section) bool {
	switch s.Type {
	case elf.SHT_NULL, elf.SHT_SYMTAB, elf.SHT_STRTAB, elf.SHT_RELA, elf.SHT_REL, elf.SHT_SYMTAB_SHNDX, elf.SHT_GROUP:
		return false
	}
	return true
}

// alias reads which symbols of the objects became which of the image, where
// that does not follow from the symbol table.
func (f *former) alias() error {
	r := f.r.aliases.reader()
	number, out := ^uint64(0), uint64(0)
	for !r.done() {
		number += 1 + r.below(f.symbols, "the symbol of an alias")
		out = r.delta(out)
		if r.err == nil && (number >= f.symbols || out >= uint64(f.syms.count)) {
			r.fail("symbol %d of the objects or %d of the image does not exist", number, out)
		}
		if r.err != nil {
			return r.err
		}
		f.targets[number] = target{out: uint32(out) + 1}
	}
	return nil
}

// sectionTargets lets the section symbols of the objects become those of the
// image, where nothing else is said.
func (f *former) sectionTargets(symbols []uint32) {
	for i, o := range f.objects {
		if n := o.NumSymbols(); n > 0 {
			f.targets[f.names[i]] = target{out: 1} // the null symbol
		}
		for k := 1; k < o.NumSymbols(); k++ {
			b := o.Symbols[k*elf64.SymbolSize:]
			t := &f.targets[f.names[i]+uint64(k)]
			if elf.ST_TYPE(b[4]) != elf.STT_SECTION || t.out != 0 {
				continue
			}
			s := o.Symbol(k)
			if int64(s.Section) >= int64(len(o.Sections)) {
				continue
			}
			n := f.first[i] + uint64(s.Section)
			if out := f.places[n].out; out != 0 && symbols[out] != 0 {
				*t = target{out: symbols[out], section: uint32(n) + 1}
			}
		}
	}
}

// formShndx forms the extended section indices.
func (f *former) formShndx(to []byte) error {
	if len(to)/4 != len(f.syms.wide) {
		return &FormatError{Offset: -1, Msg: "the extended section indices do not fit the symbols"}
	}
	for i, section := range f.syms.wide {
		f.put32(to[i*4:], section)
	}
	return nil
}
