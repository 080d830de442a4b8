package recipe

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"koweld/assemble/elf64"
)

// Kind sorts what a recipe spells out.
type Kind string

// The kinds. Of code and data a recipe should have next to nothing: what may
// not be distributed linked may not be distributed as literals either.
const (
	KindHeaders Kind = "headers"        // ELF header, names of sections, groups, padding between sections
	KindSymbols Kind = "symbols"        // fields and names of symbols, symbol tables that are not formed
	KindRelocs  Kind = "relocations"    // that follow from none of the objects
	KindNotes   Kind = "notes"          // the build ID above all
	KindBTF     Kind = "BTF"            // type information, by pahole
	KindObjtool Kind = "objtool tables" // unwind tables and lists of places in the code, by objtool
	KindDebug   Kind = "debugging"      // DWARF
	KindOther   Kind = "other"          // in sections that are not loaded
	KindCode    Kind = "code"           // in sections that are executable
	KindData    Kind = "data"           // in the other sections that are loaded
)

// Literal is what a recipe spells out of one section.
type Literal struct {
	Section string // name; "" for what is in none
	Kind    Kind
	Bytes   int64 // of the image that are literal; of symbols and relocations, of the recipe
	Longest int64 // the longest run of them
	Of      int64 // bytes of the section
}

// Literals are the literals of a recipe, in the order of the sections; those
// without one come first. Sections without literals are left out.
func (r *Recipe) Literals() []Literal {
	all := []Literal{{Kind: KindHeaders, Of: r.Size}}
	head := &all[0]
	head.add(len(r.header))
	for _, g := range r.gaps {
		head.add(len(g.bytes))
	}
	names := r.sectionNames()
	for i := range r.sections {
		s := &r.sections[i]
		name := s.nameIn(names, i)
		l := Literal{Section: name, Kind: s.kind(name), Of: int64(s.Size)}
		switch s.content {
		case contentBytes:
			l.addBytes(s.program.reader())
		case contentRelocs:
			l.Kind = KindRelocs
			l.addRelocs(s.program.reader())
		case contentSymbols:
			l.Kind = KindSymbols
			l.addSymbols(s.program.reader())
			l.add(len(s.names.b))
		}
		if l.Bytes > 0 {
			all = append(all, l)
		}
	}
	return all
}

func (l *Literal) add(n int) {
	l.Bytes += int64(n)
	l.Longest = max(l.Longest, int64(n))
}

func (l *Literal) addBytes(r reader) {
	run := int64(0) // literals that follow each other, zeros between them too
	for !r.done() {
		switch kind, arg := r.op(); kind {
		case opLiteral:
			r.skip(int(arg))
			l.Bytes += int64(arg)
			run += int64(arg)
			l.Longest = max(l.Longest, run)
		case opZero:
		case opWhole:
			run = 0
		case opCopy:
			r.uint()
			r.uint()
			run = 0
		}
	}
}

func (l *Literal) addRelocs(r reader) {
	r.uint()
	for !r.done() {
		kind, n := r.op()
		if kind != opAdd {
			continue
		}
		start := r.at
		for range n {
			r.reloc()
		}
		l.add(r.at - start)
	}
}

func (l *Literal) addSymbols(r reader) {
	for !r.done() {
		kind, arg := r.op()
		switch kind {
		case opList:
			for range arg {
				r.uint()
			}
		case opPatch:
			start := r.at
			r.patch(arg)
			l.add(r.at - start)
		}
	}
}

// SectionName is the name of section i of the image. [Make] lets the names be
// a literal, so that a recipe can be read without the objects.
func (r *Recipe) SectionName(i int) string {
	return r.sections[i].nameIn(r.sectionNames(), i)
}

// nameIn is the name of s, which is section i, in the table of section names.
func (s *section) nameIn(names []byte, i int) string {
	if uint64(s.Name) < uint64(len(names)) {
		names = names[s.Name:]
		if n := bytes.IndexByte(names[:min(len(names), maxSectionName)], 0); n >= 0 {
			return string(names[:n])
		}
	}
	return fmt.Sprintf("#%d", i)
}

const maxSectionName = 1 << 10 // bytes; thousands of sections may claim one name

// sectionNames are the bytes of the section names, if they are one literal.
func (r *Recipe) sectionNames() []byte {
	order, err := elf64.ByteOrder(r.Machine.Data)
	if err != nil {
		return nil
	}
	i := uint32(order.Uint16(r.header[62:]))
	if i == uint32(elf.SHN_XINDEX) && len(r.sections) > 0 {
		i = r.sections[0].Link
	}
	if int64(i) >= int64(len(r.sections)) || r.sections[i].content != contentBytes {
		return nil
	}
	p := r.sections[i].program.reader()
	if kind, length := p.op(); kind == opLiteral && !p.done() {
		return p.take(int(length), "the names of sections")
	}
	return nil
}

// objtoolTables are the sections that objtool makes (tools/objtool in the
// kernel's source), and those that it fills in.
var objtoolTables = []string{
	".orc_unwind", ".orc_unwind_ip", ".orc_header",
	".return_sites", ".retpoline_sites", ".call_sites", ".ibt_endbr_seal",
	".static_call_sites", "__mcount_loc", ".cfi_sites", ".annotate_insn",
}

func (s *section) kind(name string) Kind {
	switch {
	case s.Type == elf.SHT_NOTE:
		return KindNotes
	case strings.HasPrefix(name, ".BTF"):
		return KindBTF
	case s.Type == elf.SHT_GROUP, s.Type == elf.SHT_STRTAB && name != ".strtab", name == ".comment":
		return KindHeaders
	case s.Type == elf.SHT_SYMTAB, s.Type == elf.SHT_STRTAB, s.Type == elf.SHT_SYMTAB_SHNDX:
		return KindSymbols
	case s.Type == elf.SHT_RELA, s.Type == elf.SHT_REL:
		return KindRelocs
	case slices.Contains(objtoolTables, name):
		return KindObjtool
	case strings.HasPrefix(name, ".debug_"):
		return KindDebug
	case !s.Has(elf.SHF_ALLOC):
		return KindOther
	case s.Has(elf.SHF_EXECINSTR):
		return KindCode
	}
	return KindData
}

// Allocated is the number of bytes in the sections of the image that are
// loaded.
func (r *Recipe) Allocated() int64 {
	var n int64
	for i := range r.sections {
		if s := &r.sections[i]; s.Has(elf.SHF_ALLOC) && s.InFile() && s.content != contentNone {
			n += int64(s.Size)
		}
	}
	return n
}
