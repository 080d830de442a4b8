package recipe

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"koweld/assemble/elf64"
)

// formStrings forms the table of the symbols' names by RuleTailMerge and
// writes st_name of each symbol: each name stands once, where it is used
// first, and a name that ends another is not there but in the other
// (_bfd_elf_strtab_finalize in GNU ld makes such tables).
func (f *former) formStrings(to []byte) error {
	names := f.syms.names
	at, size := tailMerge(names)
	if size != uint64(len(to)) {
		return &FormatError{Offset: -1, Msg: fmt.Sprintf("the names of symbols take %d bytes instead of %d", size, len(to))}
	}
	if len(to) > 0 {
		to[0] = 0
	}
	for i, n := range names {
		f.put32(f.syms.entries[i*elf64.SymbolSize:], at[i])
		if len(n) > 0 {
			// One that is merged writes again what is there.
			copy(to[at[i]:], n)
			to[int(at[i])+len(n)] = 0
		}
	}
	return nil
}

// tailed is a name with its last bytes as a number, the last one highest, by
// which most comparisons are decided.
type tailed struct {
	key   uint64
	index int32
}

// tailMerge returns where each name is in the table, and the table's size.
func tailMerge(names []name) (at []uint32, size uint64) {
	order := make([]tailed, 0, len(names))
	for i, n := range names {
		if len(n) > 0 {
			order = append(order, tailed{tail(n), int32(i)})
		}
	}
	// By the reversed names, a suffix before what it ends; equal ones by
	// first use. So what a name may be merged into is behind it.
	slices.SortFunc(order, func(a, b tailed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		if c := compareReversed(names[a.index], names[b.index]); c != 0 {
			return c
		}
		return cmp.Compare(a.index, b.index)
	})
	// into is the name that each one is found in: itself if the table has a
	// copy of its own.
	into := make([]int32, len(names))
	kept := int32(-1)
	for i := len(order) - 1; i >= 0; i-- {
		n := order[i].index
		first := i
		for first > 0 && bytes.Equal(names[order[first-1].index], names[n]) {
			first--
		}
		own := order[first].index // equal names are that of the first use
		if kept < 0 || !bytes.HasSuffix(names[kept], names[n]) {
			kept = own
		}
		for ; i > first; i-- {
			into[order[i].index] = kept
		}
		into[own] = kept
	}
	at = make([]uint32, len(names))
	size = 1
	for i, n := range names {
		if len(n) > 0 && into[i] == int32(i) {
			at[i] = uint32(size)
			size += uint64(len(n)) + 1
		}
	}
	for i, n := range names {
		if k := into[i]; len(n) > 0 && k != int32(i) {
			at[i] = at[k] + uint32(len(names[k])-len(n))
		}
	}
	return at, size
}

// tail is the last eight bytes of a name, reversed.
func tail(n name) uint64 {
	if len(n) >= 8 {
		return binary.LittleEndian.Uint64(n[len(n)-8:])
	}
	var b [8]byte
	copy(b[8-len(n):], n)
	return binary.LittleEndian.Uint64(b[:])
}

// compareReversed compares from the last byte on; what ends sooner is less.
func compareReversed(a, b name) int {
	for i, j := len(a)-1, len(b)-1; i >= 0 && j >= 0; i, j = i-1, j-1 {
		if a[i] != b[j] {
			return cmp.Compare(a[i], b[j])
		}
	}
	return cmp.Compare(len(a), len(b))
}
