package recipe_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/assemble/elf64"
)

// naive applies a recipe as docs/recipe-format.md says, and as slowly as it
// likes: another reading of the document, which judges that of the package. It
// does not refuse all that must be refused: it is for recipes that Parse takes.
// It panics if a recipe does not fit the objects.
func naive(data []byte, objects [][]byte) []byte {
	n := &naiveFile{b: data[:len(data)-4]}
	if crc32.ChecksumIEEE(n.b) != binary.LittleEndian.Uint32(data[len(n.b):]) {
		panic("checksum")
	}
	n.take(8 + 1 + 1)
	n.order = binary.LittleEndian
	if n.take(1)[0] == 2 {
		n.order = binary.BigEndian
	}
	n.take(2)
	n.uint()
	n.part()
	image := make([]byte, n.uint())
	n.take(sha256.Size)
	if n.uint() != uint64(len(objects)) {
		panic("inputs")
	}
	for _, o := range objects {
		n.part()
		if n.uint() != uint64(len(o)) {
			panic("size")
		}
		n.take(sha256.Size)
	}
	header := n.take(64)
	copy(image, header)

	// 3. Objects.
	for _, o := range objects {
		n.object(o)
	}

	// 4. Sections.
	var last [2]uint64
	for i := range n.uint() {
		s := &naiveSection{index: i}
		s.name, s.typ, s.flags, s.addr, s.size = n.uint(), n.uint(), n.uint(), n.uint(), n.uint()
		s.link, s.info, s.align, s.entsize = n.uint(), n.uint(), n.uint(), n.uint()
		which := 0
		if s.typ == 4 || s.typ == 9 {
			which = 1
		}
		prediction := last[which]
		if s.align > 1 && bits.OnesCount64(s.align) == 1 && prediction <= -s.align {
			prediction = (prediction + s.align - 1) / s.align * s.align
		}
		s.offset = prediction + uint64(n.int())
		last[which] = s.offset
		if s.typ != 8 && s.typ != 0 {
			last[which] += s.size
		}
		s.content = n.uint()
		if 1 <= s.content && s.content <= 3 {
			s.program = n.part()
		}
		if s.content == 3 {
			s.names = n.part()
		}
		n.sections = append(n.sections, s)
		b := image[n.order.Uint64(header[40:])+64*i:]
		n.order.PutUint32(b, uint32(s.name))
		n.order.PutUint32(b[4:], uint32(s.typ))
		for k, v := range []uint64{s.flags, s.addr, s.offset, s.size} {
			n.order.PutUint64(b[8+8*k:], v)
		}
		n.order.PutUint32(b[40:], uint32(s.link))
		n.order.PutUint32(b[44:], uint32(s.info))
		n.order.PutUint64(b[48:], s.align)
		n.order.PutUint64(b[56:], s.entsize)
	}
	n.anchors()
	aliases := n.part()
	var end uint64
	for range n.uint() {
		at := end + n.uint()
		b := n.part()
		copy(image[at:], b)
		end = at + uint64(len(b))
	}

	bySection := map[uint64]*naiveSection{}
	for _, s := range n.sections {
		if s.content != 0 && s.typ != 8 {
			s.to = image[s.offset:][:s.size]
		}
		bySection[s.content] = s
		if s.content == 1 {
			n.bytes(s)
		}
	}
	if table := bySection[3]; table != nil {
		n.formSymbols(table, aliases)
		n.nameSymbols(table, bySection[4])
		for i, s := range n.symbols {
			if x := bySection[5]; x != nil && s.shndx == 0xffff {
				n.order.PutUint32(x.to[4*i:], s.wide)
			}
		}
	}
	for _, s := range n.sections {
		if s.content == 2 {
			n.relocs(s)
		}
	}
	return image
}

type naiveFile struct {
	b     []byte
	order binary.ByteOrder

	sources  []*naiveSource
	origins  []naiveSymbol
	isFirst  []bool // the symbol is the null symbol of its object
	sections []*naiveSection
	symbols  []naiveSymbol
	targets  map[int]naiveTarget
}

type naiveSource struct {
	*elf64.Section
	null     bool
	bytes    []byte // nil: zeros
	relocs   []byte
	symbols  [2]int // numbers of those of its object
	anchors  [][2]uint64
	out      uint64
	isPlaced bool
}

type naiveSection struct {
	index                                                            uint64
	name, typ, flags, addr, size, link, info, align, entsize, offset uint64
	content                                                          uint64
	program, names                                                   []byte
	to                                                               []byte
}

