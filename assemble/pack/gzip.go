package pack

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"

	"koweld/manifest"
)

// gzipLevel is gzip's own default, which kbuild uses too (gzip -n -f).
const gzipLevel = 6

// newGzip writes one member whose header has neither name nor time: the
// kernel's parser refuses headers with options
// (module_gzip_header_len in kernel/module/decompress.c).
func newGzip(w io.Writer) (io.WriteCloser, error) {
	return gzip.NewWriterLevel(w, gzipLevel)
}

// openGzip reads one member. The claim is ISIZE (RFC 1952 §2.3.1), the size
// modulo 2^32.
func openGzip(data []byte) (io.Reader, int64, error) {
	src := bytes.NewReader(data)
	z, err := gzip.NewReader(src)
	if err != nil {
		return nil, 0, dataError(manifest.Gzip, err)
	}
	z.Multistream(false)
	var claim int64
	if len(data) >= 4 {
		claim = int64(binary.LittleEndian.Uint32(data[len(data)-4:]))
	}
	return &gzipReader{Reader: z, src: src}, claim, nil
}

// gzipReader refuses what follows the member.
type gzipReader struct {
	*gzip.Reader
	src *bytes.Reader
}

func (g *gzipReader) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err == io.EOF && g.src.Len() > 0 {
		return n, errTrailing
	}
	return n, err
}

var errTrailing = errors.New("it has data behind its end")
