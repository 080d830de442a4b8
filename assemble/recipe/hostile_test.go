package recipe_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/elf64"
	"koweld/assemble/recipe"
)

type program = recipe.Program

// draft is a recipe that tests spoil, with the objects of acme.
type draft struct {
	*recipe.Raw
	r       *recipe.Recipe
	objects [][]byte
}

func newDraft(t testing.TB) *draft {
	image, objects := acme(amd64)
	r := makeRecipe(t, image, objects...)
	return &draft{r.Raw(), r, objects}
}

// section is the section of that name.
func (d *draft) section(name string) *recipe.RawSection {
	for i := range d.Sections {
		if i > 0 && d.r.SectionName(i) == name {
			return &d.Sections[i]
		}
	}
	panic("no section " + name)
}

// apply parses and applies what the draft is now.
func (d *draft) apply(t testing.TB) ([]byte, error) { return try(t, d.Encode(), d.objects, 3) }

func TestMalformedRecipes(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(d *draft)
		want  string
	}{
		{"an unknown rule", func(d *draft) { d.Rules |= 1 << 40; d.Needs = "7.3" }, "cannot apply the recipe: it needs koweld ≥ 7.3"},
		{"a rule that is not used", func(d *draft) { d.Rules |= recipe.RuleShndx }, "it uses the rules"},
		{"a rule that is not named", func(d *draft) { d.Rules = 0 }, "it uses the rules"},
		{"what it needs is unprintable", func(d *draft) { d.Needs = "\x1b[31m" }, "the release it needs is empty, longer than 255 bytes or not in printable ASCII"},
		{"what it needs is empty", func(d *draft) { d.Needs = "" }, "the release it needs is empty"},
		{"an input has no name", func(d *draft) { d.Inputs[1].Name = "" }, "the name of an input is empty"},
		{"an input is too large", func(d *draft) { d.Inputs[1].Size = 1 << 40 }, "the size of an input is 1099511627776"},
		{"another order of bytes", func(d *draft) { d.Machine.Data = elf.ELFDATA2MSB }, "the ELF header is not that of a relocatable file for the machine"},
		{"no order of bytes", func(d *draft) { d.Machine.Data = 3 }, "its byte order is not known"},
		{"another machine", func(d *draft) { d.Machine.Arch = elf.EM_S390 }, "the ELF header is not that of a relocatable file for the machine"},
		{"MIPS", func(d *draft) { d.Machine.Arch = elf.EM_MIPS }, "its machine has relocations of another form"},
		{"a program, not a module", func(d *draft) { d.Header = at(d.Header, 16, 2) }, "the ELF header is not that of a relocatable file"},
		{"the image is larger than may be", func(d *draft) { d.Size = recipe.MaxImage + 1 }, "the size of the image is"},
		{"the image is larger than can be", func(d *draft) { d.Size = recipe.MaxImage }, "more than the objects and the recipe bear out"},
		{"the image is empty", func(d *draft) { d.Size = 0 }, "not within the image"},
		{"the image is too small", func(d *draft) { d.Size -= 1 }, "the section headers are not within the image"},
		{"section headers over sections", func(d *draft) { d.Header = at(d.Header, 40, 0x50) }, "overlap"},
		{"section headers over the header", func(d *draft) { d.Header = at(d.Header, 40, 63) }, "overlap"},
		{"section headers out of the image", func(d *draft) { d.Header = at(d.Header, 47, 0xff) }, "not within the image"},
		{"sections overlap", func(d *draft) { d.section(".data").Offset = d.section(".text").Offset }, "overlap"},
		{"a section over the header", func(d *draft) { d.section(".text").Offset = 32 }, "overlap"},
		{"a section out of the image", func(d *draft) { d.section(".text").Offset = uint64(d.Size) }, "it is not within the image"},
		{"a section that wraps", func(d *draft) { d.section(".text").Offset = math.MaxUint64 - 8 }, "it is not within the image"},
		{"a huge section", func(d *draft) { d.section(".text").Size = math.MaxUint64 }, "it is not within the image"},
		{"an unknown content", func(d *draft) { d.section(".text").Content = 9 }, "the content of a section is 9, of 6"},
		{"content of the null section", func(d *draft) { d.Sections[0].Content = recipe.ContentBytes }, "the one of index 0 has no content"},
		{"content of SHT_NULL", func(d *draft) { d.section(".data").Type = elf.SHT_NULL }, "its type has no such content"},
		{"relocations of SHT_NOBITS", func(d *draft) { d.section(".rela.text").Type = elf.SHT_NOBITS }, "its type has no such content"},
		{"two tables of symbols", func(d *draft) { d.section(".data").Content = recipe.ContentSymbols }, "it cannot hold symbols"},
		{"symbols twice", func(d *draft) {
			s := *d.section(".symtab")
			s.Offset, s.Size = d.section(".rela.text").Offset, 24
			*d.section(".rela.text") = s
		}, "it is the second of its kind"},
		{"names without symbols", func(d *draft) { d.section(".symtab").Content = recipe.ContentNone }, "it has names or indices of symbols and no symbols"},
		{"an empty table of symbols", func(d *draft) { d.section(".symtab").Size = 0 }, "it is empty"},
		{"half a symbol", func(d *draft) { d.section(".symtab").Size -= 12 }, "it cannot hold symbols"},
		{"a symbol too few", func(d *draft) { d.section(".symtab").Size += 24; d.section(".strtab").Content = 0 }, ""},
		{"a symbol too many", func(d *draft) { d.section(".symtab").Size -= 24 }, "symbols for the room of"},
		{"names that are not needed", func(d *draft) { d.section(".symtab").Names = []byte{0} }, "there are more names than symbols"},
		{"half a relocation", func(d *draft) { d.section(".rela.text").Size -= 1 }, "it cannot hold relocations"},
		{"a relocation too many", func(d *draft) { d.section(".rela.text").Size -= 24 }, "there are more relocations than"},
		{"a relocation too few", func(d *draft) {
			d.Raw = growing(d.Raw, ".rela.text", d.r, 24)
		}, "the relocations take"},
		{"relocations for section 0", func(d *draft) { d.section(".rela.text").Info = 0 }, "it cannot hold relocations"},
		{"relocations for no section", func(d *draft) { d.section(".rela.text").Info = 1000 }, "it cannot hold relocations"},
		{"relocations twice", func(d *draft) { d.section(".rela.data").Info = d.section(".rela.text").Info }, "another has the relocations of section"},
		{"an unknown mode", func(d *draft) { d.section(".rela.text").Program = []byte{8} }, "the mode of relocations is 8"},
		{"no mode", func(d *draft) { d.section(".rela.text").Program = nil }, "a number is cut off"},
		{"an unknown operation", func(d *draft) { d.section(".rela.text").Program = new(program).Uint(0).Op(3, 1).Bytes() }, "an operation on relocations is not known"},
		{"relocations kept that are not there", func(d *draft) {
			d.section(".rela.text").Program = new(program).Uint(0).Op(recipe.OpKeep, 1<<40).Bytes()
		}, "more relocations are kept or dropped than there are"},
		{"relocations dropped that are not there", func(d *draft) { d.section(".rela.text").Program = new(program).Uint(0).Op(recipe.OpDrop, 7).Bytes() }, "more relocations are kept or dropped than there are"},
		{"relocations added without end", func(d *draft) { d.section(".rela.text").Program = new(program).Uint(0).Op(recipe.OpAdd, 1<<40).Bytes() }, "a list is cut off"},
		{"relocations added beyond the section", func(d *draft) {
			p := new(program).Uint(0).Op(recipe.OpAdd, 7)
			for range 7 {
				p.Int(0).Uint(0, 0).Int(0)
			}
			d.section(".rela.text").Program = p.Bytes()
		}, "there are more relocations than the section holds"},
		{"a program that ends too soon", func(d *draft) { d.section(".text").Program = new(program).Op(recipe.OpZero, 1).Bytes() }, "the program ends at 1 of the section's"},
		{"a program that goes beyond", func(d *draft) { d.section(".text").Program = new(program).Op(recipe.OpZero, 1<<40).Bytes() }, "the program goes beyond the section's"},
		{"a program that wraps", func(d *draft) {
			d.section(".text").Program = new(program).Op(recipe.OpZero, 70).Op(recipe.OpZero, 1<<62-1).Bytes()
		}, "the program goes beyond the section's"},
		{"an empty run of zeros", func(d *draft) { d.section(".text").Program = new(program).Op(recipe.OpZero, 0).Bytes() }, "a run of zeros is empty"},
		{"an empty literal", func(d *draft) { d.section(".text").Program = new(program).Literal(nil).Bytes() }, "a literal is empty or cut off"},
		{"a literal without end", func(d *draft) { d.section(".text").Program = new(program).Op(recipe.OpLiteral, 1<<61).Bytes() }, "a literal is empty or cut off"},
		{"an empty copy", func(d *draft) { d.section(".text").Program = new(program).Copy(2, 0, 0).Bytes() }, "a copy is empty"},
		{"a copy of no section", func(d *draft) { d.section(".text").Program = new(program).Copy(1<<40, 0, 1).Bytes() }, "of the objects does not exist"},
		{"a copy of a null section", func(d *draft) { d.section(".text").Program = new(program).Copy(1, 0, 1).Bytes() }, "section 0 of the objects is the null section of one"},
		{"a copy beyond its section", func(d *draft) { d.section(".text").Program = new(program).Copy(2, 0, 1<<40).Bytes() }, "a copy goes beyond section 1 of the objects"},
		{"a copy from beyond its section", func(d *draft) { d.section(".text").Program = new(program).Copy(2, 1<<40, 1).Bytes() }, "a copy goes beyond section 1 of the objects"},
		{"a copy that wraps", func(d *draft) { d.section(".text").Program = new(program).Copy(2, 8, math.MaxUint64-4).Bytes() }, "a copy goes beyond section 1 of the objects"},
		{"no section as a whole", func(d *draft) { d.section(".text").Program = new(program).Whole(-1).Bytes() }, "of the objects does not exist"},
		{"a section placed twice", func(d *draft) {
			d.section(".bss").Program = new(program).Whole(3).Whole(-1).Bytes()
			d.section(".bss").Size = 300
		}, "section 3 of the objects is placed twice"},
		{"a section placed and anchored", func(d *draft) { d.Anchors = []recipe.RawAnchor{{Section: 1, Out: 1}} }, "section 1 of the objects is placed twice"},
		{"literals in SHT_NOBITS", func(d *draft) {
			s := d.section(".bss")
			s.Program = new(program).Op(recipe.OpZero, s.Size-1).Literal([]byte{1}).Bytes()
		}, "bytes are put into a section that has none in the file"},
		{"an anchor in no section", func(d *draft) { d.Anchors = []recipe.RawAnchor{{Section: 1 << 31, Out: 1}} }, "an anchor is in section 2147483648 of"},
		{"an anchor in a null section", func(d *draft) { d.Anchors = []recipe.RawAnchor{{Section: 0, Out: 1}} }, "an anchor is in section 0 of the objects, which is the null section of one"},
		{"an anchor to section 0", func(d *draft) { d.Anchors = []recipe.RawAnchor{{Section: 4, Out: 0}} }, "an anchor leads to section 0"},
		{"an anchor to no section", func(d *draft) { d.Anchors = []recipe.RawAnchor{{Section: 4, Out: 99}} }, "the section that an anchor leads to is 99"},
		{"anchors out of order", func(d *draft) {
			d.Anchors = []recipe.RawAnchor{{Section: 4, From: 8, Out: 1}, {Section: 4, From: 4, Out: 1}}
		}, "anchors are not in order"},
		{"an anchor twice", func(d *draft) {
			d.Anchors = []recipe.RawAnchor{{Section: 4, From: 8, Out: 1}, {Section: 4, From: 8, Out: 1}}
		}, "anchors are not in order"},
		{"anchors of sections out of order", func(d *draft) { d.Anchors = []recipe.RawAnchor{{Section: 4, Out: 1}, {Section: 3, Out: 1}} }, "the section of an anchor is"},
		{"anchors of one section to two", func(d *draft) {
			d.Anchors = []recipe.RawAnchor{{Section: 4, Out: 1}, {Section: 4, From: 4, Out: 2}}
		}, "anchors of one section lead to two"},
		{"a symbol of no object", func(d *draft) { d.symbols(new(program).Op(recipe.OpList, 1).Int(1 << 40)) }, "of the objects does not exist"},
		{"symbols of no object", func(d *draft) { d.symbols(new(program).Op(recipe.OpList, 1).Int(12).Op(recipe.OpRun, 7)) }, "of the objects does not exist"},
		{"a symbol of a section that is not placed", func(d *draft) { d.symbols(new(program).Op(recipe.OpList, 1).Int(9 + 1)) }, "is in a section that is not placed"},
		{"more section symbols than sections", func(d *draft) { d.symbols(new(program).Op(recipe.OpSections, 7)) }, "there are more section symbols than sections"},
		{"symbols without end", func(d *draft) { d.section(".symtab").Program = new(program).Op(recipe.OpRun, 1<<61).Bytes() }, "symbols for the room of"},
		{"an empty run of symbols", func(d *draft) { d.section(".symtab").Program = new(program).Op(recipe.OpRun, 0).Bytes() }, "0 symbols for the room of"},
		{"fields that are not known", func(d *draft) { d.section(".symtab").Program = new(program).Op(recipe.OpPatch, 128).Bytes() }, "a symbol has fields that are not known"},
		{"a zero byte in a name", func(d *draft) {
			d.section(".symtab").Program = new(program).Op(recipe.OpPatch, recipe.PatchName).Uint(2).Raw([]byte{'a', 0}).Bytes()
		}, "the name of a symbol has a zero byte"},
		{"an alias of no symbol", func(d *draft) { d.Aliases = new(program).Uint(1 << 20).Int(1).Bytes() }, "the symbol of an alias is"},
		{"an alias for no symbol", func(d *draft) { d.Aliases = new(program).Uint(1).Int(1 << 20).Bytes() }, "of the image does not exist"},
		{"an alias without symbols", func(d *draft) {
			d.Aliases = new(program).Uint(1).Int(1).Bytes()
			for _, name := range []string{".symtab", ".strtab"} {
				d.section(name).Content = recipe.ContentNone
			}
		}, "it has aliases and no symbols"},
		{"bytes between sections in one", func(d *draft) { d.Gaps = []recipe.RawGap{{At: d.section(".text").Offset, Bytes: []byte{1}}} }, "of the image lie in one"},
		{"bytes behind the image", func(d *draft) { d.Gaps = []recipe.RawGap{{At: uint64(d.Size), Bytes: []byte{1}}} }, "not within the image"},
		{"digests are missing", func(d *draft) { d.Digests = d.Digests[8:] }, "the digests of sections is cut off"},
		{"bytes behind the end", func(d *draft) { d.Digests = append(d.Digests, 0) }, "bytes follow its end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDraft(t)
			tt.spoil(d)
			_, err := d.apply(t)
			require.Error(t, err)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// at sets one byte in a copy.
func at(b []byte, i int, v byte) []byte {
	b = bytes.Clone(b)
	b[i] = v
	return b
}

// symbols replaces the program of the symbols, and makes their table fit.
func (d *draft) symbols(p *program) {
	s := d.section(".symtab")
	rest := s.Size / elf64.SymbolSize
	count := func(n uint64) {
		for range rest - n {
			p.Op(recipe.OpPatch, 0)
		}
	}
	r, n := p.Bytes(), uint64(1)
	switch {
	case r[0]&3 == recipe.OpSections:
		n = 7
	case len(r) > 2 && r[len(r)-1] == 7<<2|recipe.OpRun:
		n = 8
	}
	d.Rules |= recipe.RuleSectionSyms
	if r[0]&3 != recipe.OpSections {
		d.Rules &^= recipe.RuleSectionSyms
	}
	count(n)
	s.Program = p.Bytes()
}

// growing makes a section larger and moves what lies behind it.
func growing(raw *recipe.Raw, name string, r *recipe.Recipe, by uint64) *recipe.Raw {
	var from uint64
	for i := range raw.Sections {
		if r.SectionName(i) == name {
			raw.Sections[i].Size += by
			from = raw.Sections[i].Offset
		}
	}
	for i := range raw.Sections {
		if raw.Sections[i].Offset > from {
			raw.Sections[i].Offset += by
		}
	}
	raw.Header = bytes.Clone(raw.Header)
	raw.Header[40] += byte(by)
	raw.Size += int64(by)
	return raw
}

func TestANewerVersion(t *testing.T) {
	image, objects := acme(amd64)
	data := makeRecipe(t, image, objects...).Encode()
	data[recipe.MagicSize] = recipe.Version + 1
	for _, data := range [][]byte{data, signed(data)} {
		_, err := recipe.Parse(data)
		var newer *recipe.NewerError
		require.ErrorAs(t, err, &newer)
		assert.Equal(t, uint8(recipe.Version+1), newer.Version)
		assert.Equal(t, "upgrade koweld", newer.Hint())
	}
}

// allocated is how many bytes a function allocates in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Nothing is allocated because a recipe says so.
func TestClaimsAllocateNothing(t *testing.T) {
	claims := []struct {
		name  string
		claim func(d *draft)
	}{
		{"a large image", func(d *draft) { d.Size = recipe.MaxImage }},
		{"a large section of zeros", func(d *draft) {
			d.Size = recipe.MaxImage
			s := d.section(".text")
			s.Offset, s.Size, s.Program = 1<<20, 1<<30, new(program).Op(recipe.OpZero, 1<<30).Bytes()
		}},
		{"many symbols", func(d *draft) {
			d.Size = recipe.MaxImage
			s := d.section(".symtab")
			s.Offset, s.Size, s.Program = 1<<20, 24<<25, new(program).Op(recipe.OpRun, 1<<25).Bytes()
		}},
		{"a large SHT_NOBITS", func(d *draft) {
			d.section(".bss").Size, d.section(".bss").Program = 1<<61, new(program).Op(recipe.OpZero, 1<<61).Bytes()
		}},
	}
	for _, tt := range claims {
		t.Run(tt.name, func(t *testing.T) {
			d := newDraft(t)
			tt.claim(d)
			data := d.Encode()
			n := allocated(func() {
				r, err := recipe.Parse(data)
				if err == nil {
					_, _ = r.Apply(context.Background(), d.objects, recipe.Options{})
				}
			})
			assert.Less(t, n, uint64(256<<10))
		})
	}
	// Numbers of elements that are not there, at every place.
	d := newDraft(t)
	data := d.Encode()
	for i := recipe.MagicSize + 1; i < len(data)-recipe.ChecksumSize; i++ {
		claim := bytes.Clone(data[:i])
		claim = append(claim, 0xff, 0xff, 0xff, 0xff, 0x7f)
		claim = signed(append(claim, make([]byte, recipe.ChecksumSize)...))
		n := allocated(func() { _, _ = recipe.Parse(claim) })
		require.Less(t, n, uint64(256<<10), "at byte %d", i)
	}
}

// The largest image that a small recipe may claim is a megabyte.
func TestTheLargestImageOfASmallRecipe(t *testing.T) {
	d := newDraft(t)
	d.Size = recipe.FreeGrowth
	image, err := d.apply(t)
	require.NoError(t, err)
	assert.Len(t, image, recipe.FreeGrowth)
}

// A million symbols of one object all have one long name.
func TestManySymbolsOfOneLongName(t *testing.T) {
	o := acmeCore(amd64)
	long := strings.Repeat("n", 64<<10)
	o.symbols = append(o.symbols, symbol{name: long, info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
	data := o.encode()
	image := (&linker{names: mergedNames}).link(o).encode()
	r := makeRecipe(t, image, data)
	d := &draft{r.Raw(), r, [][]byte{data}}
	const count = 20000 // of a megabyte of image
	s := d.section(".symtab")
	p := new(program).Op(recipe.OpList, count).Int(int64(len(o.symbols)))
	for range count - 1 {
		p.Int(-1)
	}
	s.Offset, s.Size, s.Program = 512<<10, count*elf64.SymbolSize, p.Bytes()
	d.Rules &^= recipe.RuleSectionSyms
	d.Size = 1 << 20
	n := allocated(func() {
		_, err := d.apply(t)
		require.ErrorContains(t, err, "the names of symbols are longer than the tables of the objects bear out")
	})
	assert.Less(t, n, uint64(32<<20))
}

// Relocations that are dropped have no bytes in the image: so those of the
// objects must be bounded by the objects.
func TestOverlappingRelocations(t *testing.T) {
	o := acmeCore(amd64)
	for range 50 {
		o.parts = append(o.parts, part{name: ".more", data: []byte("x"), relocs: []reloc{{symbol: 1, kind: 1}}})
	}
	image := (&linker{discard: func(_ int, p *part) bool { return p.name == ".more" }}).link(o).encode()
	good := o.encode()
	requireExact(t, image, good)

	data := bytes.Clone(good)
	m, err := elf64.Parse(data)
	require.NoError(t, err)
	table := m.Order.Uint64(data[40:])
	for i := range m.Sections {
		s := &m.Sections[i]
		if name, _ := m.SectionName(i); name == ".rela.more" {
			s.Offset, s.Size, s.Info = 0, uint64(len(data))/elf64.RelaSize*elf64.RelaSize, 1
			s.Encode(m.Order, data[table+uint64(i)*elf64.SectionHeaderSize:])
		}
	}
	r := makeRecipe(t, image, good)
	_, err = r.Apply(context.Background(), [][]byte{data}, recipe.Options{})
	var input *recipe.InputError
	require.ErrorAs(t, err, &input)
	require.ErrorContains(t, err, "its sections of relocations overlap")
	_, err = recipe.Make(context.Background(), named([][]byte{data}), image)
	require.ErrorAs(t, err, &input)
}

// Section symbols that go back to the first section again and again, past
// thousands that have none, are formed without a search. The numbers of
// sections and of symbols are such that a search would take minutes.
func TestSectionSymbolsBackAndForth(t *testing.T) {
	const sections, rounds = 200_000, 200_000
	d := newDraft(t)
	for range sections {
		d.Sections = append(d.Sections, recipe.RawSection{Section: elf64.Section{Type: elf.SHT_GROUP}})
	}
	d.Sections = append(d.Sections, recipe.RawSection{Section: elf64.Section{Type: elf.SHT_PROGBITS}})
	d.Digests = make([]byte, recipe.DigestSize*len(d.Sections))
	d.Size = 64 << 20
	d.Header = bytes.Clone(d.Header)
	binary.LittleEndian.PutUint64(d.Header[40:], 48<<20)
	p := new(program)
	last := uint64(5)
	for i := range d.Sections {
		if i > 0 && hasSymbol(d.Sections[i].Type) && i < len(d.Sections)-1 {
			last = uint64(i)
		}
	}
	for range rounds {
		p.Op(recipe.OpPatch, recipe.PatchInfo|recipe.PatchShndx).Uint(3, last).Op(recipe.OpSections, 1)
	}
	s := d.section(".symtab")
	s.Offset, s.Size, s.Program = 32<<20, 2*rounds*elf64.SymbolSize, p.Bytes()
	s = d.section(".strtab")
	s.Size, s.Content = 0, recipe.ContentNone
	d.Rules = recipe.RuleSectionSyms
	d.section(".symtab").Names = make([]byte, 2*rounds)
	for _, name := range []string{".rela.text", ".rela.data"} {
		d.section(name).Content, d.section(name).Program = recipe.ContentNone, nil
	}
	r, err := recipe.Parse(d.Encode())
	require.NoError(t, err)
	image, err := r.Apply(context.Background(), d.objects, recipe.Options{})
	require.NoError(t, err)
	assert.Equal(t, uint16(elf.SHN_XINDEX), uint16(image[32<<20+24+6])|uint16(image[32<<20+24+7])<<8)
	// Nor are the names of sections gathered anew for each of them.
	assert.NotEmpty(t, r.Literals())
}

func hasSymbol(typ elf.SectionType) bool {
	switch typ {
	case elf.SHT_NULL, elf.SHT_SYMTAB, elf.SHT_STRTAB, elf.SHT_RELA, elf.SHT_REL, elf.SHT_SYMTAB_SHNDX, elf.SHT_GROUP:
		return false
	}
	return true
}

// A table of names without an end is refused, before each of many symbols of
// the name 0 is searched for one.
func TestNamesWithoutAnEnd(t *testing.T) {
	image, objects := acme(amd64)
	r := makeRecipe(t, image, objects...)
	_, s := section(t, objects[0], ".strtab")
	for _, i := range []uint64{0, s.Size - 1} {
		data := at(objects[0], int(s.Offset+i), 'x')
		_, err := r.Apply(context.Background(), [][]byte{data, objects[1]}, recipe.Options{})
		require.ErrorContains(t, err, "its symbol names do not begin and end with a zero byte")
	}
}
