package assemble

import (
	"context"
	"errors"
	"io"

	"koweld/internal/fsys"
)

// errChanged says that a file did not keep the size it had when it was opened.
var errChanged = errors.New("it changed while it was read")

// openInput opens a trusted file and returns its size, in bytes.
func (w *Welder) openInput(name string) (fsys.File, int64, error) {
	f, err := w.FS.OpenTrusted(name, w.Trust)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size, nil
}

// readSmall returns a trusted file of at most limit bytes.
func (w *Welder) readSmall(name string, limit int64) ([]byte, error) {
	f, size, err := w.openInput(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, &fsys.SizeError{Path: name, Limit: limit}
	}
	return readExactly(context.Background(), f, size, io.Discard)
}

// readExactly reads a file of size bytes, which the caller has compared with
// what the file system says, to its end. Each piece goes to sink while it is
// in the processor's cache.
func readExactly(ctx context.Context, r io.Reader, size int64, sink io.Writer) ([]byte, error) {
	data := Buffer(size)
	if err := readInto(ctx, r, data, sink); err != nil {
		return nil, err
	}
	return data, nil
}

// readInto is readExactly of as many bytes as data has.
func readInto(ctx context.Context, r io.Reader, data []byte, sink io.Writer) error {
	const piece = 256 << 10
	for rest := data; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(r, rest[:min(piece, len(rest))])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return errChanged
		}
		if err != nil {
			return err
		}
		if _, err := sink.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	var more [1]byte
	switch _, err := io.ReadFull(r, more[:]); err {
	case io.EOF:
		return nil
	case nil:
		return errChanged
	default:
		return err
	}
}
