package elf64

import (
	"bytes"
	"debug/elf"
	"errors"
)

// Image is a relocatable file in memory.
type Image struct {
	File
	Data []byte

	// The symbol table; a file without one has Symtab 0.
	Symtab  int    // index of its section
	Symbols []byte // its entries: whole ones of [SymbolSize] bytes
	Strings []byte // names of symbols
	Shndx   []byte // entries of SHT_SYMTAB_SHNDX, 4 bytes for each symbol, or nil
}

// Parse reads a file that is in memory; data is kept, not copied.
func Parse(data []byte) (*Image, error) {
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	m := &Image{File: *f, Data: data}
	for i := range m.Sections {
		if m.Sections[i].Type != elf.SHT_SYMTAB || i == 0 {
			continue
		}
		if m.Symtab != 0 {
			return nil, errors.New("it has two symbol tables")
		}
		m.Symtab = i
	}
	if m.Symtab == 0 {
		return m, nil
	}
	s := &m.Sections[m.Symtab]
	if s.Entsize != SymbolSize || s.Size%SymbolSize != 0 {
		return nil, errors.New("its symbol table has entries of another size")
	}
	m.Symbols = m.Contents(m.Symtab)
	if s.Link == 0 || uint64(s.Link) >= uint64(len(m.Sections)) {
		return nil, errors.New("its symbol names are in no section")
	}
	m.Strings = m.Contents(int(s.Link))
	// So every name has an end, and that of offset 0 is empty (gabi, "String
	// Table"): a million symbols cannot have a megabyte searched for each.
	if n := len(m.Strings); n > 0 && (m.Strings[0] != 0 || m.Strings[n-1] != 0) {
		return nil, errors.New("its symbol names do not begin and end with a zero byte")
	}
	for i := range m.Sections {
		if x := &m.Sections[i]; i > 0 && x.Type == elf.SHT_SYMTAB_SHNDX && int(x.Link) == m.Symtab {
			if m.Shndx != nil {
				return nil, errors.New("it has two tables of extended section indices")
			}
			m.Shndx = m.Contents(i)
			if len(m.Shndx)/4 != len(m.Symbols)/SymbolSize {
				return nil, errors.New("its extended section indices do not fit the symbol table")
			}
		}
	}
	return m, nil
}

// Contents are the bytes of section i in the file, part of m.Data; none for
// SHT_NOBITS and SHT_NULL.
func (m *Image) Contents(i int) []byte {
	s := &m.Sections[i]
	if i == 0 || !s.InFile() {
		return nil
	}
	return m.Data[s.Offset:][:s.Size:s.Size]
}

// SectionName is the name of section i.
func (m *Image) SectionName(i int) (string, error) {
	name, ok := CString(m.Contents(m.Names), m.Sections[i].Name)
	if !ok {
		return "", errors.New("a section's name is beyond the section names")
	}
	return string(name), nil
}

// CString is the string at offset at of a string table, without its NUL.
func CString(table []byte, at uint32) ([]byte, bool) {
	if uint64(at) >= uint64(len(table)) {
		return nil, false
	}
	end := bytes.IndexByte(table[at:], 0)
	if end < 0 {
		return nil, false
	}
	return table[at:][:end:end], true
}

// Symbol is one entry of a symbol table.
type Symbol struct {
	Name  uint32 // offset into the symbol names
	Info  uint8
	Other uint8
	Shndx uint16 // as it is in the entry
	// Section is the index of the section that the symbol is defined in, from
	// the extended indices where Shndx is SHN_XINDEX; 0 for one that is
	// undefined or has a reserved index (SHN_ABS, SHN_COMMON, …).
	Section uint32
	Value   uint64
	Size    uint64
}

// Bind is the symbol's binding.
func (s *Symbol) Bind() elf.SymBind { return elf.ST_BIND(s.Info) }

// Type is the symbol's type.
func (s *Symbol) Type() elf.SymType { return elf.ST_TYPE(s.Info) }

// NumSymbols is the number of symbols, the null symbol included.
func (m *Image) NumSymbols() int { return len(m.Symbols) / SymbolSize }

// Symbol is symbol i. It panics if there is none.
func (m *Image) Symbol(i int) Symbol {
	b := m.Symbols[i*SymbolSize:][:SymbolSize]
	s := Symbol{
		Name:  m.Order.Uint32(b),
		Info:  b[4],
		Other: b[5],
		Shndx: m.Order.Uint16(b[6:]),
		Value: m.Order.Uint64(b[8:]),
		Size:  m.Order.Uint64(b[16:]),
	}
	switch {
	case s.Shndx < uint16(elf.SHN_LORESERVE):
		s.Section = uint32(s.Shndx)
	case s.Shndx == uint16(elf.SHN_XINDEX) && m.Shndx != nil:
		s.Section = m.Order.Uint32(m.Shndx[i*4:])
	}
	return s
}
