package assemble

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// machine is what objects are for.
type machine struct {
	arch elf.Machine
	data elf.Data
}

func (m machine) String() string {
	if m.data == elf.ELFDATA2MSB {
		return fmt.Sprintf("%v, big-endian", m.arch)
	}
	return fmt.Sprintf("%v, little-endian", m.arch)
}

// machines by the emulations that kbuild gives to ld -m (KBUILD_LDFLAGS in
// arch/*/Makefile) for the 64-bit architectures of Debian. Of others nothing is
// known: all inputs must then be for the same machine.
var machines = map[string]machine{
	"elf_x86_64":     {elf.EM_X86_64, elf.ELFDATA2LSB},
	"aarch64elf":     {elf.EM_AARCH64, elf.ELFDATA2LSB},
	"aarch64elfb":    {elf.EM_AARCH64, elf.ELFDATA2MSB},
	"aarch64linux":   {elf.EM_AARCH64, elf.ELFDATA2LSB},
	"aarch64linuxb":  {elf.EM_AARCH64, elf.ELFDATA2MSB},
	"elf64_s390":     {elf.EM_S390, elf.ELFDATA2MSB},
	"elf64lppc":      {elf.EM_PPC64, elf.ELFDATA2LSB},
	"elf64ppc":       {elf.EM_PPC64, elf.ELFDATA2MSB},
	"elf64lriscv":    {elf.EM_RISCV, elf.ELFDATA2LSB},
	"elf64loongarch": {elf.EM_LOONGARCH, elf.ELFDATA2LSB},
	"elf64ltsmip":    {elf.EM_MIPS, elf.ELFDATA2LSB},
	"elf64btsmip":    {elf.EM_MIPS, elf.ELFDATA2MSB},
}

// object is a relocatable ELF64 file. All its sections are within it but that
// of index 0, whose header has numbers for other uses.
type object struct {
	machine  machine
	order    binary.ByteOrder
	sections []section
	names    int // index of the section of section names, not 0
}

// section is one section header (Elf64_Shdr).
type section struct {
	name         uint32 // offset into the section of names
	kind         elf.SectionType
	offset, size int64
	link         uint32
}

var errTruncated = errors.New("it is truncated")

// Elf64_Ehdr and Elf64_Shdr, in bytes.
const (
	ehdrSize = 64
	shdrSize = 64
)

// readObject reads and checks the headers of a relocatable ELF64 file of size
// bytes.
func readObject(r io.ReaderAt, size int64) (*object, error) {
	var h [ehdrSize]byte
	if size < ehdrSize {
		return nil, errTruncated
	}
	if _, err := r.ReadAt(h[:], 0); err != nil {
		return nil, err
	}
	o := &object{machine: machine{data: elf.Data(h[elf.EI_DATA])}}
	switch {
	case string(h[:4]) != elf.ELFMAG:
		return nil, errors.New("it is no ELF file")
	case elf.Class(h[elf.EI_CLASS]) != elf.ELFCLASS64:
		return nil, errors.New("it is no 64-bit ELF file")
	case o.machine.data == elf.ELFDATA2LSB:
		o.order = binary.LittleEndian
	case o.machine.data == elf.ELFDATA2MSB:
		o.order = binary.BigEndian
	default:
		return nil, errors.New("its byte order is not known")
	}
	if t := elf.Type(o.order.Uint16(h[16:])); t != elf.ET_REL {
		return nil, fmt.Errorf("it is no relocatable file but %v", t)
	}
	o.machine.arch = elf.Machine(o.order.Uint16(h[18:]))
	return o, o.readSections(r, size, h[:])
}

func (o *object) readSections(r io.ReaderAt, size int64, h []byte) error {
	start := int64(o.order.Uint64(h[40:]))
	entry := o.order.Uint16(h[58:])
	count := int64(o.order.Uint16(h[60:]))
	o.names = int(o.order.Uint16(h[62:]))
	switch {
	case start == 0 || entry != shdrSize:
		return errors.New("it has no section headers")
	case start < 0 || start > size-shdrSize:
		return errTruncated
	}
	first, err := o.readSection(r, start)
	if err != nil {
		return err
	}
	// With too many sections for 16 bits, the first header has the numbers
	// (gabi, "ELF Header", e_shnum and e_shstrndx).
	if count == 0 {
		count = first.size
	}
	if o.names == int(elf.SHN_XINDEX) {
		o.names = int(first.link)
	}
	switch {
	case count < 1 || count > (size-start)/shdrSize:
		return errTruncated
	case o.names == 0 || int64(o.names) >= count:
		return errors.New("its section names are in no section")
	}
	headers := io.NewSectionReader(r, start, count*shdrSize)
	for i := range count {
		s, err := o.readSection(headers, i*shdrSize)
		if err != nil {
			return err
		}
		if i > 0 && s.kind != elf.SHT_NOBITS && s.kind != elf.SHT_NULL &&
			(s.offset < 0 || s.size < 0 || s.offset > size || s.size > size-s.offset) {
			return errTruncated
		}
		o.sections = append(o.sections, s)
	}
	return nil
}

func (o *object) readSection(r io.ReaderAt, at int64) (section, error) {
	var h [shdrSize]byte
	if _, err := r.ReadAt(h[:], at); err != nil {
		return section{}, err
	}
	return section{
		name:   o.order.Uint32(h[0:]),
		kind:   elf.SectionType(o.order.Uint32(h[4:])),
		offset: int64(o.order.Uint64(h[24:])),
		size:   int64(o.order.Uint64(h[32:])),
		link:   o.order.Uint32(h[40:]),
	}, nil
}

// check compares the machine with the wanted one, if that is known.
func (o *object) check(want machine) error {
	if want != (machine{}) && o.machine != want {
		return fmt.Errorf("it is for another machine: %v instead of %v", o.machine, want)
	}
	return nil
}
