package recipe

import (
	"debug/elf"
	"encoding/binary"
	"fmt"

	"koweld/assemble/elf64"
)

var le = binary.LittleEndian

func isRela(s *elf64.Section) bool {
	return s.Type == elf.SHT_RELA && s.Entsize == elf64.RelaSize && s.Size%elf64.RelaSize == 0
}

// program walks over a contentBytes program: next gives one run of bytes after
// the other, each with what it is made of.
type program struct {
	reader
	f    *former
	sec  *section
	prev uint64 // number of the section of the last opWhole or opCopy
	end  uint64 // offset behind the last opCopy
	pos  uint64 // in the section, behind the run

	// The run.
	at      uint64 // offset in the section
	length  uint64
	bytes   []byte // its bytes; nil if they are zeros
	whole   bool   // it is a section of the objects …
	section uint64 // … with this number
}

func (f *former) program(i int) program {
	s := &f.r.sections[i]
	// What is predicted for the first is section 0.
	return program{reader: s.program.reader(), f: f, sec: s, prev: ^uint64(0)}
}

// next goes to the next run. It returns false at the end and at an error; at
// the end the section is full.
func (p *program) next() bool {
	if p.done() || p.err != nil {
		if p.err == nil && p.pos != p.sec.Size {
			p.fail("the program ends at %d of the section's %d bytes", p.pos, p.sec.Size)
		}
		return false
	}
	kind, arg := p.op()
	p.at, p.length, p.bytes, p.whole = p.pos, arg, nil, false
	switch kind {
	case opLiteral:
		p.bytes = p.take(int(min(arg, 1<<62)), "a literal")
	case opWhole:
		p.wholeSection(p.prev + 1 + uint64(unzigzag(arg)))
	case opCopy:
		p.part(p.prev + uint64(unzigzag(arg)))
	}
	if p.err == nil && (p.at > p.sec.Size || p.length > p.sec.Size-p.at) {
		p.fail("the program goes beyond the section's %d bytes", p.sec.Size)
	}
	if p.err == nil && p.bytes != nil && p.sec.Type == elf.SHT_NOBITS && len(p.bytes) > 0 {
		p.fail("bytes are put into a section that has none in the file")
	}
	p.pos = p.at + p.length
	return p.err == nil
}

func (p *program) source(number uint64) *place {
	if number >= uint64(len(p.f.places)) {
		p.fail("section %d of the objects does not exist, they have %d", number, len(p.f.places))
		return nil
	}
	if p.f.places[number].index == 0 {
		p.fail("section %d of the objects is the null section of one", number)
		return nil
	}
	p.prev, p.section = number, number
	return &p.f.places[number]
}

// wholeSection is a section as it is, at the next place that its alignment
// permits; the bytes before it are zero.
func (p *program) wholeSection(number uint64) {
	from := p.source(number)
	if from == nil {
		return
	}
	s := from.section()
	at, ok := align(p.pos, s.Align)
	if !ok {
		p.fail("section %d of the objects has the alignment %#x", number, s.Align)
		return
	}
	p.at, p.length, p.whole = at, s.Size, true
	p.bytes = from.object.Contents(from.index)
}

// part is some bytes of a section.
func (p *program) part(number uint64) {
	from := p.source(number)
	if from == nil {
		return
	}
	start := p.delta(p.end)
	p.length = p.uint()
	p.end = start + p.length
	s := from.section()
	if start > s.Size || p.length > s.Size-start {
		p.fail("a copy goes beyond section %d of the objects", number)
		return
	}
	if data := from.object.Contents(from.index); data != nil {
		p.bytes = data[start:][:p.length]
	}
}

// formBytes forms a contentBytes section.
func (f *former) formBytes(i int, to []byte) error {
	p := f.program(i)
	done := uint64(0)
	for p.next() {
		clear(to[done:p.at])
		done = p.at + p.length
		if p.bytes == nil {
			clear(to[p.at:done])
		} else {
			copy(to[p.at:done], p.bytes)
		}
	}
	if p.err != nil {
		return fmt.Errorf("section %d: %w", i, p.err)
	}
	return nil
}
