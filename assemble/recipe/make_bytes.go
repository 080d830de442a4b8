package recipe

import (
	"bytes"
	"cmp"
	"slices"
)

// contents writes the programs of the sections that are copied, and the
// anchors of what is placed otherwise than whole.
func (m *maker) contents() error {
	placed := make([][]uint64, len(m.recipe.sections))
	for n := range m.f.places {
		if out := m.f.places[n].out; out != 0 {
			placed[out] = append(placed[out], uint64(n))
		}
	}
	for j := range m.recipe.sections {
		s := &m.recipe.sections[j]
		if s.content != contentBytes {
			continue
		}
		w := bytesWriter{m: m, sec: s, index: uint32(j), prev: ^uint64(0)}
		if s.InFile() {
			w.want = m.image.Contents(j)
			w.strings()
		}
		list := placed[j]
		slices.SortFunc(list, func(a, b uint64) int {
			x, y := &m.f.places[a], &m.f.places[b]
			return cmp.Or(cmp.Compare(x.delta, y.delta), cmp.Compare(x.section().Size, y.section().Size), cmp.Compare(a, b))
		})
		for _, n := range list {
			w.place(n)
		}
		w.fill(s.Size)
		w.flush()
		s.program = span{b: w.out.b}
	}
	slices.SortFunc(m.recipe.anchors, func(a, b anchor) int {
		return cmp.Or(cmp.Compare(a.section, b.section), cmp.Compare(a.from, b.from))
	})
	f, err := m.recipe.newFormer(m.inputs)
	m.f = f
	return err
}

// bytesWriter writes a contentBytes program.
type bytesWriter struct {
	m     *maker
	sec   *section
	index uint32
	want  []byte // nil for SHT_NOBITS
	out   writer
	prev  uint64 // number of the section of the last opWhole or opCopy
	end   uint64 // offset behind the last opCopy
	pos   uint64
	known map[string]blockAt // where objects have strings of a section that was merged
	lit   []byte             // literal bytes that wait
	zero  uint64             // zeros that wait
}

// place writes the section of that number, which lies at the delta of its
// place.
func (w *bytesWriter) place(n uint64) {
	p := &w.m.f.places[n]
	s := p.section()
	at := p.delta
	aligned, ok := align(at, s.Align)
	if !w.m.fits(n, w.index, at) || at < w.pos || !ok || aligned != at || !w.m.same(n, w.index, at) {
		w.anchor(n, 0, at)
		w.changed(n)
		return
	}
	if next, _ := align(w.pos, s.Align); next != at || w.want != nil && !zeros(w.want[w.pos:at]) {
		w.fill(at)
	}
	w.flush()
	w.out.op(opWhole, zigzag(int64(n-(w.prev+1))))
	w.prev = n
	w.pos = at + s.Size
}

func (w *bytesWriter) anchor(n, from, at uint64) {
	w.m.recipe.anchors = append(w.m.recipe.anchors, anchor{section: n, from: from, out: w.index, to: at})
}

// changed writes a section of which not all bytes are the same: those that are
// in long runs are copied.
func (w *bytesWriter) changed(n uint64) {
	const long = 16
	p := &w.m.f.places[n]
	data := p.object.Contents(p.index)
	if w.want == nil || data == nil {
		return
	}
	at := p.delta
	start := max(at, w.pos)
	end := min(at+uint64(len(data)), uint64(len(w.want)))
	for i := start; i < end; {
		k := i
		for k < end && data[k-at] == w.want[k] {
			k++
		}
		if k-i >= long {
			w.fill(i)
			w.copy(n, i-at, k-i)
		}
		i = k + 1
	}
}

func (w *bytesWriter) copy(n, from, length uint64) {
	w.flush()
	w.out.op(opCopy, zigzag(int64(n-w.prev)))
	w.out.delta(from, w.end)
	w.out.uint(length)
	w.prev, w.end = n, from+length
	w.pos += length
}

