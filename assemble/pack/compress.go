package pack

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"koweld/manifest"
)

// Compress compresses the segments of data, one after the other, into one
// file. With [manifest.None] a single segment is returned as it is, several
// are joined.
func Compress(ctx context.Context, c manifest.Compression, data ...[]byte) ([]byte, error) {
	if c == manifest.None {
		if len(data) == 1 {
			return data[0], nil
		}
		return bytes.Join(data, nil), nil
	}
	var size int
	for _, d := range data {
		size += len(d)
	}
	var out bytes.Buffer
	out.Grow(size/3 + 4<<10)
	w, err := newWriter(c, &out, int64(size))
	if err != nil {
		return nil, err
	}
	for _, d := range data {
		if err := write(ctx, w, d); err != nil {
			_ = w.Close() // frees what the encoder holds; its output is dropped
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("cannot compress by %s: %v", c, err)
	}
	return out.Bytes(), nil
}

func newWriter(c manifest.Compression, w io.Writer, size int64) (io.WriteCloser, error) {
	switch c {
	case manifest.Gzip:
		return newGzip(w)
	case manifest.XZ:
		return newXZ(w)
	case manifest.Zstd:
		return newZstd(w, size)
	}
	return nil, fmt.Errorf("cannot compress by %q: it is not known", c)
}

// write feeds d in pieces, so that a run that is interrupted need not wait for
// the end of a large module.
func write(ctx context.Context, w io.Writer, d []byte) error {
	const piece = 1 << 20
	for len(d) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := w.Write(d[:min(piece, len(d))])
		if err != nil {
			return fmt.Errorf("cannot compress: %v", err)
		}
		d = d[n:]
	}
	return nil
}
