package recipe

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"

	"koweld/assemble/elf64"
)

// magic begins a recipe. As that of PNG it shows a file that a transfer in
// text mode has spoilt.
const magic = "\x89KWR\r\n\x1a\n"

// checksumSize is the length of the CRC-32 at the end of a recipe.
const checksumSize = 4

// IsRecipe tells whether data begins as a recipe does.
func IsRecipe(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }

// Parse decodes a recipe and checks all that can be checked without the
// objects. It allocates a small multiple of len(data), whatever the recipe
// claims, and keeps data. Its errors are *FormatError and *NewerError.
func Parse(data []byte) (*Recipe, error) {
	if len(data) > MaxRecipe {
		return nil, &FormatError{Offset: -1, Msg: "it is larger than 256 MiB"}
	}
	if !IsRecipe(data) {
		return nil, &FormatError{Msg: "it does not begin as a recipe"}
	}
	if len(data) < len(magic)+1+checksumSize {
		return nil, &FormatError{Offset: int64(len(data)), Msg: "it is truncated"}
	}
	switch v := data[len(magic)]; {
	case v < Version:
		return nil, &FormatError{Offset: int64(len(magic)), Msg: "it is of a draft of the format, which was not released"}
	case v > Version:
		return nil, &NewerError{Version: v}
	}
	end := len(data) - checksumSize
	if crc32.ChecksumIEEE(data[:end]) != binary.LittleEndian.Uint32(data[end:]) {
		return nil, &FormatError{Offset: int64(end), Msg: "its checksum is wrong: it is damaged or truncated"}
	}
	d := decoder{reader: reader{b: data[len(magic)+1 : end], at: len(magic) + 1}, r: &Recipe{encoded: len(data)}}
	if err := d.recipe(); err != nil {
		return nil, err
	}
	return d.r, nil
}

type decoder struct {
	reader
	r    *Recipe
	used Rules // that the body makes use of
}

