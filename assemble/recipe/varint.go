package recipe

import (
	"encoding/binary"
	"fmt"
)

// zigzag maps a signed difference to an unsigned number, small for small ones.
// Differences wrap: those of two uint64 are exact for all pairs.
func zigzag(d int64) uint64 { return uint64(d<<1) ^ uint64(d>>63) }

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// writer appends the elements of a recipe.
type writer struct{ b []byte }

func (w *writer) uint(v uint64)        { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) delta(v, from uint64) { w.uint(zigzag(int64(v - from))) }
func (w *writer) bytes(p []byte)       { w.b = append(w.b, p...) }
func (w *writer) counted(p []byte)     { w.uint(uint64(len(p))); w.bytes(p) }
func (w *writer) op(kind, arg uint64)  { w.uint(arg<<2 | kind) }
func (w *writer) text(s string)        { w.uint(uint64(len(s))); w.b = append(w.b, s...) }

// reader takes the elements of a recipe apart. The first thing that is wrong
// is kept; from then on all reads give zero.
type reader struct {
	b   []byte
	at  int // offset of b[0] in the recipe
	err error
}

// fail notes what is wrong at the reader's place.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{Offset: int64(r.at), Msg: fmt.Sprintf(format, args...)}
	}
	r.b = nil
}

func (r *reader) done() bool { return len(r.b) == 0 }

// uint reads an unsigned LEB128 number in its shortest form.
func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.fail("a number is cut off or has more than 64 bits")
		return 0
	case n > 1 && r.b[n-1] == 0:
		r.fail("a number is not in its shortest form")
		return 0
	}
	r.skip(n)
	return v
}

func (r *reader) skip(n int) { r.b, r.at = r.b[n:], r.at+n }

// below reads a number that must be less than limit.
func (r *reader) below(limit uint64, what string) uint64 {
	at := *r
	v := r.uint()
	if v >= limit && r.err == nil {
		at.fail("%s is %d, of %d", what, v, limit)
		*r = at
		return 0
	}
	return v
}

// uint32 reads a number of 32 bits.
func (r *reader) uint32(what string) uint32 { return uint32(r.below(1<<32, what)) }

// count reads the number of elements that follow, of at least size bytes each.
func (r *reader) count(size int, what string) int {
	return int(r.below(uint64(len(r.b)/size)+1, what))
}

// delta reads a number that is coded as the difference from another.
func (r *reader) delta(from uint64) uint64 { return from + uint64(unzigzag(r.uint())) }

// take reads n bytes, which are a part of the recipe.
func (r *reader) take(n int, what string) []byte {
	if n > len(r.b) {
		r.fail("%s is cut off", what)
		return make([]byte, 0)
	}
	p := r.b[:n:n]
	r.skip(n)
	return p
}

// counted reads bytes behind their number.
func (r *reader) counted(what string) []byte { return r.take(r.count(1, what), what) }

// part reads counted bytes as a reader of their own.
func (r *reader) part(what string) reader {
	n := r.count(1, what)
	p := reader{at: r.at, err: r.err}
	p.b = r.take(n, what)
	return p
}

// op reads the number that begins an operation: two bits of kind, the rest an
// argument.
func (r *reader) op() (kind, arg uint64) {
	v := r.uint()
	return v & 3, v >> 2
}
