package recipe

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"sort"

	"koweld/assemble/elf64"
)

const shnXindex = 0xffff // SHN_XINDEX

// former forms an image from the objects. What it reads of the objects is
// checked by bind, before the image is allocated.
type former struct {
	r       *Recipe
	swap    bool // the byte order is big-endian
	objects []*elf64.Image
	places  []place  // of all sections of the objects, numbered through
	first   []uint64 // number of the first section of each object
	names   []uint64 // number of the first symbol of each object
	symbols uint64   // number of all symbols of the objects

	order   [][]uint32 // by section of the image: what is anchored there, by place
	targets []target   // of all symbols of the objects
	image   []byte
	syms    symbolTable
}

// place is where a section of the objects went.
type place struct {
	object  *elf64.Image
	index   int    // of the section in the object
	out     uint32 // index of a section of the image; 0 for none
	delta   uint64 // what is added to an offset, if there is one anchor
	lo, hi  uint32 // the anchors in Recipe.anchors, if there are several
	lowest  uint64 // the least offset that an anchor leads to
	relocs  []int  // sections of the object with relocations for this one
	symbols uint64 // number of the object's first symbol
}

func (p *place) section() *elf64.Section { return &p.object.Sections[p.index] }

// target is what a relocation against a symbol of the objects becomes.
type target struct {
	out uint32 // index of a symbol of the image plus one; 0 for none
	// section is the number of a section of the objects plus one, if the
	// symbol stands for it: the addend is an offset in it and moves along.
	section uint32
}

// newFormer parses the objects and checks that the recipe fits them.
func (r *Recipe) newFormer(objects [][]byte) (*former, error) {
	if len(objects) != len(r.Inputs) {
		return nil, &InputError{Input: "the list of objects", Msg: fmt.Sprintf("it has %d instead of %d", len(objects), len(r.Inputs))}
	}
	order, err := elf64.ByteOrder(r.Machine.Data)
	if err != nil {
		return nil, err
	}
	f := &former{r: r, swap: order.Uint16([]byte{0, 1}) == 1}
	for i, data := range objects {
		in := &r.Inputs[i]
		if uint64(len(data)) != in.Size {
			return nil, &InputError{Input: in.Name, Msg: fmt.Sprintf("it has %d bytes instead of %d", len(data), in.Size)}
		}
		o, err := elf64.Parse(data)
		if err == nil {
			err = o.Check(r.Machine)
		}
		if err != nil {
			return nil, &InputError{Input: in.Name, Msg: err.Error()}
		}
		if !f.add(o) {
			return nil, &InputError{Input: in.Name, Msg: "its sections of relocations overlap"}
		}
	}
	if len(f.places) >= 1<<31 || f.symbols >= 1<<31 {
		return nil, &FormatError{Offset: -1, Msg: "the objects have too many sections or symbols"}
	}
	return f, f.bind()
}

// add numbers the sections and symbols of another object. It returns false if
// its relocations take more bytes than it has: they would take time and memory
// out of proportion.
func (f *former) add(o *elf64.Image) bool {
	var relocs uint64
	base := len(f.places)
	f.objects = append(f.objects, o)
	f.first = append(f.first, uint64(base))
	f.names = append(f.names, f.symbols)
	f.places = slices.Grow(f.places, len(o.Sections))
	for k := range o.Sections {
		f.places = append(f.places, place{object: o, index: k, symbols: f.symbols})
	}
	for k := range o.Sections {
		s := &o.Sections[k]
		if isRela(s) && s.Info != 0 && int64(s.Info) < int64(len(o.Sections)) && s.Link != 0 && int(s.Link) == o.Symtab {
			p := &f.places[base+int(s.Info)]
			p.relocs = append(p.relocs, k)
			if relocs += s.Size; relocs > uint64(len(o.Data)) {
				return false
			}
		}
	}
	f.symbols += uint64(o.NumSymbols())
	return true
}

