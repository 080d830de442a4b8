package recipe

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"koweld/assemble/elf64"
)

// piece is a part of the image: the bytes from the end of the one before it to
// start are a gap, those from start to end are formed in one go.
type piece struct {
	start, end uint64
	section    int // index, or one of those below
}

const (
	pieceHeader = -1 - iota // the ELF header
	pieceTable              // the section headers
	pieceEnd                // nothing: the last gap lies before it
)

// pieces are the parts of the image in ascending order. It is an error if two
// overlap or one is not within the image.
func (r *Recipe) pieces() ([]piece, error) {
	order, err := elf64.ByteOrder(r.Machine.Data)
	if err != nil {
		return nil, err
	}
	size := uint64(r.Size)
	table := order.Uint64(r.header[40:])
	length := uint64(len(r.sections)) * elf64.SectionHeaderSize
	if size < elf64.HeaderSize || table > size || length > size-table {
		return nil, &FormatError{Offset: -1, Msg: "the ELF header or the section headers are not within the image"}
	}
	pieces := []piece{
		{0, elf64.HeaderSize, pieceHeader},
		{table, table + length, pieceTable},
		{size, size, pieceEnd},
	}
	for i := range r.sections {
		s := &r.sections[i]
		if s.content != contentNone && s.InFile() && s.Size > 0 {
			pieces = append(pieces, piece{s.Offset, s.Offset + s.Size, i})
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int {
		// None is empty but the end, and the table of no section.
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end), cmp.Compare(b.section, a.section))
	})
	for i := 1; i < len(pieces); i++ {
		if pieces[i].start < pieces[i-1].end {
			return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("%v and %v overlap", pieces[i-1], pieces[i])}
		}
	}
	return pieces, nil
}

func (p piece) String() string {
	switch p.section {
	case pieceHeader:
		return "the ELF header"
	case pieceTable:
		return "the section headers"
	case pieceEnd:
		return "the end"
	}
	return fmt.Sprintf("section %d", p.section)
}

// gapsFrom are the gaps' bytes that end behind at.
func (r *Recipe) gapsFrom(at uint64) []gap {
	i := sort.Search(len(r.gaps), func(i int) bool { return r.gaps[i].at+uint64(len(r.gaps[i].bytes)) > at })
	return r.gaps[i:]
}
