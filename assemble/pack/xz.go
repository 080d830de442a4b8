package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"koweld/manifest"
)

// xzDict is the dictionary that kbuild asks of xz, in bytes
// (--check=crc32 --lzma2=dict=1MiB); XZ Embedded knows no other check than
// CRC-32 (lib/xz/xz_dec_stream.c).
const xzDict = 1 << 20

// newXZ writes one stream of one block. The hash-table matcher is the
// encoder's only usable one: its binary tree takes minutes for a megabyte.
func newXZ(w io.Writer) (io.WriteCloser, error) {
	return xz.WriterConfig{CheckSum: xz.CRC32, DictCap: xzDict, Matcher: lzma.HashTable4}.NewWriter(w)
}

// openXZ reads one stream. The library's own reader allocates the dictionary
// that a block header claims, up to 4 GiB for 60 bytes; so the container is
// read here, and only LZMA2 data, with a dictionary no larger than what they
// hold, are given to the library.
func openXZ(data []byte) (io.Reader, int64, error) {
	s, err := parseXZ(data)
	if err != nil {
		return nil, 0, dataError(manifest.XZ, err)
	}
	var claim int64
	for _, b := range s.blocks {
		claim += b.size
	}
	return s, claim, nil
}

// The .xz file format 1.2.0, sections 2.1 to 4.
const (
	xzMagic       = "\xfd7zXZ\x00"
	xzFooterMagic = "YZ"
	xzHeader      = 12 // bytes of a stream header, and of a footer
	filterLZMA2   = 0x21
)

// xzFilters names the other filters of section 5.3; a kernel may have them, but
// no module needs one.
var xzFilters = map[uint64]string{
	0x03: "delta", 0x04: "x86 BCJ", 0x05: "PowerPC BCJ", 0x06: "IA-64 BCJ",
	0x07: "ARM BCJ", 0x08: "ARM Thumb BCJ", 0x09: "SPARC BCJ", 0x0a: "ARM64 BCJ", 0x0b: "RISC-V BCJ",
}

// xzStream is a stream whose structure has been checked, and the reader of its
// contents.
type xzStream struct {
	newCheck func() hash.Hash // nil for none
	blocks   []xzBlock        // not yet begun

	lzma  io.Reader // of the current block; nil between blocks
	check hash.Hash
	block xzBlock
	left  int64 // bytes that the current block still owes
}

// xzBlock is one block.
type xzBlock struct {
	dict  int64  // bytes of dictionary that its header claims
	lzma2 []byte // chunks, the end marker among them
	size  int64  // uncompressed bytes that the chunks claim
	check []byte
	total int64 // "unpadded size" of the index: header, chunks and check
}

