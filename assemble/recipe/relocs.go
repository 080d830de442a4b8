package recipe

import (
	"cmp"
	"fmt"
	"slices"

	"koweld/assemble/elf64"
)

// formRelocs forms a section of relocations: those of the sections that are
// placed in its target, moved along, and then edited.
func (f *former) formRelocs(i int, to []byte) error {
	s := &f.r.sections[i]
	r := s.program.reader()
	mode := r.uint()
	order := f.relocOrder(i, mode)
	m := relocMapper{f: f, zero: mode&modeZero != 0, out: to, sorted: true}
	edited := !r.done()
	if edited {
		m.out = make([]byte, f.relocBytes(order))
	}
	if err := m.addAll(order); err != nil {
		return fmt.Errorf("section %d: %w", i, err)
	}
	stream := m.out[:m.n]
	if mode&modeSort != 0 && !m.sorted {
		f.sortRelocs(stream)
	}
	if !edited {
		if m.n != len(to) {
			return &FormatError{Offset: int64(s.program.at), Msg: fmt.Sprintf("section %d: the relocations take %d bytes instead of %d", i, m.n, len(to))}
		}
		return nil
	}
	if err := f.editRelocs(&r, stream, to); err != nil {
		return fmt.Errorf("section %d: %w", i, err)
	}
	return nil
}

// relocOrder are the places whose relocations section i has, in order.
func (f *former) relocOrder(i int, mode uint64) []uint32 {
	order := f.order[f.r.sections[i].Info]
	if mode&modeInputOrder != 0 {
		order = slices.Clone(order)
		slices.Sort(order)
	}
	return order
}

// relocBytes is the size of all relocations for places.
func (f *former) relocBytes(places []uint32) uint64 {
	var size uint64
	for _, number := range places {
		p := &f.places[number]
		for _, k := range p.relocs {
			size += p.object.Sections[k].Size
		}
	}
	return size
}

// relocMapper turns relocations of the objects into those of the image.
type relocMapper struct {
	f      *former
	zero   bool // those against what was discarded are zeroed, not left out
	out    []byte
	n      int // bytes written
	last   uint64
	sorted bool // so far, by offset
}

func (m *relocMapper) addAll(places []uint32) error {
	for _, number := range places {
		p := &m.f.places[number]
		for _, k := range p.relocs {
			if err := m.add(p, p.object.Contents(k)); err != nil {
				return err
			}
		}
	}
	return nil
}

// add maps the relocations for one place. It is the inner loop of forming an
// image: most of its bytes are relocations of debugging information.
func (m *relocMapper) add(p *place, relocs []byte) error {
	f := m.f
	targets := f.targets[p.symbols:][:p.object.NumSymbols()]
	for ; len(relocs) >= elf64.RelaSize; relocs = relocs[elf64.RelaSize:] {
		e := relocs[:elf64.RelaSize]
		offset := f.uint64(e)
		info := f.uint64(e[8:])
		addend := f.uint64(e[16:])
		symbol := info >> 32
		if symbol >= uint64(len(targets)) {
			return &FormatError{Offset: -1, Msg: fmt.Sprintf("a relocation of the objects is against symbol %d of %d", symbol, len(targets))}
		}
		t := targets[symbol]
		if p.hi == 0 {
			offset += p.delta
		} else {
			offset = f.move(p, offset)
		}
		switch {
		case t.out != 0:
			info = uint64(t.out-1)<<32 | info&0xffffffff
			if t.section != 0 {
				addend = f.move(&f.places[t.section-1], addend)
			}
		case m.zero:
			info, addend = 0, 0
		default:
			continue
		}
		if m.n+elf64.RelaSize > len(m.out) {
			return &FormatError{Offset: -1, Msg: "there are more relocations than its section holds"}
		}
		o := m.out[m.n:][:elf64.RelaSize]
		f.put64(o, offset)
		f.put64(o[8:], info)
		f.put64(o[16:], addend)
		m.n += elf64.RelaSize
		m.sorted = m.sorted && offset >= m.last
		m.last = offset
	}
	return nil
}

// sortRelocs sorts by offset; those of one offset keep their order.
func (f *former) sortRelocs(relocs []byte) {
	type key struct {
		offset uint64
		index  uint32
	}
	keys := make([]key, len(relocs)/elf64.RelaSize)
	for i := range keys {
		keys[i] = key{f.uint64(relocs[i*elf64.RelaSize:]), uint32(i)}
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.offset != b.offset {
			return cmp.Compare(a.offset, b.offset)
		}
		return cmp.Compare(a.index, b.index)
	})
	old := slices.Clone(relocs)
	for i, k := range keys {
		copy(relocs[i*elf64.RelaSize:], old[k.index*elf64.RelaSize:][:elf64.RelaSize])
	}
}

// editRelocs copies the stream but for what the operations say. What is left
// of it when they end is kept.
func (f *former) editRelocs(r *reader, stream, to []byte) error {
	var last uint64
	for !r.done() {
		kind, n := r.op()
		switch kind {
		case opKeep, opDrop:
			if n > uint64(len(stream)/elf64.RelaSize) {
				r.fail("more relocations are kept or dropped than there are")
				break
			}
			size := n * elf64.RelaSize
			if kind == opKeep {
				if size > uint64(len(to)) {
					r.fail("there are more relocations than the section holds")
					break
				}
				copy(to, stream[:size])
				last = f.uint64(stream[size-elf64.RelaSize:])
				to = to[size:]
			}
			stream = stream[size:]
		case opAdd:
			if n > uint64(len(to)/elf64.RelaSize) {
				r.fail("there are more relocations than the section holds")
				break
			}
			for range n {
				e := r.reloc()
				last += uint64(unzigzag(e.offset))
				f.put64(to, last)
				f.put64(to[8:], uint64(e.symbol)<<32|uint64(e.kind))
				f.put64(to[16:], e.addend)
				to = to[elf64.RelaSize:]
			}
		}
	}
	if r.err == nil && len(stream) != len(to) {
		r.fail("%d bytes of relocations are left for %d", len(stream), len(to))
	}
	copy(to, stream)
	return r.err
}
