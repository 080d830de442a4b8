// Package elf64 reads the headers of relocatable 64-bit ELF files: objects and
// kernel modules (gabi; Elf64_Ehdr, Elf64_Shdr and Elf64_Sym in elf(5)).
//
// Nothing in a file is trusted: a [File] has only sections that lie within it,
// and what a header claims is compared with the file before it is believed.
// debug/elf reads more, but it says of itself that it is not hardened against
// hostile files.
package elf64

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sizes of the structures, in bytes.
const (
	HeaderSize        = 64 // Elf64_Ehdr
	SectionHeaderSize = 64 // Elf64_Shdr
	SymbolSize        = 24 // Elf64_Sym
	RelaSize          = 24 // Elf64_Rela
)

// File is what the headers of a relocatable file say.
type File struct {
	Machine  Machine
	Order    binary.ByteOrder
	Sections []Section // by index; all but that of index 0 lie within the file
	Names    int       // index of the section of section names, not 0
}

// Machine is what an object is for.
type Machine struct {
	Arch elf.Machine
	Data elf.Data // byte order
}

func (m Machine) String() string {
	if m.Data == elf.ELFDATA2MSB {
		return fmt.Sprintf("%v, big-endian", m.Arch)
	}
	return fmt.Sprintf("%v, little-endian", m.Arch)
}

// Section is one section header.
type Section struct {
	Name    uint32 // offset into the section of names
	Type    elf.SectionType
	Flags   uint64 // elf.SectionFlag has but 32 bits
	Addr    uint64
	Offset  uint64 // in the file, bytes
	Size    uint64 // bytes
	Link    uint32
	Info    uint32
	Align   uint64
	Entsize uint64 // bytes of one entry of a table
}

// InFile tells whether the section has bytes in the file.
func (s *Section) InFile() bool {
	return s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL
}

// Has tells whether the section has all of the flags.
func (s *Section) Has(flags elf.SectionFlag) bool { return s.Flags&uint64(flags) == uint64(flags) }

// ErrTruncated says that a file ends before what its headers claim.
var ErrTruncated = errors.New("it is truncated")

// Read reads and checks the headers of a file of size bytes. The section of
// index 0 is as it is in the file: its header has numbers for other uses.
func Read(r io.ReaderAt, size int64) (*File, error) {
	var h [HeaderSize]byte
	if size < HeaderSize {
		return nil, ErrTruncated
	}
	if _, err := r.ReadAt(h[:], 0); err != nil {
		return nil, err
	}
	f := &File{Machine: Machine{Data: elf.Data(h[elf.EI_DATA])}}
	switch {
	case string(h[:4]) != elf.ELFMAG:
		return nil, errors.New("it is no ELF file")
	case elf.Class(h[elf.EI_CLASS]) != elf.ELFCLASS64:
		return nil, errors.New("it is no 64-bit ELF file")
	}
	var err error
	if f.Order, err = ByteOrder(f.Machine.Data); err != nil {
		return nil, err
	}
	if t := elf.Type(f.Order.Uint16(h[16:])); t != elf.ET_REL {
		return nil, fmt.Errorf("it is no relocatable file but %v", t)
	}
	f.Machine.Arch = elf.Machine(f.Order.Uint16(h[18:]))
	return f, f.readSections(r, uint64(size), h[:])
}

// ByteOrder is that of e_ident[EI_DATA].
func ByteOrder(d elf.Data) (binary.ByteOrder, error) {
	switch d {
	case elf.ELFDATA2LSB:
		return binary.LittleEndian, nil
	case elf.ELFDATA2MSB:
		return binary.BigEndian, nil
	}
	return nil, errors.New("its byte order is not known")
}

func (f *File) readSections(r io.ReaderAt, size uint64, h []byte) error {
	start := f.Order.Uint64(h[40:])
	entry := f.Order.Uint16(h[58:])
	count := uint64(f.Order.Uint16(h[60:]))
	f.Names = int(f.Order.Uint16(h[62:]))
	switch {
	case start == 0 || entry != SectionHeaderSize:
		return errors.New("it has no section headers")
	case start > size-SectionHeaderSize:
		return ErrTruncated
	}
	var b [SectionHeaderSize]byte
	if _, err := r.ReadAt(b[:], int64(start)); err != nil {
		return err
	}
	first := DecodeSection(f.Order, b[:])
	// With too many sections for 16 bits, the first header has the numbers
	// (gabi, "ELF Header", e_shnum and e_shstrndx).
	if count == 0 {
		count = first.Size
	}
	if f.Names == int(elf.SHN_XINDEX) {
		f.Names = int(first.Link)
	}
	switch {
	case count < 1 || count > (size-start)/SectionHeaderSize:
		return ErrTruncated
	case f.Names == 0 || uint64(f.Names) >= count:
		return errors.New("its section names are in no section")
	}
	table := make([]byte, count*SectionHeaderSize)
	if _, err := r.ReadAt(table, int64(start)); err != nil {
		return err
	}
	f.Sections = make([]Section, count)
	for i := range f.Sections {
		s := DecodeSection(f.Order, table[i*SectionHeaderSize:])
		if i > 0 && s.InFile() && (s.Offset > size || s.Size > size-s.Offset) {
			return ErrTruncated
		}
		f.Sections[i] = s
	}
	return nil
}

// DecodeSection reads a section header from the first bytes of b.
func DecodeSection(order binary.ByteOrder, b []byte) Section {
	_ = b[SectionHeaderSize-1]
	return Section{
		Name:    order.Uint32(b[0:]),
		Type:    elf.SectionType(order.Uint32(b[4:])),
		Flags:   order.Uint64(b[8:]),
		Addr:    order.Uint64(b[16:]),
		Offset:  order.Uint64(b[24:]),
		Size:    order.Uint64(b[32:]),
		Link:    order.Uint32(b[40:]),
		Info:    order.Uint32(b[44:]),
		Align:   order.Uint64(b[48:]),
		Entsize: order.Uint64(b[56:]),
	}
}

// Encode writes the section header over the first bytes of b.
func (s *Section) Encode(order binary.ByteOrder, b []byte) {
	_ = b[SectionHeaderSize-1]
	order.PutUint32(b[0:], s.Name)
	order.PutUint32(b[4:], uint32(s.Type))
	order.PutUint64(b[8:], s.Flags)
	order.PutUint64(b[16:], s.Addr)
	order.PutUint64(b[24:], s.Offset)
	order.PutUint64(b[32:], s.Size)
	order.PutUint32(b[40:], s.Link)
	order.PutUint32(b[44:], s.Info)
	order.PutUint64(b[48:], s.Align)
	order.PutUint64(b[56:], s.Entsize)
}

// Check compares the machine with the wanted one, if that is known.
func (f *File) Check(want Machine) error {
	if want != (Machine{}) && f.Machine != want {
		return fmt.Errorf("it is for another machine: %v instead of %v", f.Machine, want)
	}
	return nil
}