// Read implements io.Reader.
func (s *xzStream) Read(p []byte) (int, error) {
	for {
		if s.lzma == nil {
			if len(s.blocks) == 0 {
				return 0, io.EOF
			}
			if err := s.next(); err != nil {
				return 0, err
			}
		}
		n, err := s.lzma.Read(p)
		s.left -= int64(n)
		if s.check != nil {
			s.check.Write(p[:n])
		}
		if err == io.EOF {
			if err := s.finish(); err != nil {
				return n, err
			}
		} else if err != nil {
			return n, err
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
}

func (s *xzStream) next() error {
	s.block, s.blocks = s.blocks[0], s.blocks[1:]
	s.left = s.block.size
	// A match reaches back no further than the block's beginning.
	dict := max(min(s.block.dict, s.block.size), lzma.MinDictCap)
	r, err := lzma.Reader2Config{DictCap: int(dict)}.NewReader2(bytes.NewReader(s.block.lzma2))
	if err != nil {
		return err
	}
	if s.newCheck != nil {
		s.check = s.newCheck()
	}
	s.lzma = r
	return nil
}

func (s *xzStream) finish() error {
	s.lzma = nil
	if s.left != 0 {
		return errors.New("a block holds less than its chunks claim")
	}
	if s.check != nil && !bytes.Equal(s.check.Sum(nil), s.block.check) {
		return errors.New("the check of a block does not match")
	}
	return nil
}

// parseXZ checks all of a stream but the contents of its chunks.
func parseXZ(data []byte) (*xzStream, error) {
	if len(data) < 2*xzHeader {
		return nil, io.ErrUnexpectedEOF
	}
	flags := data[6:8]
	if !sumOK(flags, data[8:12]) {
		return nil, errors.New("the stream header's checksum does not match")
	}
	s, checkSize := &xzStream{}, 0
	switch {
	case flags[0] == 0 && flags[1] == xz.None:
	case flags[0] == 0 && flags[1] == xz.CRC32:
		checkSize, s.newCheck = 4, func() hash.Hash { return reversed{crc32.NewIEEE()} }
	case flags[0] == 0 && flags[1] == xz.CRC64:
		checkSize, s.newCheck = 8, func() hash.Hash { return reversed{crc64.New(crc64.MakeTable(crc64.ECMA))} }
	case flags[0] == 0 && flags[1] == xz.SHA256:
		checkSize, s.newCheck = 32, sha256.New
	default:
		return nil, fmt.Errorf("its check %#x is not known", flags)
	}
	rest := data[xzHeader:]
	for {
		if len(rest) == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		if rest[0] == 0 { // index indicator
			break
		}
		b, n, err := parseXZBlock(rest, checkSize)
		if err != nil {
			return nil, err
		}
		s.blocks = append(s.blocks, b)
		rest = rest[n:]
	}
	n, err := checkXZIndex(rest, s.blocks)
	if err != nil {
		return nil, err
	}
	return s, checkXZFooter(rest[n:], n, flags)
}

// parseXZBlock reads the block at the beginning of data and returns its length
// with padding and check.
func parseXZBlock(data []byte, checkSize int) (b xzBlock, length int, err error) {
	header := (int(data[0]) + 1) * 4
	if len(data) < header {
		return b, 0, io.ErrUnexpectedEOF
	}
	fields, sum := data[:header-4], data[header-4:header]
	if !sumOK(fields, sum) {
		return b, 0, errors.New("a block header's checksum does not match")
	}
	compressed, size, err := b.parseHeader(fields[1:])
	if err != nil {
		return b, 0, err
	}
	n, err := b.walk(data[header:])
	if err != nil {
		return b, 0, err
	}
	if compressed >= 0 && compressed != int64(n) || size >= 0 && size != b.size {
		return b, 0, errors.New("a block header's sizes are not those of the block")
	}
	b.total = int64(header + n + checkSize)
	end := header + padded(n)
	if len(data)-end < checkSize || end > len(data) {
		return b, 0, io.ErrUnexpectedEOF
	}
	if !zero(data[header+n : end]) {
		return b, 0, errors.New("the padding of a block is not zero")
	}
	b.lzma2, b.check = data[header:header+n], data[end:end+checkSize]
	return b, end + checkSize, nil
}

// parseHeader reads a block header from its flags on (section 3.1). The sizes
// are -1 where they are not given.
func (b *xzBlock) parseHeader(f []byte) (compressed, size int64, err error) {
	flags := f[0]
	v := &vli{data: f[1:]}
	if flags&0x3c != 0 {
		return 0, 0, fmt.Errorf("the block flags %#x are not known", flags)
	}
	compressed, size = -1, -1
	if flags&0x40 != 0 {
		compressed = v.next()
	}
	if flags&0x80 != 0 {
		size = v.next()
	}
	for range flags&3 + 1 {
		id, props := uint64(v.next()), v.bytes(v.next())
		if v.bad {
			break
		}
		if id != filterLZMA2 {
			name, ok := xzFilters[id]
			if !ok {
				name = fmt.Sprintf("%#x", id)
			}
			return 0, 0, fmt.Errorf("its filter %s is not LZMA2", name)
		}
		if len(props) != 1 || props[0] > 40 {
			return 0, 0, errors.New("the properties of its LZMA2 filter are malformed")
		}
		b.dict = dictSize(props[0])
		if b.dict > MaxWindow {
			return 0, 0, fmt.Errorf("its dictionary of %d bytes is larger than %d", b.dict, MaxWindow)
		}
	}
	if v.bad || flags&3 != 0 || !zero(v.data) {
		return 0, 0, errors.New("a block header is malformed")
	}
	return compressed, size, nil
}

// dictSize is the dictionary that a property byte of 0 to 40 means, in bytes
// (section 5.3.1).
func dictSize(b byte) int64 {
	if b == 40 {
		return 1<<32 - 1
	}
	return int64(2|b&1) << (b/2 + 11)
}

// walk steps over the LZMA2 chunks at the beginning of data, sums up what they
// claim to hold and returns their length, the end marker's byte included.
func (b *xzBlock) walk(data []byte) (int, error) {
	for pos := 0; pos < len(data); {
		control := data[pos]
		if control == 0 {
			return pos + 1, nil
		}
		// Control byte, two bytes of uncompressed size less one, and unless
		// the chunk is stored two of compressed size less one, and
		// properties where they change.
		header := 3
		switch {
		case control >= 0xc0:
			header = 6
		case control >= 0x80:
			header = 5
		case control > 2:
			return 0, fmt.Errorf("an LZMA2 chunk begins with %#x", control)
		}
		if len(data)-pos < header {
			break
		}
		size := int64(binary.BigEndian.Uint16(data[pos+1:])) + 1
		packed := int(size)
		if control >= 0x80 {
			size += int64(control&0x1f) << 16
			packed = int(binary.BigEndian.Uint16(data[pos+3:])) + 1
		}
		if len(data)-pos-header < packed {
			break
		}
		b.size += size
		pos += header + packed
	}
	return 0, io.ErrUnexpectedEOF
}

// checkXZIndex compares the index at the beginning of data with the blocks
// (section 4) and returns its length.
func checkXZIndex(data []byte, blocks []xzBlock) (int, error) {
	v := &vli{data: data[1:]}
	bad := v.next() != int64(len(blocks))
	for _, b := range blocks {
		if bad || v.bad {
			break
		}
		bad = v.next() != b.total || v.next() != b.size
	}
	if v.bad {
		return 0, io.ErrUnexpectedEOF
	}
	n := len(data) - len(v.data)
	end := padded(n)
	if len(data) < end+4 {
		return 0, io.ErrUnexpectedEOF
	}
	if bad || !zero(data[n:end]) || !sumOK(data[:end], data[end:end+4]) {
		return 0, errors.New("the index does not describe the blocks")
	}
	return end + 4, nil
}

// checkXZFooter checks the footer, which must be all of data (section 2.1.2).
func checkXZFooter(data []byte, index int, flags []byte) error {
	if len(data) < xzHeader {
		return io.ErrUnexpectedEOF
	}
	f := data[:xzHeader]
	backward := (int64(binary.LittleEndian.Uint32(f[4:])) + 1) * 4
	if !sumOK(f[4:10], f[:4]) || backward != int64(index) ||
		!bytes.Equal(f[8:10], flags) || string(f[10:]) != xzFooterMagic {
		return errors.New("the stream footer is malformed")
	}
	if len(data) > xzHeader {
		return errTrailing
	}
	return nil
}

// vli reads variable-length integers (section 1.2); it is bad after the first
// that is malformed or goes beyond the data.
type vli struct {
	data []byte
	bad  bool
}

func (v *vli) next() int64 {
	const longest = 9
	x, n := binary.Uvarint(v.data[:min(longest, len(v.data))])
	if n <= 0 || v.bad {
		v.bad = true
		return 0
	}
	v.data = v.data[n:]
	return int64(x)
}

func (v *vli) bytes(n int64) []byte {
	if v.bad || n > int64(len(v.data)) {
		v.bad = true
		return nil
	}
	b := v.data[:n]
	v.data = v.data[n:]
	return b
}

// reversed is a CRC whose sum is little-endian, as xz stores it.
type reversed struct{ hash.Hash }

func (r reversed) Sum(b []byte) []byte {
	s := r.Hash.Sum(nil)
	for i := len(s) - 1; i >= 0; i-- {
		b = append(b, s[i])
	}
	return b
}

func sumOK(data, sum []byte) bool {
	return crc32.ChecksumIEEE(data) == binary.LittleEndian.Uint32(sum)
}

// padded is n rounded up to a multiple of four.
func padded(n int) int { return (n + 3) &^ 3 }

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
