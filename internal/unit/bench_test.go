package unit_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"koweld/internal/unit"
)

// BenchmarkThousandModules is a unit of 1,000 whole modules of 64 KiB. Beside
// the time it reports how many times as long as cp -a of the placed tree it
// takes; cp does not sync, and proves nothing.
func BenchmarkThousandModules(b *testing.B) {
	const modules = 1000
	s := newScene(b, b.TempDir(), true)
	defer s.close()
	random := rand.New(rand.NewPCG(1, 2))
	items := make([]item, modules)
	for i := range items {
		text := make([]byte, 64<<10)
		for k := range text {
			text[k] = byte(random.Uint32())
		}
		items[i] = item{path: fmt.Sprintf("kernel/acme/%d/m%d.ko", i%40, i), module: true, text: string(text), compress: "none"}
	}
	path := s.declare("acme", "1", items)

	// The syncs are real here.
	system := func() *unit.System {
		sys := s.sound()
		sys.FS, sys.Procs, sys.Memory = s.fs, 2, 1<<30
		return sys
	}
	install := func() { require.NoError(b, s.install(system(), path)) }
	remove := func() { require.NoError(b, s.remove(system(), "acme")) }
	verify := func() {
		all, err := system().Verify(b.Context(), nil)
		require.NoError(b, err)
		require.Empty(b, all[0].Differences)
	}

	install()
	copied := filepath.Join(b.TempDir(), "copy")
	copyTree := func() time.Duration {
		start := time.Now()
		out, err := exec.Command("cp", "-a", s.host("/usr/lib/modules"), copied).CombinedOutput()
		require.NoError(b, err, "%s", out)
		took := time.Since(start)
		require.NoError(b, os.RemoveAll(copied))
		return took
	}
	copyTree() // the inputs of the one that counts are in memory, as ours are
	unit := copyTree()

	for _, bm := range []struct {
		name         string
		before, body func()
	}{
		{"install", remove, install},
		{"install/no-op", func() {}, install},
		{"verify", func() {}, verify},
		{"remove", install, remove},
	} {
		b.Run(bm.name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				bm.before()
				b.StartTimer()
				bm.body()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(unit), "cp-a/op")
		})
	}
}