type naiveSymbol struct {
	name        []byte
	info, other byte
	shndx       uint16
	wide        uint32
	section     uint64 // of the objects by number, or of the image; 0 for none
	value, size uint64
}

type naiveTarget struct {
	symbol uint64
	by     *naiveSource // moves the addend
}

func (n *naiveFile) take(k uint64) []byte { b := n.b[:k]; n.b = n.b[k:]; return b }
func (n *naiveFile) part() []byte         { return n.take(n.uint()) }

func (n *naiveFile) uint() (v uint64) {
	for shift := 0; ; shift += 7 {
		b := n.take(1)[0]
		if v |= uint64(b&127) << shift; b < 128 {
			return v
		}
	}
}

func (n *naiveFile) int() int64 {
	u := n.uint()
	if u%2 == 1 {
		return -int64(u/2) - 1
	}
	return int64(u / 2)
}

// within reads a part by another function.
func (n *naiveFile) within(part []byte, f func()) {
	saved := n.b
	for n.b = part; len(n.b) > 0; {
		f()
	}
	n.b = saved
}

// object reads an object; the package elf64 knows section 3 of the document.
func (n *naiveFile) object(data []byte) {
	m, err := elf64.Parse(data)
	if err != nil {
		panic(err)
	}
	first, base := len(n.sources), len(n.origins)
	for i := range m.Sections {
		s := &naiveSource{Section: &m.Sections[i], null: i == 0, bytes: m.Contents(i), symbols: [2]int{base, base + m.NumSymbols()}}
		n.sources = append(n.sources, s)
	}
	for i, r := range m.Sections {
		if r.Type == elf.SHT_RELA && r.Entsize == 24 && r.Size%24 == 0 && r.Info != 0 && int(r.Info) < len(m.Sections) &&
			r.Link != 0 && int(r.Link) == m.Symtab {
			s := n.sources[first+int(r.Info)]
			s.relocs = append(s.relocs, m.Contents(i)...)
		}
	}
	for i := range m.NumSymbols() {
		s := m.Symbol(i)
		o := naiveSymbol{info: s.Info, other: s.Other, shndx: s.Shndx, value: s.Value, size: s.Size}
		if s.Name != 0 {
			o.name, _ = elf64.CString(m.Strings, s.Name)
		}
		if s.Section != 0 {
			o.section = uint64(first) + uint64(s.Section)
			if int(s.Section) >= len(m.Sections) {
				o.section = 1 << 40 // it does not exist
			}
		}
		n.origins, n.isFirst = append(n.origins, o), append(n.isFirst, i == 0)
	}
}

// 6. Anchors.
func (n *naiveFile) anchors() {
	var number, from uint64
	for i := range n.uint() {
		step := n.uint()
		number += step
		f := n.uint()
		if step == 0 && i > 0 {
			f += from
		}
		from = f
		out := n.uint()
		s := n.sources[number]
		if s.null {
			panic("null section")
		}
		s.out, s.isPlaced = out, true
		s.anchors = append(s.anchors, [2]uint64{f, f + uint64(n.int())})
	}
}

func (s *naiveSource) move(x uint64) uint64 {
	a := s.anchors[0]
	for _, b := range s.anchors {
		if b[0] <= x {
			a = b
		}
	}
	return x - a[0] + a[1]
}

func (n *naiveFile) bytes(to *naiveSection) {
	var p, end uint64
	prev := ^uint64(0)
	put := func(length uint64, b []byte) {
		if length > to.size-p {
			panic("too long")
		}
		if to.typ != 8 {
			copy(to.to[p:p+length], b)
		} else if len(b) > 0 {
			panic("SHT_NOBITS")
		}
		p += length
	}
	signed := func(u uint64) uint64 {
		if u%2 == 1 {
			return -(u / 2) - 1
		}
		return u / 2
	}
	n.within(to.program, func() {
		v := n.uint()
		kind, arg := v%4, v/4
		switch kind {
		case 0:
			put(arg, n.take(arg))
		case 1:
			put(arg, nil)
		case 2, 3:
			prev += signed(arg) + (3 - kind)
			s := n.sources[prev]
			if s.null {
				panic("null section")
			}
			if kind == 3 {
				start := end + uint64(n.int())
				length := n.uint()
				end = start + length
				if start > s.Size || length > s.Size-start {
					panic("beyond")
				}
				b := s.bytes
				if b != nil {
					b = b[start:end]
				}
				put(length, b)
				return
			}
			if a := s.Align; a > 1 {
				if bits.OnesCount64(a) != 1 {
					panic("alignment")
				}
				put(-p%a, nil)
			}
			if s.isPlaced {
				panic("placed twice")
			}
			s.isPlaced, s.out, s.anchors = true, to.index, [][2]uint64{{0, p}}
			put(s.Size, s.bytes)
		}
	})
	if p != to.size {
		panic("too short")
	}
}

