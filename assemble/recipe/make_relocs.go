package recipe

import (
	"bytes"

	"koweld/assemble/elf64"
)

// relocations writes the programs of the relocations: the mode that gives most
// of what is there, and the edits that are left.
func (m *maker) relocations() error {
	for i := range m.recipe.sections {
		s := &m.recipe.sections[i]
		if s.content != contentRelocs {
			continue
		}
		program, rules, err := m.relocProgram(i)
		if err != nil {
			return err
		}
		s.program = span{b: program}
		m.recipe.Rules |= rules
	}
	return nil
}

// relocModes are tried in this order: the fewer rules, the better.
var relocModes = []uint64{
	0,
	modeSort,
	modeInputOrder,
	modeInputOrder | modeSort,
	modeZero,
	modeZero | modeSort,
	modeZero | modeInputOrder,
	modeZero | modeInputOrder | modeSort,
}

func (m *maker) relocProgram(i int) ([]byte, Rules, error) {
	want := m.image.Contents(i)
	var best []byte
	for _, mode := range relocModes {
		stream, err := m.stream(i, mode)
		if err != nil {
			return nil, 0, err
		}
		w := writer{}
		w.uint(mode)
		if !bytes.Equal(stream, want) {
			w.edit(m.f, stream, want)
		}
		if best == nil || len(w.b) < len(best) {
			best = w.b
		}
		if len(best) == 1 {
			break
		}
	}
	r := reader{b: best}
	rules := checkRelocs(&r)
	return best, rules, r.err
}

// stream is what a mode gives without edits.
func (m *maker) stream(i int, mode uint64) ([]byte, error) {
	f := m.f
	order := f.relocOrder(i, mode)
	mapper := relocMapper{f: f, zero: mode&modeZero != 0, out: make([]byte, f.relocBytes(order)), sorted: true}
	if err := mapper.addAll(order); err != nil {
		return nil, err
	}
	stream := mapper.out[:mapper.n]
	if mode&modeSort != 0 && !mapper.sorted {
		f.sortRelocs(stream)
	}
	return stream, nil
}

// edit writes the operations that turn one stream of relocations into another.
func (w *writer) edit(f *former, have, want []byte) {
	const size = elf64.RelaSize
	e := editWriter{w: w, f: f}
	for len(have) > 0 || len(want) > 0 {
		switch {
		case len(want) == 0:
			e.op(opDrop, nil)
			have = have[size:]
		case len(have) == 0:
			e.op(opAdd, want[:size])
			want = want[size:]
		case bytes.Equal(have[:size], want[:size]):
			e.op(opKeep, want[:size])
			have, want = have[size:], want[size:]
		case f.uint64(have) < f.uint64(want),
			len(have) > size && bytes.Equal(have[size:2*size], want[:size]):
			e.op(opDrop, nil)
			have = have[size:]
		default:
			e.op(opAdd, want[:size])
			want = want[size:]
		}
	}
	e.end()
}

// editWriter gathers operations of one kind.
type editWriter struct {
	w    *writer
	f    *former
	kind uint64
	n    uint64
	last uint64 // offset of the last relocation that was written
	add  writer // relocations of opAdd
}

func (e *editWriter) op(kind uint64, reloc []byte) {
	if kind != e.kind {
		e.flush()
	}
	e.kind = kind
	e.n++
	if reloc == nil {
		return
	}
	offset := e.f.uint64(reloc)
	if kind == opAdd {
		info := e.f.uint64(reloc[8:])
		e.add.delta(offset, e.last)
		e.add.uint(info >> 32)
		e.add.uint(info & 0xffffffff)
		e.add.uint(zigzag(int64(e.f.uint64(reloc[16:]))))
	}
	e.last = offset
}

func (e *editWriter) flush() {
	if e.n > 0 {
		e.w.op(e.kind, e.n)
		e.w.bytes(e.add.b)
	}
	e.n, e.add.b = 0, nil
}

// end leaves out the operation that keeps what is left.
func (e *editWriter) end() {
	if e.kind != opKeep {
		e.flush()
	}
}