// fill writes the bytes up to end from wherever they are to be found.
func (w *bytesWriter) fill(end uint64) {
	if end <= w.pos {
		return
	}
	switch {
	case w.want == nil:
		w.zero += end - w.pos
		w.pos = end
	case int(w.index) == w.m.image.Names:
		// One literal: to be read without the objects.
		w.lit = append(w.lit, w.want[w.pos:end]...)
		w.pos = end
	}
	for w.pos < end {
		rest := w.want[w.pos:end]
		if n := leadingZeros(rest); n >= 8 || n == len(rest) {
			w.flushLiteral()
			w.zero += uint64(n)
			w.pos += uint64(n)
			continue
		}
		if b, length := w.knownString(rest); length > 0 {
			w.copy(b.section, uint64(b.offset), length)
			continue
		}
		if n, from, length := w.m.findBlock(rest); length > 0 {
			w.copy(n, from, length)
			continue
		}
		w.flushZero()
		w.lit = append(w.lit, rest[0])
		w.pos++
	}
}

// knownString finds the string that rest begins with, at the beginning of a
// string of the section.
func (w *bytesWriter) knownString(rest []byte) (at blockAt, length uint64) {
	const worth = 6 // bytes
	if w.known == nil || w.pos > 0 && w.want[w.pos-1] != 0 {
		return at, 0
	}
	k := bytes.IndexByte(rest, 0)
	if k+1 < worth {
		return at, 0
	}
	at, ok := w.known[string(rest[:k])]
	if !ok {
		return at, 0
	}
	return at, uint64(k) + 1
}

func leadingZeros(b []byte) int {
	for i, c := range b {
		if c != 0 {
			return i
		}
	}
	return len(b)
}

func (w *bytesWriter) flush() {
	w.flushLiteral()
	w.flushZero()
}

func (w *bytesWriter) flushLiteral() {
	if len(w.lit) > 0 {
		w.out.op(opLiteral, uint64(len(w.lit)))
		w.out.bytes(w.lit)
		w.lit = w.lit[:0]
	}
}

func (w *bytesWriter) flushZero() {
	for w.zero > 0 { // a SHT_NOBITS may claim more than an operation takes
		n := min(w.zero, 1<<62-1)
		w.out.op(opZero, n)
		w.zero -= n
	}
}

// strings writes a section of strings that the linker has merged: each string
// is copied from an object that has it, and each object's string is anchored
// where it is now.
func (w *bytesWriter) strings() {
	var sources []uint64
	for _, n := range w.m.gathered[w.index] {
		if p := &w.m.f.places[n]; p.out == 0 && isStrings(p.section()) {
			sources = append(sources, n)
		}
	}
	if len(sources) == 0 {
		return
	}
	at := make(map[string]uint64) // where a string is in the section
	for pos := 0; pos < len(w.want); {
		n := bytes.IndexByte(w.want[pos:], 0)
		if n < 0 {
			break
		}
		s := string(w.want[pos : pos+n])
		if _, ok := at[s]; !ok {
			at[s] = uint64(pos)
		}
		pos += n + 1
	}
	for _, n := range sources {
		w.anchorStrings(n, at)
	}
}

// anchorStrings anchors each string of a section where at has it, if most are
// there; so a section leads to one section of the image.
func (w *bytesWriter) anchorStrings(n uint64, at map[string]uint64) {
	p := &w.m.f.places[n]
	data := p.object.Contents(p.index)
	type found struct{ from, to uint64 }
	var moved []found
	strings := 0
	if w.known == nil {
		w.known = make(map[string]blockAt)
	}
	for pos := 0; pos < len(data); {
		k := bytes.IndexByte(data[pos:], 0)
		if k < 0 {
			break
		}
		strings++
		w.known[string(data[pos:pos+k])] = blockAt{n, uint32(pos)}
		if to, ok := at[string(data[pos:pos+k])]; ok {
			moved = append(moved, found{uint64(pos), to})
		}
		pos += k + 1
	}
	if len(moved) == 0 || 2*len(moved) < strings || w.m.merged[n] {
		return
	}
	if w.m.merged == nil {
		w.m.merged = make(map[uint64]bool)
	}
	w.m.merged[n] = true
	// What lies before the first string that is found has no better place.
	moved[0].to -= moved[0].from
	moved[0].from = 0
	for i, f := range moved {
		if i == 0 || f.to-f.from != moved[i-1].to-moved[i-1].from {
			w.anchor(n, f.from, f.to)
		}
	}
}
