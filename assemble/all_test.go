package assemble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/assemble"
	"koweld/internal/tool"
	"koweld/manifest"
)

const plenty = 1 << 40 // bytes of memory

// several declares n whole modules; those of the indices in broken have the
// wrong bytes.
func (b *bench) several(n int, broken ...int) []*manifest.Module {
	var modules []*manifest.Module
	for i := range n {
		image := elfFile(fmt.Appendf(nil, "name=m%d\x00", i))
		file := image
		if slices.Contains(broken, i) {
			file = bytes.Replace(image, []byte("name"), []byte("mane"), 1)
		}
		modules = append(modules, b.whole(fmt.Sprintf("m%d", i), file, image))
	}
	return modules
}

func TestAllWeldsEachModuleOnce(t *testing.T) {
	for _, procs := range []int{-1, 1, 2, 8} {
		for _, memory := range []int64{-1, 0, 3 << 20, plenty} {
			b := newBench(t)
			modules := b.several(7)
			got := make([]*assemble.Welded, len(modules))
			err := b.welder.All(context.Background(), b.man, modules, procs, memory, func(i int, welded *assemble.Welded) error {
				require.Nil(t, got[i])
				got[i] = welded
				return nil
			})
			require.NoError(t, err)
			for i, m := range modules {
				require.NotNil(t, got[i])
				assert.Equal(t, m.Image.SHA256, got[i].ImageSHA256)
			}
		}
	}
}

func TestAllReportsTheFirstModuleThatFails(t *testing.T) {
	b := newBench(t)
	const n = 12
	good := b.several(n)
	rapid.Check(t, func(t *rapid.T) {
		broken := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 1, 5, rapid.ID).Draw(t, "broken")
		refused := rapid.IntRange(0, n-1).Draw(t, "refused by the caller")
		procs := rapid.IntRange(1, 6).Draw(t, "procs")
		modules := slices.Clone(good)
		for _, i := range broken {
			m := *good[i]
			m.Image.SHA256 = digest(nil)
			modules[i] = &m
		}
		full := errors.New("disk full")
		err := b.welder.All(context.Background(), b.man, modules, procs, plenty, func(i int, _ *assemble.Welded) error {
			if i == refused {
				return full
			}
			return nil
		})
		first := slices.Min(broken)
		if refused < first {
			assert.ErrorIs(t, err, full)
			return
		}
		var e *assemble.ImageError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, fmt.Sprintf("m%d", first), e.Module)
	})
}

func TestAllStartsNothingAfterAFailure(t *testing.T) {
	b := newBench(t)
	var called []int
	err := b.welder.All(context.Background(), b.man, b.several(6, 2), 1, plenty, func(i int, _ *assemble.Welded) error {
		called = append(called, i)
		return nil
	})
	assert.ErrorAs(t, err, new(*assemble.ImageError))
	assert.Equal(t, []int{0, 1}, called)
}

func TestAllStopsWhenCancelled(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("signal: interrupt")
	err := b.welder.All(ctx, b.man, b.several(6), 1, plenty, func(i int, _ *assemble.Welded) error {
		if i == 1 {
			cancel(stop)
		}
		assert.LessOrEqual(t, i, 1)
		return nil
	})
	assert.ErrorIs(t, err, stop)
}

// slowLD blocks in each link until it is let go, then fails.
type slowLD struct {
	fakeLD
	running *atomic.Int32
	gate    chan struct{}
}

func newSlowLD() slowLD {
	s := slowLD{running: new(atomic.Int32), gate: make(chan struct{})}
	s.run = func(tool.Cmd) (tool.Result, error) {
		s.running.Add(1)
		<-s.gate
		return tool.Result{}, errors.New("let go")
	}
	return s
}

func TestAllKeepsItsBounds(t *testing.T) {
	b := newBench(t)
	b.write("/obj/a.o", plain)
	var modules []*manifest.Module
	for i := range 5 {
		modules = append(modules, b.module(fmt.Sprintf("m%d", i), plain, manifest.Form{Link: []manifest.Input{object("a.o")}}))
	}
	weight := b.welder.Weigh(modules[0])
	tests := []struct {
		name    string
		procs   int
		memory  int64
		running int32
	}{
		{"processors", 3, plenty, 3},
		{"memory", 5, 2*weight + weight/2, 2},
		{"memory for less than one", 5, weight / 2, 1},
		{"neither", 9, plenty, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ld := newSlowLD()
				b.welder.Tool = ld
				done := make(chan error)
				go func() {
					done <- b.welder.All(context.Background(), b.man, modules, tt.procs, tt.memory,
						func(int, *assemble.Welded) error { return nil })
				}()
				synctest.Wait() // all that can run has come to its link
				assert.Equal(t, tt.running, ld.running.Load())
				close(ld.gate)
				assert.ErrorContains(t, <-done, "let go")
			})
		})
	}
}

func TestWeighGrowsWithTheImageAndNeverOverflows(t *testing.T) {
	m := func(size int64, c manifest.Compression) *manifest.Module {
		return &manifest.Module{Image: manifest.Image{Size: size}, Compress: c}
	}
	w := assemble.Welder{}
	assert.GreaterOrEqual(t, w.Weigh(m(100<<20, manifest.None)), int64(200<<20))
	for _, c := range compressions() {
		assert.Greater(t, w.Weigh(m(100<<20, c)), w.Weigh(m(100<<20, manifest.None)))
		assert.Positive(t, w.Weigh(m(math.MaxInt64, c)))
	}
}

func compressions() []manifest.Compression {
	return []manifest.Compression{manifest.Gzip, manifest.XZ, manifest.Zstd}
}

func TestAllRemovesTheLinkersFiles(t *testing.T) {
	b, m, _ := linkBench(t)
	err := b.welder.All(context.Background(), b.man, []*manifest.Module{m, m, m}, 3, plenty,
		func(int, *assemble.Welded) error { return nil })
	require.NoError(t, err)
	b.clean()
	_, err = os.Stat(filepath.Join(b.dir, b.welder.Scratch))
	assert.NoError(t, err)
}
