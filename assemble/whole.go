package assemble

import (
	"context"
	"crypto"
	"errors"
	"io"

	"koweld/assemble/modsig"
	"koweld/assemble/pack"
	"koweld/internal/fsys"
	"koweld/manifest"
)

// whole takes an unsigned module as it is, plain or compressed.
func (w *Welder) whole(ctx context.Context, m *manifest.Module, name string, h crypto.Hash) (outcome, error) {
	out, err := w.readWhole(ctx, m, name, newDigests(h))
	if err != nil && !errors.As(err, new(*InputError)) {
		err = &InputError{File: name, Err: err}
	}
	return out, err
}

func (w *Welder) readWhole(ctx context.Context, m *manifest.Module, name string, d *digests) (outcome, error) {
	f, size, err := w.openInput(name)
	if err != nil {
		return outcome{}, err
	}
	defer f.Close()
	head := make([]byte, min(size, 8))
	if _, err := f.ReadAt(head, 0); err != nil {
		return outcome{}, err
	}
	format, err := pack.Detect(head)
	if err != nil {
		return outcome{}, err
	}
	if format != manifest.None {
		return w.inflate(ctx, m, f, size, d)
	}
	out := outcome{size: size}
	if size != m.Image.Size {
		return out, refuseSigned(f, size)
	}
	out.digests = d
	out.bytes, err = readExactly(ctx, f, size, d)
	return out, err
}

// inflate reads a compressed module of size bytes.
func (w *Welder) inflate(ctx context.Context, m *manifest.Module, f fsys.File, size int64, d *digests) (outcome, error) {
	// Room for what a compression adds where it cannot shrink, and for a
	// signature, of which the caller should hear by name.
	const slack = 1 << 20
	if size-slack > m.Image.Size {
		return outcome{}, errors.New("it is larger than the declared image, though compressed")
	}
	packed, err := readExactly(ctx, f, size, io.Discard)
	if err != nil {
		return outcome{}, err
	}
	data, err := pack.Inflate(packed, m.Image.Size+slack)
	if err != nil {
		return outcome{}, err
	}
	if modsig.HasTrailer(data) {
		return outcome{}, signedError("", f.Name())
	}
	out := outcome{size: int64(len(data))}
	if out.size == m.Image.Size {
		out.bytes, out.digests = data, d
		_, err = d.Write(data)
	}
	return out, err
}

// refuseSigned tells a signed module by its last bytes.
func refuseSigned(f fsys.File, size int64) error {
	tail := make([]byte, min(size, 64))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return err
	}
	if modsig.HasTrailer(tail) {
		return signedError("", f.Name())
	}
	return nil
}
