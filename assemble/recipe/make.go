package recipe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"slices"

	"koweld/assemble/elf64"
)

// Object is an input of [Make].
type Object struct {
	Name string // base name, at most 255 bytes of printable ASCII
	Data []byte
}

// firstRelease is the release of koweld that knows all rules of today.
const firstRelease = "0.1"

// Make compares the objects with the image that was made from them, by
// whatever linker and with whatever done to it since, and returns the recipe
// that forms the one from the other. It guesses: but what it returns has been
// encoded, decoded and applied, and gave the image.
//
// What the objects do not explain, the recipe has as it is: so there is one for
// every module that is not many times larger than its objects.
// [Recipe.Literals] tells how much that is.
func Make(ctx context.Context, objects []Object, image []byte) (*Recipe, error) {
	m := maker{recipe: &Recipe{}, data: image}
	if err := m.read(objects); err != nil {
		return nil, err
	}
	for _, step := range []func() error{m.outline, m.matchSymbols, m.place, m.contents, m.symbolTable, m.relocations, m.rest} {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if err := step(); err != nil {
			return nil, fmt.Errorf("cannot make a recipe: %w", err)
		}
	}
	return m.prove(ctx)
}

// maker drafts a recipe.
type maker struct {
	recipe  *Recipe
	data    []byte // the image
	image   *elf64.Image
	inputs  [][]byte
	f       *former  // the objects, and what the draft makes of them
	names   []string // of the image's sections
	sources []string // names of the objects' sections, by number

	symbols    []imageSymbol
	refs       []bool          // by number of a symbol: a relocation is against it
	gathered   [][]uint64      // by section of the image: what can have gone there
	merged     map[uint64]bool // by number of a section of the objects: its strings are anchored
	blocks     *blocks
	tailMerged bool // RuleTailMerge holds
}

func (m *maker) read(objects []Object) error {
	var err error
	if m.image, err = elf64.Parse(m.data); err != nil {
		return fmt.Errorf("cannot make a recipe: the module is no relocatable file that can be read: %v", err)
	}
	r := m.recipe
	r.Machine = m.image.Machine
	r.Needs = firstRelease
	r.Size = int64(len(m.data))
	r.SHA256 = sha256.Sum256(m.data)
	if r.Size > MaxImage {
		return errors.New("cannot make a recipe: the module is larger than 2 GiB")
	}
	for _, o := range objects {
		if !isWord([]byte(o.Name)) {
			return &InputError{Input: o.Name, Msg: "its name is empty, longer than 255 bytes or not in printable ASCII"}
		}
		r.Inputs = append(r.Inputs, Input{Name: o.Name, Size: uint64(len(o.Data)), SHA256: sha256.Sum256(o.Data)})
		m.inputs = append(m.inputs, o.Data)
	}
	if m.f, err = r.newFormer(m.inputs); err != nil {
		return err
	}
	for i := range m.image.Sections {
		name, err := m.image.SectionName(i)
		if err != nil && i > 0 {
			name = fmt.Sprintf("#%d", i)
		}
		m.names = append(m.names, name)
	}
	for i := range m.f.places {
		p := &m.f.places[i]
		name, err := p.object.SectionName(p.index)
		if err != nil && p.index > 0 {
			return &InputError{Input: "an object", Msg: err.Error()}
		}
		m.sources = append(m.sources, name)
	}
	return nil
}

// outline notes the headers of the image and which sections have bytes of
// their own.
func (m *maker) outline() error {
	r := m.recipe
	r.header = m.data[:elf64.HeaderSize]
	r.sections = make([]section, len(m.image.Sections))
	for i := range r.sections {
		s := &r.sections[i]
		s.Section = m.image.Sections[i]
		if i > 0 && s.Type != elf.SHT_NULL {
			s.content = contentBytes
		}
	}
	m.dropOverlaps()
	if _, err := r.pieces(); err != nil {
		return err
	}
	m.outlineSymbols()
	m.outlineRelocs()
	m.f.order = make([][]uint32, len(r.sections))
	return nil
}