// 7. Symbols, and 8. their targets.
func (n *naiveFile) formSymbols(table *naiveSection, aliases []byte) {
	prev := ^uint64(0)
	var last uint64
	first := map[uint64]uint64{}
	n.targets = map[int]naiveTarget{}
	add := func(s naiveSymbol) {
		if s.info%16 == 3 && s.section != 0 && s.section < uint64(len(n.sections)) {
			last = s.section
			if _, ok := first[s.section]; !ok {
				first[s.section] = uint64(len(n.symbols))
			}
		}
		n.symbols = append(n.symbols, s)
	}
	index := func(s *naiveSymbol, section uint64) {
		s.section, s.shndx, s.wide = section, uint16(section), 0
		if section >= 0xff00 {
			s.shndx, s.wide = 0xffff, uint32(section)
		}
	}
	from := func(number, mask uint64) naiveSymbol {
		prev = number
		s := n.origins[number]
		if s.info%16 != 3 {
			n.targets[int(number)] = naiveTarget{symbol: uint64(len(n.symbols))}
		}
		if s.section != 0 && mask&24 != 24 {
			source := n.sources[s.section]
			if !source.isPlaced {
				panic("not placed")
			}
			s.value = source.move(s.value)
			index(&s, source.out)
		}
		return s
	}
	n.within(table.program, func() {
		v := n.uint()
		kind, arg := v%4, v/4
		switch kind {
		case 0:
			for range arg {
				add(from(prev+1, 0))
			}
		case 1:
			for range arg {
				add(from(prev+1+uint64(n.int()), 0))
			}
		case 2:
			for range arg {
				for last++; slices.Contains([]uint64{0, 2, 3, 4, 9, 18, 17}, n.sections[last].typ); last++ {
				}
				s := naiveSymbol{info: 3}
				index(&s, last)
				add(s)
			}
		case 3:
			var s naiveSymbol
			if arg&64 != 0 {
				s = from(prev+1+uint64(n.int()), arg)
			}
			if arg&1 != 0 {
				s.name = n.part()
			}
			if arg&2 != 0 {
				s.info = byte(n.uint())
			}
			if arg&4 != 0 {
				s.other = byte(n.uint())
			}
			if arg&8 != 0 {
				s.shndx, s.section, s.wide = uint16(n.uint()), 0, 0
				switch {
				case s.shndx == 0xffff:
					s.wide = uint32(n.uint())
					s.section = uint64(s.wide)
				case s.shndx < 0xff00:
					s.section = uint64(s.shndx)
				}
			}
			if arg&16 != 0 {
				s.value = n.uint()
			}
			if arg&32 != 0 {
				s.size = n.uint()
			}
			add(s)
		}
	})
	number, out := ^uint64(0), uint64(0)
	aliased := map[uint64]bool{}
	n.within(aliases, func() {
		number += n.uint() + 1
		out += uint64(n.int())
		if number >= uint64(len(n.origins)) || out >= uint64(len(n.symbols)) {
			panic("alias")
		}
		n.targets[int(number)] = naiveTarget{symbol: out}
		aliased[number] = true
	})
	for i, s := range n.origins {
		if n.isFirst[i] {
			n.targets[i] = naiveTarget{}
			continue
		}
		if s.info%16 != 3 || aliased[uint64(i)] || s.section == 0 || s.section >= uint64(len(n.sources)) {
			continue
		}
		source := n.sources[s.section]
		if symbol, ok := first[source.out]; ok && source.isPlaced {
			n.targets[i] = naiveTarget{symbol, source}
		}
	}
}

