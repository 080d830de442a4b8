package recipe_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/assemble/elf64"
)

// The machines that the tests make objects for: one for each byte order, and
// arm64, whose assembler gives many symbols one name.
var (
	amd64 = elf64.Machine{Arch: elf.EM_X86_64, Data: elf.ELFDATA2LSB}
	arm64 = elf64.Machine{Arch: elf.EM_AARCH64, Data: elf.ELFDATA2LSB}
	s390x = elf64.Machine{Arch: elf.EM_S390, Data: elf.ELFDATA2MSB}
)

// object is a relocatable file to be: no compiler is needed for it. Sections
// are those of parts in order, then the relocations, then the tables.
type object struct {
	machine elf64.Machine
	parts   []part
	symbols []symbol // without the null symbol; local ones come first
	names   naming   // of symbols
	wide    bool     // it has extended section indices, needed or not
}

type part struct {
	name   string
	typ    elf.SectionType // 0 for SHT_PROGBITS
	flags  elf.SectionFlag
	align  uint64
	entry  uint64 // bytes of an entry
	data   []byte
	size   uint64 // of SHT_NOBITS
	relocs []reloc
}

type symbol struct {
	name        string
	info        uint8
	part        int    // index of a part plus one
	shndx       uint16 // if there is no part
	value, size uint64
}

type reloc struct {
	at     uint64
	symbol int // index in the file: of the null symbol 0
	kind   uint32
	addend int64
}

// naming makes a string table of names and says where each one is.
type naming func(names []string) (table []byte, at []uint32)

// eachName writes the names one after the other, as often as they are used.
func eachName(names []string) (table []byte, at []uint32) {
	table = []byte{0}
	for _, n := range names {
		if n == "" {
			at = append(at, 0)
			continue
		}
		at = append(at, uint32(len(table)))
		table = append(append(table, n...), 0)
	}
	return table, at
}

// mergedNames is the rule of docs/recipe-format.md, written down as simply as
// possible: it judges the fast one.
func mergedNames(names []string) (table []byte, at []uint32) {
	table = []byte{0}
	reversed := func(s string) string {
		b := []byte(s)
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
		return string(b)
	}
	ends := func(long, short string) bool {
		return len(long) > len(short) && long[len(long)-len(short):] == short
	}
	place := map[string]uint32{"": 0}
	for _, n := range names {
		kept := true
		for _, m := range names {
			kept = kept && !ends(m, n)
		}
		if _, ok := place[n]; kept && !ok {
			place[n] = uint32(len(table))
			table = append(append(table, n...), 0)
		}
	}
	into := map[string]string{}
	for _, n := range names {
		if _, ok := place[n]; ok {
			continue
		}
		for m := range place {
			if best, ok := into[n]; ends(m, n) && (!ok || reversed(m) < reversed(best)) {
				into[n] = m
			}
		}
	}
	for n, m := range into {
		place[n] = place[m] + uint32(len(m)-len(n))
	}
	for _, n := range names {
		at = append(at, place[n])
	}
	return table, at
}

func (o *object) symbolNames() []string {
	names := []string{""}
	for _, s := range o.symbols {
		names = append(names, s.name)
	}
	return names
}

