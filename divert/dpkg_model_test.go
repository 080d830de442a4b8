package divert_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/divert"
)

// What the model does is what dpkg-divert does.
func TestDpkgDivertIsAsTheModel(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		rapid.Check(t, func(rt *rapid.T) {
			layout := rapid.SampledFrom([]string{"split", "merged"}).Draw(rt, "layout")
			thought, really := newScene(t, layout), newLab(t, layout, bin).scene
			defer os.RemoveAll(thought.dir)
			defer os.RemoveAll(really.dir)
			for _, s := range []*scene{thought, really} {
				s.folder("/usr/bin/folder")
				s.file("/usr/bin/a", "a")
				s.link("/usr/bin/link", "folder")
			}
			names := rapid.SampledFrom([]string{"/usr/bin/a", "/usr/bin/b", "/bin/a", "/bin/b", "/usr//bin/a", "/usr/bin/../bin/a", "/usr/bin/folder", "/usr/bin/link", "/none/x"})
			for range rapid.IntRange(1, 6).Draw(rt, "calls") {
				d := divert.Diversion{From: names.Draw(rt, "from"), To: names.Draw(rt, "to"), Package: rapid.SampledFrom(holders).Draw(rt, "holder")}
				if rapid.IntRange(0, 2).Draw(rt, "remove") == 0 {
					require.Equal(rt, model{}.remove(thought, d), real{bin}.remove(really, d), "remove %s", d)
				} else {
					require.Equal(rt, model{}.add(thought, d), real{bin}.add(really, d), "add %s", d)
				}
				require.ElementsMatch(rt, thought.records, really.records)
			}
		})
	})
}

// Lives with the real one; see TestNoPlanLosesAFile.
func TestDpkgDivertCarriesOutPlans(t *testing.T) {
	eachRelease(t, func(t *testing.T, bin string) {
		planned := 0
		rapid.Check(t, func(rt *rapid.T) {
			n, _ := live(t, rt, real{bin}, 3)
			planned += n
		})
		require.Positive(t, planned)
	})
}