// outlineSymbols finds the symbol table, and which rules hold for what goes
// with it.
func (m *maker) outlineSymbols() {
	r, index := m.recipe, m.image.Symtab
	if index == 0 || r.sections[index].content == contentNone || r.sections[index].Size == 0 {
		return
	}
	r.sections[index].content = contentSymbols
	m.symbols = make([]imageSymbol, m.image.NumSymbols())
	for i := range m.symbols {
		s := &m.symbols[i]
		s.Symbol, s.source = m.image.Symbol(i), -1
		text, _ := elf64.CString(m.image.Strings, s.Name)
		s.name = string(text)
	}
	names := int(r.sections[index].Link)
	if r.sections[names].content == contentBytes && m.namesByRule(names) {
		m.tailMerged = true
		r.sections[names].content = contentStrings
		r.Rules |= RuleTailMerge
	}
	for k := range r.sections {
		if s := &r.sections[k]; s.Type == elf.SHT_SYMTAB_SHNDX && int(s.Link) == index && s.content == contentBytes && m.wideByRule() {
			s.content = contentShndx
			r.Rules |= RuleShndx
			break
		}
	}
}

// outlineRelocs finds the tables of relocations.
func (m *maker) outlineRelocs() {
	r := m.recipe
	targets := map[uint32]bool{}
	for i := range r.sections {
		s := &r.sections[i]
		if s.content == contentBytes && s.Size > 0 && isRela(&s.Section) && s.Info != 0 && int64(s.Info) < int64(len(r.sections)) &&
			int(s.Link) == m.image.Symtab && m.symbols != nil && !targets[s.Info] {
			s.content = contentRelocs
			targets[s.Info] = true
		}
	}
}

// dropOverlaps takes the bytes from every section that begins within another
// part of the image.
func (m *maker) dropOverlaps() {
	r := m.recipe
	table := m.image.Order.Uint64(r.header[40:])
	parts := []piece{{0, elf64.HeaderSize, pieceHeader}, {table, table + uint64(len(r.sections))*elf64.SectionHeaderSize, pieceTable}}
	for i := range r.sections {
		if s := &r.sections[i]; s.content != contentNone && s.InFile() && s.Size > 0 {
			parts = append(parts, piece{s.Offset, s.Offset + s.Size, i})
		}
	}
	slices.SortFunc(parts, func(a, b piece) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.section, b.section))
	})
	// The header is the first; of the others, the table must stay.
	var end uint64
	for _, p := range parts {
		switch {
		case p.section < 0:
			end = max(end, p.end)
		case p.start < end, p.start < table+uint64(len(r.sections))*elf64.SectionHeaderSize && table < p.end:
			r.sections[p.section].content = contentNone
		default:
			end = p.end
		}
	}
}

// rest notes the bytes between sections and the digests.
func (m *maker) rest() error {
	r := m.recipe
	pieces, err := r.pieces()
	if err != nil {
		return err
	}
	var end uint64
	for _, p := range pieces {
		m.gap(end, p.start)
		end = p.end
	}
	for i := range r.sections {
		var contents []byte
		if i > 0 {
			contents = m.image.Contents(i)
		}
		sum := sha256.Sum256(contents)
		r.digests = append(r.digests, sum[:digestSize]...)
	}
	return nil
}

func (m *maker) gap(start, end uint64) {
	for start < end && m.data[start] == 0 {
		start++
	}
	for start < end && m.data[end-1] == 0 {
		end--
	}
	if start < end {
		m.recipe.gaps = append(m.recipe.gaps, gap{at: start, bytes: m.data[start:end]})
	}
}

// prove applies what was drafted.
func (m *maker) prove(ctx context.Context) (*Recipe, error) {
	r, err := Parse(m.recipe.Encode())
	if err != nil {
		return nil, fmt.Errorf("cannot make a recipe: what was drafted is a %w", err)
	}
	got, err := r.apply(ctx, m.inputs, Options{Procs: 2})
	if err != nil {
		return nil, fmt.Errorf("cannot make a recipe: what was drafted gives no image: %w", err)
	}
	if !bytes.Equal(got, m.data) {
		at := 0
		for at < len(got) && got[at] == m.data[at] {
			at++
		}
		return nil, fmt.Errorf("cannot make a recipe: what was drafted gives another image, from byte %d on", at)
	}
	return r, nil
}
