package recipe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"koweld/assemble/elf64"
)

// Options says how a recipe is applied. The zero value is good.
type Options struct {
	Procs int // how many parts of the image are formed at once; 0 is 1

	// Sink gets the bytes of the image in order while it is formed, in
	// pieces; so a digest costs no second pass. Nil for nowhere.
	Sink io.Writer

	// Buffer gives room for the image, of the size asked for and with any
	// contents. Nil for make.
	Buffer func(size int64) []byte
}

// Apply forms the image from the objects, which are those of r.Inputs in their
// order. It reads them and keeps nothing. The places of sections are proved
// against the objects before the image is allocated, symbols and relocations
// while it is formed; beside it, memory is used in proportion to the recipe and
// to the tables of the objects.
//
// The image may be wrong if an object is: the caller compares its digest with
// the declared one, and asks [Recipe.Blame] if it differs. An error is an
// *InputError if an object is to blame, else a *FormatError, or that of ctx or
// of the sink.
func (r *Recipe) Apply(ctx context.Context, objects [][]byte, o Options) ([]byte, error) {
	image, err := r.apply(ctx, objects, o)
	if format := (*FormatError)(nil); errors.As(err, &format) {
		// A good recipe does not fit other objects either.
		if culprit := r.Blame(objects); culprit != nil {
			return nil, culprit
		}
	}
	return image, err
}

func (r *Recipe) apply(ctx context.Context, objects [][]byte, o Options) ([]byte, error) {
	f, err := r.newFormer(objects)
	if err != nil {
		return nil, err
	}
	pieces, err := r.pieces()
	if err != nil {
		return nil, err
	}
	if o.Buffer == nil {
		o.Buffer = func(size int64) []byte { return make([]byte, size) }
	}
	f.image = o.Buffer(r.Size)[:r.Size]
	if err := f.formSymbols(); err != nil {
		return nil, err
	}
	if err := f.run(ctx, batches(pieces), o); err != nil {
		return nil, err
	}
	return f.image, nil
}

// Blame returns an *InputError for the first object that is not the one that
// the recipe was made from, by its digest; nil if all are.
func (r *Recipe) Blame(objects [][]byte) error {
	for i, data := range objects {
		if i >= len(r.Inputs) {
			break
		}
		in := &r.Inputs[i]
		if sum := sha256.Sum256(data); sum != in.SHA256 {
			return &InputError{Input: in.Name, Msg: fmt.Sprintf("its digest is %x instead of %x", sum, in.SHA256)}
		}
	}
	return nil
}

// Differences returns the names of the sections in which another image differs
// from that of the recipe: by their index in the recipe, and by their digests.
// An image that is no ELF file, or that has other sections, differs in
// "the section headers".
func (r *Recipe) Differences(image []byte) []string {
	m, err := elf64.Parse(image)
	if err != nil || len(m.Sections) != len(r.sections) {
		return []string{"the section headers"}
	}
	var names []string
	for i := 1; i < len(m.Sections); i++ {
		sum := sha256.Sum256(m.Contents(i))
		if bytes.Equal(sum[:digestSize], r.digests[i*digestSize:][:digestSize]) {
			continue
		}
		name, err := m.SectionName(i)
		if err != nil {
			name = fmt.Sprintf("section %d", i)
		}
		names = append(names, name)
	}
	return names
}

// batch is some pieces that one worker forms in a row.
type batch struct {
	pieces []piece
	start  uint64 // of the image: where the batch before it ends
	done   chan struct{}
}

func (b *batch) end() uint64 { return b.pieces[len(b.pieces)-1].end }

// batches joins small pieces: a module may have 70,000 sections.
func batches(pieces []piece) []batch {
	const enough = 256 << 10 // bytes
	var all []batch
	var start uint64
	for first, i := 0, 0; i < len(pieces); i++ {
		if end := pieces[i].end; end-start >= enough || i == len(pieces)-1 {
			all = append(all, batch{pieces: pieces[first : i+1], start: start, done: make(chan struct{})})
			first, start = i+1, end
		}
	}
	return all
}

// run forms the batches by several workers in ascending order, and feeds the
// sink behind them.
func (f *former) run(ctx context.Context, all []batch, o Options) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	queue := make(chan *batch, len(all))
	for i := range all {
		queue <- &all[i]
	}
	close(queue)
	work := func() {
		for b := range queue {
			if ctx.Err() == nil {
				if err := f.batch(b); err != nil {
					stop(err)
				}
			}
			close(b.done)
		}
	}
	if o.Procs <= 1 {
		// Each batch is hashed while it is in the processor's cache.
		for i := range all {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := f.batch(&all[i]); err != nil {
				return err
			}
			if err := f.feed(&all[i], o.Sink); err != nil {
				return err
			}
		}
		return nil
	}
	var workers sync.WaitGroup
	for range min(o.Procs, len(all)) {
		workers.Go(work)
	}
	for i := range all {
		<-all[i].done
		if ctx.Err() == nil {
			if err := f.feed(&all[i], o.Sink); err != nil {
				stop(err)
			}
		}
	}
	workers.Wait()
	return context.Cause(ctx)
}

func (f *former) feed(b *batch, sink io.Writer) error {
	if sink == nil {
		return nil
	}
	_, err := sink.Write(f.image[b.start:b.end()])
	return err
}

func (f *former) batch(b *batch) error {
	end := b.start
	for _, p := range b.pieces {
		f.formGap(end, p.start)
		if err := f.piece(p); err != nil {
			return err
		}
		end = p.end
	}
	return nil
}

// formGap forms the bytes between two pieces.
func (f *former) formGap(start, end uint64) {
	if start == end {
		return
	}
	clear(f.image[start:end])
	for _, g := range f.r.gapsFrom(start) {
		if g.at >= end {
			break
		}
		from := max(g.at, start)
		copy(f.image[from:end], g.bytes[from-g.at:])
	}
}

func (f *former) piece(p piece) error {
	to := f.image[p.start:p.end]
	switch p.section {
	case pieceHeader:
		copy(to, f.r.header)
		return nil
	case pieceTable:
		order, err := elf64.ByteOrder(f.r.Machine.Data)
		if err != nil {
			return err
		}
		for i := range f.r.sections {
			f.r.sections[i].Encode(order, to[i*elf64.SectionHeaderSize:])
		}
		return nil
	case pieceEnd:
		return nil
	}
	switch f.r.sections[p.section].content {
	case contentBytes:
		return f.formBytes(p.section, to)
	case contentRelocs:
		return f.formRelocs(p.section, to)
	case contentSymbols:
		return f.nameSymbols()
	case contentStrings:
		return f.nameSymbols()
	case contentShndx:
		return f.formShndx(to)
	}
	return nil
}

// nameSymbols forms the names of symbols, which takes both their table and
// that of the symbols, once.
func (f *former) nameSymbols() error {
	f.syms.once.Do(func() {
		if i := f.syms.strings; i != 0 {
			s := &f.r.sections[i]
			f.syms.err = f.formStrings(f.image[s.Offset:][:s.Size])
		}
	})
	return f.syms.err
}
