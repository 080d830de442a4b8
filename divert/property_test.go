package divert_test

import (
	"errors"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/divert"
	"koweld/internal/dpkg"
)

// TestNoPlanLosesAFile lives random lives of a system: packages come, go and are
// upgraded, dpkg-divert is called by others, files appear, and wanted states are
// planned and carried out, to their end or not.
func TestNoPlanLosesAFile(t *testing.T) {
	planned, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		a, b := live(t, rt, model{}, rapid.IntRange(1, 8).Draw(rt, "actions"))
		planned, refused = planned+a, refused+b
	})
	t.Logf("%d plans carried out, %d refused", planned, refused)
	require.Positive(t, planned, "the property is empty")
	require.Positive(t, refused, "nothing is ever refused")
}

var (
	holders = []string{"", "acme", "rival"}
	bases   = []string{"a", "b"}
)

// life is a system and the dpkg-divert that it has.
type life struct {
	*scene
	rt     *rapid.T
	by     diverter
	merged bool
	// n tells files apart.
	planned, refused, n int
}

func live(t testing.TB, rt *rapid.T, by diverter, actions int) (planned, refused int) {
	layout := rapid.SampledFrom([]string{"split", "merged"}).Draw(rt, "layout")
	l := &life{scene: newScene(t, layout), rt: rt, by: by, merged: layout == "merged"}
	defer os.RemoveAll(l.dir)
	for range actions {
		l.n++
		switch rapid.IntRange(0, 9).Draw(rt, "action") {
		case 0, 1, 2:
			pkg := rapid.SampledFrom([]string{"other", "another", "acme", "rival"}).Draw(rt, "package")
			l.unpack(pkg, string(rune('0'+l.n)), l.names()...)
		case 3:
			l.discard(rapid.SampledFrom([]string{"other", "acme"}).Draw(rt, "discard"))
		case 4:
			d := divert.Diversion{From: l.name("from"), To: l.name("to") + ".d", Package: l.holder()}
			if rapid.Bool().Draw(rt, "add") {
				l.by.add(l.scene, d)
			} else {
				l.by.remove(l.scene, d)
			}
		case 5:
			name := l.name("intruder")
			if _, err := os.Lstat(l.host(name)); errors.Is(err, os.ErrNotExist) {
				l.file(name, "intruder "+string(rune('0'+l.n)))
			}
		default:
			l.want()
		}
	}
	return l.planned, l.refused
}

func (l *life) name(label string) string {
	return l.folderOf(label) + rapid.SampledFrom(bases).Draw(l.rt, label)
}

func (l *life) folderOf(label string) string {
	return rapid.SampledFrom([]string{"/usr/bin/", "/usr/bin/", "/bin/"}).Draw(l.rt, label+" in")
}

// names are those that a package ships: of two spellings of a file, one.
func (l *life) names() []string {
	var all []string
	for _, base := range rapid.SliceOfNDistinct(rapid.SampledFrom(bases), 1, len(bases), rapid.ID[string]).Draw(l.rt, "ships") {
		all = append(all, l.folderOf(base)+base)
	}
	return all
}

func (l *life) holder() string { return rapid.SampledFrom(holders).Draw(l.rt, "holder") }

// want plans something and carries it out.
func (l *life) want() {
	w := divert.Want{
		From: l.name("wanted"), Package: l.holder(),
		Absent: rapid.Bool().Draw(l.rt, "absent"), Save: rapid.Bool().Draw(l.rt, "save"),
		NoMove: rapid.IntRange(0, 4).Draw(l.rt, "no move") == 0,
	}
	if !w.Absent || rapid.Bool().Draw(l.rt, "any target") {
		w.To = l.name("target") + ".d"
	}
	steps, err := l.plan(w)
	if err != nil {
		var refusal *divert.RefusedError
		require.ErrorAs(l.rt, err, &refusal)
		l.refused++
		return
	}
	l.planned++
	before, placed := l.contents(), l.placed()
	killed := rapid.IntRange(0, len(steps)).Draw(l.rt, "killed after")
	nobodys := len(l.ownersAt(w.From)) == 0
	for _, step := range steps[:killed] {
		l.step(step)
	}
	// What was killed has a plan that leads on.
	rest, err := l.plan(w)
	require.NoError(l.rt, err, "after %v", lines(steps[:killed]))
	if !nobodys || killed == 0 {
		require.Equal(l.rt, lines(steps[killed:]), lines(rest), "after %v", lines(steps[:killed]))
	}
	for _, step := range rest {
		l.step(step)
	}
	again, err := l.plan(w)
	require.NoError(l.rt, err)
	require.Empty(l.rt, lines(again), "the second plan of %+v", w)
	after := l.contents()
	for name, text := range before {
		require.Contains(l.rt, slices.Collect(maps.Values(after)), text, "lost: %s by %v", name, lines(steps))
	}
	require.Len(l.rt, after, len(before), "%v", lines(steps))
	if w.NoMove {
		return
	}
	// A file that was where dpkg has it is so still.
	for pkg, names := range placed {
		for name, text := range names {
			data, err := os.ReadFile(l.host(l.truename(pkg, name)))
			require.NoError(l.rt, err, "%s of %s is not where dpkg has it after %v", name, pkg, lines(steps))
			require.Equal(l.rt, text, string(data), "%s of %s is not where dpkg has it after %v", name, pkg, lines(steps))
		}
	}
}

// step carries out a step, after which every file is still there.
func (l *life) step(step divert.Step) {
	before := l.contents()
	l.do(l.rt, l.by, step)
	after := slices.Collect(maps.Values(l.contents()))
	for name, text := range before {
		require.Contains(l.rt, after, text, "lost: %s by %s", name, step)
	}
}

// ownersAt are the packages that ship a place.
func (l *life) ownersAt(name string) []string {
	all := slices.Clone(l.owners[name])
	if twin := dpkg.Twin(name); l.merged {
		all = append(all, l.owners[twin]...)
	}
	return all
}

// placed are the files of packages that are where dpkg has them and what it
// unpacked, by package and name.
func (l *life) placed() map[string]map[string]string {
	all := map[string]map[string]string{}
	for name, owners := range l.owners {
		for _, pkg := range owners {
			data, err := os.ReadFile(l.host(l.truename(pkg, name)))
			if err != nil || !ownText(string(data), name, pkg) {
				continue // overwritten by another spelling, or left unmoved
			}
			if all[pkg] == nil {
				all[pkg] = map[string]string{}
			}
			all[pkg][name] = string(data)
		}
	}
	return all
}

// ownText reports whether a text is what unpack writes for a name.
func ownText(text, name, pkg string) bool {
	return len(text) > len(name) && text[:len(name)+1] == name+" " && text[len(text)-len(pkg)-1:] == " "+pkg
}