func (n *naiveFile) nameSymbols(table, names *naiveSection) {
	var at []uint32
	if names != nil {
		var texts []string
		for _, s := range n.symbols {
			texts = append(texts, string(s.name))
		}
		var b []byte
		b, at = mergedNames(texts)
		if len(b) != len(names.to) {
			panic("names")
		}
		copy(names.to, b)
	} else {
		var name uint64
		n.within(table.names, func() {
			name += uint64(n.int())
			at = append(at, uint32(name))
		})
	}
	if uint64(24*len(n.symbols)) != table.size {
		panic("symbols")
	}
	for i, s := range n.symbols {
		b := table.to[24*i:]
		n.order.PutUint32(b, at[i])
		b[4], b[5] = s.info, s.other
		n.order.PutUint16(b[6:], s.shndx)
		n.order.PutUint64(b[8:], s.value)
		n.order.PutUint64(b[16:], s.size)
	}
}

// 8. Relocations.
func (n *naiveFile) relocs(to *naiveSection) {
	type rela struct{ offset, info, addend uint64 }
	var stream, result []rela
	mode := uint64(0)
	placed := []int{}
	for i, s := range n.sources {
		if s.isPlaced && s.out == to.info {
			placed = append(placed, i)
		}
	}
	lowest := func(i int) uint64 {
		v := ^uint64(0)
		for _, a := range n.sources[i].anchors {
			v = min(v, a[1])
		}
		return v
	}
	start := func() {
		if mode&2 == 0 {
			slices.SortStableFunc(placed, func(a, b int) int {
				if lowest(a) < lowest(b) {
					return -1
				} else if lowest(a) > lowest(b) {
					return 1
				}
				return 0
			})
		}
		for _, i := range placed {
			s := n.sources[i]
			for b := s.relocs; len(b) > 0; b = b[24:] {
				r := rela{s.move(n.order.Uint64(b)), n.order.Uint64(b[8:]), n.order.Uint64(b[16:])}
				number := s.symbols[0] + int(r.info>>32)
				if number >= s.symbols[1] {
					panic("symbol")
				}
				t, ok := n.targets[number]
				switch {
				case ok:
					r.info = t.symbol<<32 | r.info&0xffffffff
					if t.by != nil {
						r.addend = t.by.move(r.addend)
					}
				case mode&4 != 0:
					r.info, r.addend = 0, 0
				default:
					continue
				}
				stream = append(stream, r)
			}
		}
		if mode&1 != 0 {
			slices.SortStableFunc(stream, func(a, b rela) int {
				if a.offset < b.offset {
					return -1
				} else if a.offset > b.offset {
					return 1
				}
				return 0
			})
		}
	}
	begun := false
	var last uint64
	n.within(to.program, func() {
		v := n.uint()
		if !begun {
			mode, begun = v, true
			start()
			return
		}
		kind, arg := v%4, v/4
		switch kind {
		case 0:
			result, stream = append(result, stream[:arg]...), stream[arg:]
			last = result[len(result)-1].offset
		case 1:
			stream = stream[arg:]
		case 2:
			for range arg {
				last += uint64(n.int())
				symbol, typ := n.uint(), n.uint()
				result = append(result, rela{last, symbol<<32 | typ, uint64(n.int())})
			}
		}
	})
	result = append(result, stream...)
	if uint64(len(result)) != to.size/24 {
		panic("relocations")
	}
	for i, r := range result {
		for k, v := range []uint64{r.offset, r.info, r.addend} {
			n.order.PutUint64(to.to[24*i+8*k:], v)
		}
	}
}

// naively returns what the document says of a recipe, nil if it is refused.
func naively(data []byte, objects [][]byte) (image []byte) {
	defer func() {
		if recover() != nil {
			image = nil
		}
	}()
	return naive(data, objects)
}

// The package and the document say the same. Of recipes that somebody changed
// see TestEveryByteOfARecipeBehindTheChecksum and FuzzApply.
func TestTheDocumentIsTheFormat(t *testing.T) {
	t.Run("golden", func(t *testing.T) {
		for _, tt := range golden {
			objects := [][]byte{readGolden(t, tt.name+"/core.o")}
			if !tt.example {
				objects = append(objects, readGolden(t, tt.name+"/glue.o"))
			}
			require.True(t, bytes.Equal(readGolden(t, tt.name+"/acme.ko"), naive(readGolden(t, tt.name+".recipe"), objects)))
		}
	})
	t.Run("random", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			m := rapid.SampledFrom(machines).Draw(t, "machine")
			objects := []*object{randomObject(t, m, "a"), randomObject(t, m, "b")}
			files := [][]byte{objects[0].encode(), objects[1].encode()}
			image := randomImage(t, objects)
			r := requireExact(t, image, files...)
			require.True(t, bytes.Equal(image, naive(r.Encode(), files)))
		})
	})
}
