package recipe

import (
	"bytes"
	"cmp"
	"debug/elf"
	"iter"
	"slices"
	"strings"

	"koweld/assemble/elf64"
)

// place finds where in the image each section of the objects went: by the
// symbols in it; else in the order of the objects, where the bytes agree; else
// by looking for its bytes. What is not found has been discarded, or changed so
// much that its bytes are no help.
func (m *maker) place() error {
	votes := m.vote()
	free := make([]intervals, len(m.recipe.sections))
	for n := range m.f.places {
		m.elect(uint64(n), votes[uint64(n)], free)
	}
	wanted := m.wanted()
	m.gathered = m.gather()
	for j := range m.recipe.sections {
		if m.holds(j) {
			m.tile(uint32(j), wanted, &free[j])
		}
	}
	return nil
}

// holds tells whether sections of the objects can be placed in section j.
func (m *maker) holds(j int) bool {
	s := &m.recipe.sections[j]
	return s.content == contentBytes && hasSectionSymbol(&s.Section)
}

// ballot counts for how many symbols a section went to one place.
type ballot struct {
	out    uint32
	delta  uint64
	weight int
}

func (m *maker) vote() map[uint64][]ballot {
	votes := make(map[uint64][]ballot)
	times := make(map[string]int, len(m.symbols))
	for i := range m.symbols {
		times[m.symbols[i].name]++
	}
	for i := range m.symbols {
		s := &m.symbols[i]
		if s.source < 0 || s.Section == 0 || int64(s.Section) >= int64(len(m.recipe.sections)) || !m.holds(int(s.Section)) {
			continue
		}
		object, index := m.f.symbol(uint64(s.source))
		o := m.f.objects[object]
		t := o.Symbol(index)
		if t.Section == 0 || int64(t.Section) >= int64(len(o.Sections)) {
			continue
		}
		weight := 1
		if times[s.name] == 1 {
			weight = 16 // it cannot be mistaken for another
		}
		n := m.f.first[object] + uint64(t.Section)
		delta := s.Value - t.Value
		list := votes[n]
		k := slices.IndexFunc(list, func(b ballot) bool { return b.out == s.Section && b.delta == delta })
		if k < 0 {
			if len(list) >= 64 {
				continue
			}
			k, list = len(list), append(list, ballot{out: s.Section, delta: delta})
		}
		list[k].weight += weight
		votes[n] = list
	}
	return votes
}

// elect places a section where most of its symbols say, and if the bytes are
// the same in another place they say, there.
func (m *maker) elect(n uint64, votes []ballot, free []intervals) {
	if len(votes) == 0 {
		return
	}
	slices.SortStableFunc(votes, func(a, b ballot) int { return cmp.Compare(b.weight, a.weight) })
	s := m.f.places[n].section()
	chosen := -1
	for k, v := range votes {
		if m.fits(n, v.out, v.delta) && m.same(n, v.out, v.delta) {
			chosen = k
			break
		}
	}
	if chosen < 0 {
		if isStrings(s) && len(votes) > 1 {
			return // merged; see mergedStrings
		}
		chosen = 0
		if !m.fits(n, votes[0].out, votes[0].delta) {
			// Cut shorter or edited, but what is addressed went there.
			if votes[0].delta > m.recipe.sections[votes[0].out].Size {
				return
			}
		}
	}
	v := votes[chosen]
	m.put(n, v.out, v.delta)
	free[v.out].take(v.delta, v.delta+s.Size)
}

func (m *maker) put(n uint64, out uint32, at uint64) {
	p := &m.f.places[n]
	p.out, p.delta, p.lowest = out, at, at
}

// fits tells whether the section of that number lies within section out at at.
func (m *maker) fits(n uint64, out uint32, at uint64) bool {
	size, room := m.f.places[n].section().Size, m.recipe.sections[out].Size
	return at <= room && size <= room-at
}

// same tells whether the bytes at a place are those of the section, which
// must fit there.
func (m *maker) same(n uint64, out uint32, at uint64) bool {
	p := &m.f.places[n]
	if !m.recipe.sections[out].InFile() {
		return !p.section().InFile()
	}
	there := m.image.Contents(int(out))[at:][:p.section().Size]
	if !p.section().InFile() {
		return zeros(there)
	}
	return bytes.Equal(there, p.object.Contents(p.index))
}

