package assemble

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"koweld/manifest"
)

// Weigh estimates the bytes of memory that welding m takes at its peak. The
// image is there once, beside what it is formed of (ld needs a quarter more
// than the image, a compressed module at most as much, a recipe all objects),
// and later beside the compressed file.
func (w *Welder) Weigh(m *manifest.Module) int64 {
	const longest = 1 << 60 // the declared size is a claim: no overflow
	image := min(m.Image.Size, longest)
	beside := image
	for _, f := range m.Form {
		beside = max(beside, w.weighObjects(f))
	}
	return image + min(beside, longest) + encoderMemory[m.Compress] + 1<<20
}

// weighObjects is the size of what a recipe is applied to, as it is on the disk
// now. One that has changed when it is opened is most likely refused: the recipe
// knows the size of each object.
func (w *Welder) weighObjects(f manifest.Form) int64 {
	if f.Recipe == "" {
		return 0
	}
	sum := decoded * sizeOf(w.FS, f.Recipe)
	for _, name := range f.Inputs {
		sum += sizeOf(w.FS, name)
	}
	return sum
}

// decoded is how many bytes of memory a byte of a recipe takes at most.
const decoded = 16

// encoderMemory is what an encoder holds beside its output, in bytes.
var encoderMemory = map[manifest.Compression]int64{
	manifest.Gzip: 2 << 20,
	manifest.XZ:   24 << 20,
	manifest.Zstd: 24 << 20,
}

// All welds modules of man, at most procs at once, and no more at once than
// [Welder.Weigh] fits into memory bytes; one that alone weighs more runs by itself.
// As soon as the module of index i is welded, each(i, …) is called, never two
// at a time, in any order; its memory is free when each has returned and kept
// nothing.
//
// The first failure, also one of each, cancels the modules behind it and no
// other starts; those before it are finished. So the error is always that of
// the first module that fails, however the run is scheduled.
func (w *Welder) All(ctx context.Context, man *manifest.Manifest, modules []*manifest.Module, procs int, memory int64, each func(i int, welded *Welded) error) error {
	memory = max(memory, 1)
	r := running{first: len(modules), stop: make(map[int]context.CancelFunc)}
	slots := semaphore.NewWeighted(int64(max(procs, 1)))
	room := semaphore.NewWeighted(memory)
	var workers sync.WaitGroup
	for i, m := range modules {
		weight := min(w.Weigh(m), memory)
		if slots.Acquire(ctx, 1) != nil || room.Acquire(ctx, weight) != nil {
			break // ctx is done
		}
		one, ok := r.begin(ctx, i)
		if !ok {
			break
		}
		workers.Go(func() {
			defer slots.Release(1)
			defer room.Release(weight)
			w.weldOne(one, man, m, i, &r, each)
			if weight > collected {
				runtime.GC()
			}
		})
	}
	workers.Wait()
	if r.err == nil && ctx.Err() != nil {
		return fmt.Errorf("cannot weld: %w", context.Cause(ctx))
	}
	return r.err
}

// collected is the weight from which on a module's memory is collected when it
// is done: by itself that happens when twice as much is in use as is needed. It
// takes milliseconds, for there are few pointers, and the next module gets
// memory that is mapped already: for six modules of 76 MB, one after the other,
// half the memory and two thirds of the time in the kernel. To keep buffers
// for the next module took the time of this and twice the memory.
const collected = 16 << 20

// weldOne welds module i and hands it over; nothing of it is held afterwards.
func (w *Welder) weldOne(ctx context.Context, man *manifest.Manifest, m *manifest.Module, i int, r *running, each func(int, *Welded) error) {
	welded, err := w.Weld(ctx, man, m)
	r.end(ctx, i, welded, err, each)
}

// running is the state of the modules under way.
type running struct {
	mu    sync.Mutex
	first int   // index of the first module that failed
	err   error // of that module
	stop  map[int]context.CancelFunc

	each sync.Mutex // held by who calls back
}

// begin returns the context of module i, unless one before it has failed.
func (r *running) begin(ctx context.Context, i int) (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i > r.first {
		return nil, false
	}
	one, stop := context.WithCancel(ctx)
	r.stop[i] = stop
	return one, true
}

// end hands over what became of module i and notes a failure.
func (r *running) end(ctx context.Context, i int, welded *Welded, err error, each func(int, *Welded) error) {
	if err == nil {
		r.each.Lock()
		if err = ctx.Err(); err == nil {
			err = each(i, welded)
		}
		r.each.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	cancelled := ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
	r.stop[i]()
	delete(r.stop, i)
	if err == nil || cancelled || i > r.first {
		return
	}
	r.first, r.err = i, err
	for j, stop := range r.stop {
		if j > i {
			stop()
		}
	}
}
