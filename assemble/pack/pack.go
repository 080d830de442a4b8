// Package pack compresses kernel modules into what kernels accept, and
// inflates compressed ones within bounds.
//
// What [Compress] writes is what the kernel's own decompressor reads
// (kernel/module/decompress.c): one gzip member without name or time; one xz
// stream of one block, checked by CRC-32, with a dictionary of 1 MiB; one zstd
// frame that states its size, with a window of at most 2 MiB. The same input
// gives the same output.
//
// [Inflate] and [Prove] trust no size that the data state: the containers of
// xz and zstd are walked before a decoder allocates, and no more than the
// limit is ever produced. Data behind the end of the stream are an error.
package pack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"koweld/manifest"
)

// MaxWindow is the largest dictionary (xz) or window (zstd) that is accepted,
// in bytes: what xz -9 uses.
const MaxWindow = 64 << 20

// DataError says that data are not what can be inflated.
type DataError struct {
	Format manifest.Compression
	Reason string // e.g. "it is truncated"
}

func (e *DataError) Error() string {
	return fmt.Sprintf("cannot inflate %s data: %s", e.Format, e.Reason)
}

// Hint names the options by which it is compressed anew.
func (e *DataError) Hint() string {
	switch e.Format {
	case manifest.XZ:
		return "compress it again with xz --check=crc32 --lzma2=dict=1MiB"
	case manifest.Zstd:
		return "compress it again with zstd -3"
	case manifest.Gzip:
		return "compress it again with gzip -n"
	}
	return "give an ELF file, or one compressed by gzip, xz or zstd"
}

// LimitError says that data inflate to more than the caller allows.
type LimitError struct {
	Limit int64 // bytes
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("cannot inflate to more than %d bytes", e.Limit)
}

var magics = []struct {
	format manifest.Compression
	magic  string
}{
	{manifest.None, "\x7fELF"},
	{manifest.Gzip, "\x1f\x8b"},
	{manifest.XZ, xzMagic},
	{manifest.Zstd, "\x28\xb5\x2f\xfd"},
}

// Detect tells by the first bytes how a module is compressed; an ELF file is
// [manifest.None]. Anything else is a *DataError.
func Detect(head []byte) (manifest.Compression, error) {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.format, nil
		}
	}
	return "", &DataError{Format: "unknown", Reason: "it begins like no ELF, gzip, xz or zstd file"}
}

// Inflate returns what data hold, at most limit bytes; an ELF file is returned
// as it is, not copied. Errors are *DataError and *LimitError.
func Inflate(data []byte, limit int64) ([]byte, error) {
	format, err := Detect(data)
	if err != nil {
		return nil, err
	}
	if format == manifest.None {
		if int64(len(data)) > limit {
			return nil, &LimitError{Limit: limit}
		}
		return data, nil
	}
	r, claim, err := open(format, data)
	if err != nil {
		return nil, err
	}
	// Modules shrink by three to five: a claim near that is allocated at once,
	// a wilder one only as the data bear it out.
	buf := make([]byte, 0, min(max(claim, 0), limit, 16*int64(len(data))))
	return readAll(format, r, buf, limit)
}

// readAll appends r to buf, which never grows beyond limit bytes.
func readAll(format manifest.Compression, r io.Reader, buf []byte, limit int64) ([]byte, error) {
	const step = 64 << 10
	for {
		if len(buf) == cap(buf) {
			var probe [1]byte
			if _, err := io.ReadFull(r, probe[:]); err == io.EOF {
				return buf, nil
			} else if err != nil {
				return nil, dataError(format, err)
			}
			if int64(len(buf)) >= limit {
				return nil, &LimitError{Limit: limit}
			}
			grown := make([]byte, len(buf), min(2*int64(len(buf))+step, limit))
			copy(grown, buf)
			buf = append(grown, probe[0])
			continue
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, dataError(format, err)
		}
	}
}

// Prove reports whether compressed inflates to exactly the segments want, one
// after the other. It holds no second copy of them.
func Prove(ctx context.Context, compressed []byte, want ...[]byte) error {
	format, err := Detect(compressed)
	if err != nil {
		return err
	}
	r, _, err := open(format, compressed)
	if err != nil {
		return err
	}
	want = slices.Clone(want) // it is eaten from the front
	buf := make([]byte, 128<<10)
	var offset int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		got := buf[:n]
		for len(got) > 0 && len(want) > 0 {
			k := min(len(got), len(want[0]))
			if !bytes.Equal(got[:k], want[0][:k]) {
				return fmt.Errorf("cannot prove %s data: they differ from the original in the %d bytes from byte %d on", format, k, offset)
			}
			got, offset = got[k:], offset+int64(k)
			if want[0] = want[0][k:]; len(want[0]) == 0 {
				want = want[1:]
			}
		}
		switch {
		case len(got) > 0:
			return fmt.Errorf("cannot prove %s data: they go on behind the original's end at byte %d", format, offset)
		case err == io.EOF:
			if slices.ContainsFunc(want, func(s []byte) bool { return len(s) > 0 }) {
				return fmt.Errorf("cannot prove %s data: they end at byte %d, the original goes on", format, offset)
			}
			return nil
		case err != nil:
			return dataError(format, err)
		}
	}
}

// open returns a reader of the inflated bytes and the size that data claim,
// or -1. Errors of the reader go through dataError.
func open(format manifest.Compression, data []byte) (io.Reader, int64, error) {
	switch format {
	case manifest.Gzip:
		return openGzip(data)
	case manifest.XZ:
		return openXZ(data)
	case manifest.Zstd:
		return openZstd(data)
	}
	return bytes.NewReader(data), int64(len(data)), nil
}

// dataError makes a *DataError of what a decoder said.
func dataError(format manifest.Compression, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &DataError{Format: format, Reason: "it is truncated"}
	}
	return &DataError{Format: format, Reason: err.Error()}
}