func zeros(b []byte) bool {
	for len(b) >= 8 {
		if le.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// wanted tells by number which empty sections matter: those that a relocation
// is against.
func (m *maker) wanted() []bool {
	wanted := make([]bool, len(m.f.places))
	for i, o := range m.f.objects {
		for k := range o.NumSymbols() {
			if !m.refs[m.f.names[i]+uint64(k)] {
				continue
			}
			if s := o.Symbol(k); s.Section != 0 && int64(s.Section) < int64(len(o.Sections)) {
				wanted[m.f.first[i]+uint64(s.Section)] = true
			}
		}
	}
	return wanted
}

// gatheredBy are the names of the sections of an image that a section of an
// object can have gone to: its own name, and those that linker scripts gather
// it in, as scripts/module.lds.S in the kernel does.
func gatheredBy(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(name) {
			return
		}
		for i := len(name) - 1; i > 0; i-- {
			if name[i] == '.' && !yield(name[:i]) {
				return
			}
		}
		// ___ksymtab+NAME, ___kcrctab_gpl+NAME
		if base, _, ok := strings.Cut(name, "+"); ok && strings.HasPrefix(base, "___k") {
			yield(base[1:])
		}
	}
}

// gather lists for each section of the image, by number, the sections of the
// objects that can have gone there. Of many sections of one name, those of the
// objects are meant for those of the image in their order: each looks only at
// the next ones.
func (m *maker) gather() [][]uint64 {
	const next = 256
	byName := make(map[string][]uint32)
	for j := range m.recipe.sections {
		if m.holds(j) {
			byName[m.names[j]] = append(byName[m.names[j]], uint32(j))
		}
	}
	lists := make([][]uint64, len(m.recipe.sections))
	turn := make(map[string]int)
	for n := range m.f.places {
		p := &m.f.places[n]
		switch {
		case p.index == 0 || !hasSectionSymbol(p.section()):
			continue
		case p.out != 0:
			lists[p.out] = append(lists[p.out], uint64(n))
			continue
		}
		for name := range gatheredBy(m.sources[n]) {
			outs := byName[name]
			if len(outs) > next {
				from := min(turn[name], len(outs)-next)
				turn[name]++
				outs = outs[from : from+next]
			}
			for _, j := range outs {
				lists[j] = append(lists[j], uint64(n))
			}
		}
	}
	return lists
}

// tile places what is left of the candidates for section j, each behind the
// one before it where the bytes agree.
func (m *maker) tile(j uint32, wanted []bool, free *intervals) {
	var cursor uint64
	for _, n := range m.gathered[j] {
		p := &m.f.places[n]
		s := p.section()
		switch p.out {
		case 0:
		case j:
			cursor = p.delta + s.Size
			continue
		default:
			continue
		}
		if s.Size == 0 && !wanted[n] {
			continue
		}
		at, ok := align(cursor, s.Align)
		if !ok || !m.fits(n, j, at) || !free.has(at, at+s.Size) || !m.same(n, j, at) {
			if at, ok = m.search(n, j, free); !ok {
				continue
			}
		}
		m.put(n, j, at)
		free.take(at, at+s.Size)
		cursor = at + s.Size
	}
}

// search looks for the bytes of a section in section j.
func (m *maker) search(n uint64, j uint32, free *intervals) (at uint64, ok bool) {
	p := &m.f.places[n]
	s := p.section()
	there := m.image.Contents(int(j))
	data := p.object.Contents(p.index)
	if len(data) < 4 || zeros(data) {
		return m.searchZeros(n, j, free)
	}
	for tries := 0; tries < 1000; tries++ {
		k := bytes.Index(there[at:], data)
		if k < 0 {
			return 0, false
		}
		at += uint64(k)
		if a, ok := align(at, s.Align); ok && a == at && free.has(at, at+s.Size) {
			return at, true
		}
		at++
	}
	return 0, false
}

// searchZeros looks for a free place that is zero.
func (m *maker) searchZeros(n uint64, j uint32, free *intervals) (at uint64, ok bool) {
	s := m.f.places[n].section()
	for tries := 0; tries < 1000; tries++ {
		at, ok = align(at, s.Align)
		if !ok || !m.fits(n, j, at) {
			return 0, false
		}
		if next, taken := free.behind(at, at+s.Size); taken {
			at = next
			continue
		}
		if m.same(n, j, at) {
			return at, true
		}
		at += max(s.Align, 1)
	}
	return 0, false
}

func isStrings(s *elf64.Section) bool {
	return s.Has(elf.SHF_MERGE|elf.SHF_STRINGS) && s.Entsize == 1
}

// intervals are the parts of a section that are taken, in order.
type intervals []interval

type interval struct{ start, end uint64 }

func (v intervals) find(at uint64) int {
	i, _ := slices.BinarySearchFunc(v, at, func(x interval, at uint64) int {
		if x.end <= at {
			return -1
		}
		return 1
	})
	return i
}

// behind is the end of what is taken of a range, if something is.
func (v intervals) behind(start, end uint64) (uint64, bool) {
	i := v.find(start)
	if i < len(v) && v[i].start < end {
		return v[i].end, true
	}
	return start, false
}

// has tells whether all of a range is free.
func (v intervals) has(start, end uint64) bool {
	_, taken := v.behind(start, end)
	return !taken || start == end
}

func (v *intervals) take(start, end uint64) {
	if start >= end {
		return
	}
	i := v.find(start)
	// What follows seamlessly is joined: a section of 70,000 parts is one.
	if i > 0 && (*v)[i-1].end == start && (i == len(*v) || (*v)[i].start >= end) {
		(*v)[i-1].end = end
		return
	}
	*v = slices.Insert(*v, i, interval{start, end})
}