// encode writes the file.
func (o *object) encode() []byte {
	var order interface {
		binary.ByteOrder
		binary.AppendByteOrder
	} = binary.LittleEndian
	if o.machine.Data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	names := o.names
	if names == nil {
		names = eachName
	}
	strtab, at := names(o.symbolNames())
	relocs := 0
	for _, p := range o.parts {
		if len(p.relocs) > 0 {
			relocs++
		}
	}
	symtab := 1 + len(o.parts) + relocs
	wide := o.wide || symtab >= int(elf.SHN_LORESERVE)

	type header struct {
		elf64.Section
		name string
		data []byte
	}
	headers := []header{{}}
	var tables []header
	for i, p := range o.parts {
		h := header{name: p.name, data: p.data}
		h.Type, h.Flags, h.Align, h.Entsize, h.Size = p.typ, uint64(p.flags), p.align, p.entry, uint64(len(p.data))
		if p.typ == 0 {
			h.Type = elf.SHT_PROGBITS
		}
		if p.typ == elf.SHT_NOBITS {
			h.Size = p.size
		}
		headers = append(headers, h)
		if len(p.relocs) == 0 {
			continue
		}
		t := header{name: ".rela" + p.name}
		for _, r := range p.relocs {
			t.data = order.AppendUint64(t.data, r.at)
			t.data = order.AppendUint64(t.data, uint64(r.symbol)<<32|uint64(r.kind))
			t.data = order.AppendUint64(t.data, uint64(r.addend))
		}
		t.Type, t.Flags, t.Align, t.Entsize, t.Size = elf.SHT_RELA, uint64(elf.SHF_INFO_LINK), 8, elf64.RelaSize, uint64(len(t.data))
		t.Link, t.Info = uint32(symtab), uint32(i+1)
		tables = append(tables, t)
	}
	headers = append(headers, tables...)

	entries := make([]byte, elf64.SymbolSize)
	shndx := make([]byte, 4)
	locals := 1
	for i, s := range o.symbols {
		index, section := s.shndx, uint32(0)
		if s.part != 0 {
			index = uint16(s.part)
			if s.part >= int(elf.SHN_LORESERVE) {
				index, section = uint16(elf.SHN_XINDEX), uint32(s.part)
			}
		}
		if elf.ST_BIND(s.info) == elf.STB_LOCAL {
			locals = i + 2
		}
		entries = order.AppendUint32(entries, at[i+1])
		entries = append(entries, s.info, 0)
		entries = order.AppendUint16(entries, index)
		entries = order.AppendUint64(entries, s.value)
		entries = order.AppendUint64(entries, s.size)
		shndx = order.AppendUint32(shndx, section)
	}
	table := func(name string, typ elf.SectionType, data []byte, align, entry uint64) *header {
		headers = append(headers, header{name: name, data: data})
		h := &headers[len(headers)-1]
		h.Type, h.Size, h.Align, h.Entsize = typ, uint64(len(data)), align, entry
		return h
	}
	h := table(".symtab", elf.SHT_SYMTAB, entries, 8, elf64.SymbolSize)
	h.Link, h.Info = uint32(symtab+1), uint32(locals)
	table(".strtab", elf.SHT_STRTAB, strtab, 1, 0)
	if wide {
		table(".symtab_shndx", elf.SHT_SYMTAB_SHNDX, shndx, 4, 4).Link = uint32(symtab)
	}
	h = table(".shstrtab", elf.SHT_STRTAB, nil, 1, 0)
	var texts []string
	for _, h := range headers {
		texts = append(texts, h.name)
	}
	text, where := eachName(texts)
	h.data, h.Size = text, uint64(len(text))

	file := make([]byte, elf64.HeaderSize)
	pad := func(align uint64) {
		for align > 1 && uint64(len(file))%align != 0 {
			file = append(file, 0)
		}
	}
	for i := 1; i < len(headers); i++ {
		h := &headers[i]
		h.Name = where[i]
		if h.InFile() {
			pad(h.Align)
		}
		h.Offset = uint64(len(file))
		file = append(file, h.data...)
	}
	pad(8)
	copy(file, elf.ELFMAG)
	file[elf.EI_CLASS], file[elf.EI_DATA], file[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(o.machine.Data), byte(elf.EV_CURRENT)
	order.PutUint16(file[16:], uint16(elf.ET_REL))
	order.PutUint16(file[18:], uint16(o.machine.Arch))
	order.PutUint32(file[20:], uint32(elf.EV_CURRENT))
	order.PutUint64(file[40:], uint64(len(file)))
	order.PutUint16(file[52:], elf64.HeaderSize)
	order.PutUint16(file[58:], elf64.SectionHeaderSize)
	count, last := len(headers), len(headers)-1
	if count >= int(elf.SHN_LORESERVE) {
		headers[0].Size, headers[0].Link = uint64(count), uint32(last)
		count, last = 0, int(elf.SHN_XINDEX)
	}
	order.PutUint16(file[60:], uint16(count))
	order.PutUint16(file[62:], uint16(last))
	for i := range headers {
		file = append(file, make([]byte, elf64.SectionHeaderSize)...)
		headers[i].Encode(order, file[len(file)-elf64.SectionHeaderSize:])
	}
	return file
}

// section finds a section of a file by its name.
func section(t testing.TB, file []byte, name string) (int, *elf64.Section) {
	t.Helper()
	m, err := elf64.Parse(file)
	require.NoError(t, err)
	for i := range m.Sections {
		if n, err := m.SectionName(i); err == nil && n == name && i > 0 {
			return i, &m.Sections[i]
		}
	}
	require.Failf(t, "no such section", "%s", name)
	return 0, nil
}

func TestTheBuilderMakesFilesThatOthersRead(t *testing.T) {
	for _, m := range []elf64.Machine{amd64, arm64, s390x} {
		f, err := elf.NewFile(bytes.NewReader(acmeCore(m).encode()))
		require.NoError(t, err)
		require.Equal(t, m.Arch, f.Machine)
		syms, err := f.Symbols()
		require.NoError(t, err)
		require.Len(t, syms, len(acmeCore(m).symbols))
		require.NotNil(t, f.Section(".rela.text"))
	}
}