// bind finds where the sections of the objects go, and checks that each
// program fits the objects and fills its section.
func (f *former) bind() error {
	f.order = make([][]uint32, len(f.r.sections))
	if err := f.bindAnchors(); err != nil {
		return err
	}
	for i := range f.r.sections {
		s := &f.r.sections[i]
		if s.content != contentBytes {
			continue
		}
		p := f.program(i)
		for p.next() {
			if p.whole {
				if msg := f.placeWhole(p.section, uint32(i), p.at); msg != "" {
					p.fail("%s", msg)
				}
			}
		}
		if p.err != nil {
			return p.err
		}
	}
	for _, o := range f.order {
		slices.SortFunc(o, func(a, b uint32) int {
			return cmp.Or(cmp.Compare(f.places[a].lowest, f.places[b].lowest), cmp.Compare(a, b))
		})
	}
	return nil
}

func (f *former) bindAnchors() error {
	all := f.r.anchors
	for lo := 0; lo < len(all); {
		hi := lo + 1
		for hi < len(all) && all[hi].section == all[lo].section {
			hi++
		}
		a := all[lo]
		if a.section >= uint64(len(f.places)) {
			return &FormatError{Offset: -1, Msg: fmt.Sprintf("an anchor is in section %d of %d", a.section, len(f.places))}
		}
		p := &f.places[a.section]
		if p.index == 0 {
			return &FormatError{Offset: -1, Msg: fmt.Sprintf("an anchor is in section %d of the objects, which is the null section of one", a.section)}
		}
		p.out, p.delta, p.lowest = a.out, a.to-a.from, a.to
		if hi-lo > 1 {
			p.lo, p.hi = uint32(lo), uint32(hi)
			for _, b := range all[lo:hi] {
				p.lowest = min(p.lowest, b.to)
			}
		}
		f.order[a.out] = append(f.order[a.out], uint32(a.section))
		lo = hi
	}
	return nil
}

// placeWhole anchors a section as a whole; it returns what is wrong.
func (f *former) placeWhole(number uint64, out uint32, at uint64) string {
	p := &f.places[number]
	if p.out != 0 {
		return fmt.Sprintf("section %d of the objects is placed twice", number)
	}
	p.out, p.delta, p.lowest = out, at, at
	f.order[out] = append(f.order[out], uint32(number))
	return ""
}

// move is where an offset in a section of the objects went. The section must
// be placed.
func (f *former) move(p *place, offset uint64) uint64 {
	if p.hi == 0 {
		return offset + p.delta
	}
	anchors := f.r.anchors[p.lo:p.hi]
	i := sort.Search(len(anchors), func(i int) bool { return anchors[i].from > offset })
	a := &anchors[max(i-1, 0)]
	return offset - a.from + a.to
}

// symbol is the object that has the symbol of that number, and its index
// there. The number must be less than f.symbols.
func (f *former) symbol(number uint64) (object, index int) {
	// An object without symbols has the number of the next one.
	i := sort.Search(len(f.names), func(i int) bool { return f.names[i] > number }) - 1
	return i, int(number - f.names[i])
}

// Objects have the byte order of the recipe. Where it is big-endian numbers
// are swapped: faster than a call by way of binary.ByteOrder.

func (f *former) uint64(b []byte) uint64 {
	v := le.Uint64(b)
	if f.swap {
		return bits.ReverseBytes64(v)
	}
	return v
}

func (f *former) put16(b []byte, v uint16) {
	if f.swap {
		v = bits.ReverseBytes16(v)
	}
	le.PutUint16(b, v)
}

func (f *former) put32(b []byte, v uint32) {
	if f.swap {
		v = bits.ReverseBytes32(v)
	}
	le.PutUint32(b, v)
}

func (f *former) put64(b []byte, v uint64) {
	if f.swap {
		v = bits.ReverseBytes64(v)
	}
	le.PutUint64(b, v)
}