func (d *decoder) recipe() error {
	for _, part := range []func(){d.head, d.inputs, d.elfHeader, d.sections, d.anchors, d.tail, d.layout} {
		part()
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

// head reads what says whether the rest can be read.
func (d *decoder) head() {
	r := d.r
	h := d.take(4, "the header")
	if d.err != nil {
		return
	}
	r.Machine.Data = elf.Data(h[1])
	r.Machine.Arch = elf.Machine(binary.LittleEndian.Uint16(h[2:]))
	if elf.Class(h[0]) != elf.ELFCLASS64 {
		d.fail("its class is not ELFCLASS64")
		return
	}
	if _, err := elf64.ByteOrder(r.Machine.Data); err != nil {
		d.fail("its byte order is not known")
		return
	}
	if r.Machine.Arch == elf.EM_MIPS || r.Machine.Arch == elf.EM_MIPS_RS3_LE {
		d.fail("its machine has relocations of another form") // of r_info
		return
	}
	r.Rules = Rules(d.uint())
	r.Needs = d.word("the release it needs")
	if unknown := r.Rules &^ allRules; unknown != 0 && d.err == nil {
		d.err = &NewerError{Version: Version, Rules: unknown, Needs: r.Needs}
		return
	}
	r.Size = int64(d.below(MaxImage+1, "the size of the image"))
	copy(r.SHA256[:], d.take(len(r.SHA256), "the digest of the image"))
}

// word reads a text that is shown to people.
func (d *decoder) word(what string) string {
	b := d.counted(what)
	if !isWord(b) {
		d.fail("%s is empty, longer than 255 bytes or not in printable ASCII", what)
	}
	return string(b)
}

// isWord tells whether b is what a text of a recipe may be.
func isWord(b []byte) bool {
	return 0 < len(b) && len(b) < 256 && !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}

func (d *decoder) inputs() {
	n := d.count(2+32, "the number of inputs")
	if n > MaxInputs {
		d.fail("it has more than %d inputs", MaxInputs)
		return
	}
	d.r.Inputs = make([]Input, n)
	for i := range d.r.Inputs {
		in := &d.r.Inputs[i]
		in.Name = d.word("the name of an input")
		in.Size = d.below(1<<40, "the size of an input")
		copy(in.SHA256[:], d.take(len(in.SHA256), "the digest of an input"))
		if d.err != nil {
			return
		}
	}
	if d.r.Size > d.r.bearable() {
		d.fail("the image is to have %d bytes: more than the objects and the recipe bear out", d.r.Size)
	}
}

// bearable is how large the image may be. Zeros and copies take next to nothing
// in a recipe: a hundred bytes could claim gigabytes, which somebody would
// allocate.
func (r *Recipe) bearable() int64 {
	n := uint64(r.encoded)
	for i := range r.Inputs {
		n += r.Inputs[i].Size
	}
	return int64(min(MaxGrowth*n+FreeGrowth, MaxImage))
}

// elfHeader reads the image's own header. It must be that of a relocatable
// file for the machine.
func (d *decoder) elfHeader() {
	at := d.at
	h := d.take(elf64.HeaderSize, "the ELF header")
	if d.err != nil {
		return
	}
	order, _ := elf64.ByteOrder(d.r.Machine.Data)
	switch {
	case string(h[:4]) != elf.ELFMAG, elf.Class(h[elf.EI_CLASS]) != elf.ELFCLASS64,
		elf.Data(h[elf.EI_DATA]) != d.r.Machine.Data,
		elf.Type(order.Uint16(h[16:])) != elf.ET_REL,
		elf.Machine(order.Uint16(h[18:])) != d.r.Machine.Arch,
		order.Uint16(h[58:]) != elf64.SectionHeaderSize:
		d.at = at
		d.fail("the ELF header is not that of a relocatable file for the machine")
	}
	d.r.header = h
}

// sections reads the table of sections, each with how its bytes are formed.
func (d *decoder) sections() {
	n := d.count(11, "the number of sections")
	d.r.sections = make([]section, n)
	var prev predictor
	targets := map[uint32]bool{}
	var index [contents]int // of the section of each kind that is there once
	for i := range d.r.sections {
		s := &d.r.sections[i]
		at := d.at
		s.Name = d.uint32("the name of a section")
		s.Type = elf.SectionType(d.uint32("the type of a section"))
		s.Flags = d.uint()
		s.Addr = d.uint()
		s.Size = d.uint()
		s.Link = d.uint32("the link of a section")
		s.Info = d.uint32("the info of a section")
		s.Align = d.uint()
		s.Entsize = d.uint()
		s.Offset = d.delta(prev.offset(&s.Section))
		prev.end(&s.Section)
		s.content = content(d.below(uint64(contents), "the content of a section"))
		switch s.content {
		case contentBytes, contentRelocs, contentSymbols:
			p := d.part("the program of a section")
			s.program = span{p.b, p.at}
			if s.content == contentSymbols {
				p := d.part("the names of symbols")
				s.names = span{p.b, p.at}
			}
		}
		if d.err != nil {
			return
		}
		if msg := d.checkSection(i, s, n); msg != "" {
			d.at = at
			d.fail("section %d: %s", i, msg)
			return
		}
		switch s.content {
		case contentSymbols, contentStrings, contentShndx:
			if index[s.content] != 0 {
				d.fail("section %d: it is the second of its kind", i)
			}
			index[s.content] = i
		case contentRelocs:
			if targets[s.Info] {
				d.fail("section %d: another has the relocations of section %d", i, s.Info)
			}
			targets[s.Info] = true
		}
		d.checkProgram(s)
	}
	if d.err == nil {
		d.checkSymbolTable(index)
	}
}

// checkSymbolTable compares the sections of a symbol table with each other.
func (d *decoder) checkSymbolTable(index [contents]int) {
	if index[contentSymbols] == 0 {
		if index[contentStrings] != 0 || index[contentShndx] != 0 {
			d.fail("it has names or indices of symbols and no symbols")
		}
		return
	}
	s := &d.r.sections[index[contentSymbols]]
	count := s.Size / elf64.SymbolSize
	if i := index[contentShndx]; i != 0 && d.r.sections[i].Size/4 != count {
		d.fail("section %d: it has not an index for each of %d symbols", i, count)
		return
	}
	byRule := index[contentStrings] != 0
	program, names := s.program.reader(), s.names.reader()
	d.used |= checkSymbols(&program, count, byRule)
	checkNames(&names, count, byRule)
	d.err = cmp.Or(program.err, names.err)
}

// checkSection says what is wrong with section i of n.
func (d *decoder) checkSection(i int, s *section, n int) string {
	size := uint64(d.r.Size)
	switch {
	case i == 0 && s.content != contentNone:
		return "the one of index 0 has no content"
	case s.content == contentNone:
		return ""
	case s.Type == elf.SHT_NOBITS && s.content == contentBytes:
		return ""
	case s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL:
		return "its type has no such content"
	case s.Offset > size || s.Size > size-s.Offset:
		return "it is not within the image"
	case s.Size == 0 && s.content != contentBytes:
		return "it is empty"
	}
	switch s.content {
	case contentRelocs:
		if s.Size%elf64.RelaSize != 0 || s.Info == 0 || uint64(s.Info) >= uint64(n) {
			return "it cannot hold relocations"
		}
	case contentSymbols:
		if s.Size%elf64.SymbolSize != 0 {
			return "it cannot hold symbols"
		}
	case contentStrings:
		d.used |= RuleTailMerge
	case contentShndx:
		d.used |= RuleShndx
		if s.Size%4 != 0 {
			return "it cannot hold section indices"
		}
	}
	return ""
}

// predictor guesses where a section begins: sections lie in the order of their
// indices, relocations often by themselves behind the others.
type predictor struct{ body, relocs uint64 }

func (p *predictor) of(s *elf64.Section) *uint64 {
	if s.Type == elf.SHT_RELA || s.Type == elf.SHT_REL {
		return &p.relocs
	}
	return &p.body
}

func (p *predictor) offset(s *elf64.Section) uint64 {
	at, _ := align(*p.of(s), s.Align)
	return at
}

func (p *predictor) end(s *elf64.Section) {
	e := s.Offset
	if s.InFile() {
		e += s.Size
	}
	*p.of(s) = e
}

// align rounds v up to a multiple of to, as sh_addralign means it: a power of
// two, or 0 or 1 for none. It is not ok if to is no such number or the result
// has more than 64 bits.
func align(v, to uint64) (uint64, bool) {
	if to <= 1 {
		return v, true
	}
	if bits.OnesCount64(to) != 1 || v > -to {
		return v, false
	}
	return (v + to - 1) &^ (to - 1), true
}

func (d *decoder) anchors() {
	n := d.count(4, "the number of anchors")
	d.r.anchors = make([]anchor, n)
	var prev anchor
	for i := range d.r.anchors {
		a := &d.r.anchors[i]
		step := d.below(1<<32, "the section of an anchor")
		a.section = prev.section + step
		a.from = d.uint()
		if step == 0 && i > 0 {
			if a.from == 0 || a.from > ^uint64(0)-prev.from {
				d.fail("anchors are not in order")
				return
			}
			a.from += prev.from
		}
		a.out = uint32(d.below(uint64(len(d.r.sections)), "the section that an anchor leads to"))
		a.to = d.delta(a.from)
		if d.err == nil && a.out == 0 {
			d.fail("an anchor leads to section 0")
		}
		if step == 0 && i > 0 && a.out != prev.out {
			d.fail("anchors of one section lead to two")
		}
		if d.err != nil {
			return
		}
		prev = *a
	}
}

// tail reads what is left.
func (d *decoder) tail() {
	p := d.part("the aliases")
	d.r.aliases = span{p.b, p.at}
	if d.err == nil && !p.done() && !d.r.hasSymbols() {
		d.fail("it has aliases and no symbols")
		return
	}
	n := d.count(2, "the number of gaps")
	d.r.gaps = make([]gap, n)
	var end uint64
	for i := range d.r.gaps {
		g := &d.r.gaps[i]
		g.at = end + d.below(1<<40, "the place of a gap's bytes")
		g.bytes = d.counted("a gap's bytes")
		end = g.at + uint64(len(g.bytes))
		if d.err != nil {
			return
		}
		if len(g.bytes) == 0 || end > uint64(d.r.Size) {
			d.fail("a gap's bytes are none or not within the image")
			return
		}
	}
	d.r.digests = d.take(len(d.r.sections)*digestSize, "the digests of sections")
	if !d.done() {
		d.fail("bytes follow its end")
	}
	if d.err == nil && d.used != d.r.Rules {
		d.fail("it uses the rules %#x, and says %#x", uint64(d.used), uint64(d.r.Rules))
	}
}

func (r *Recipe) hasSymbols() bool {
	return slices.ContainsFunc(r.sections, func(s section) bool { return s.content == contentSymbols })
}

// layout proves that the parts of the image do not overlap.
func (d *decoder) layout() {
	pieces, err := d.r.pieces()
	if err != nil {
		d.err = err
		return
	}
	gaps := d.r.gaps
	var end uint64
	for _, p := range pieces {
		for len(gaps) > 0 && gaps[0].at >= end && gaps[0].at+uint64(len(gaps[0].bytes)) <= p.start {
			gaps = gaps[1:]
		}
		end = p.end
	}
	if len(gaps) > 0 {
		d.err = &FormatError{Offset: -1, Msg: fmt.Sprintf("the bytes between sections at %d of the image lie in one", gaps[0].at)}
	}
}
