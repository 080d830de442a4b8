package crash_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/divert"
	"koweld/internal/crash"
	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/unit"
)

// TestNoLifeLosesAFile lives random lives of a system: packages come, go and are
// upgraded, files appear, /usr is merged, names are diverted and no longer, and
// koweld is killed at any call or the power fails there. No file is ever lost by
// koweld, what dpkg has somewhere stays there, each run is whole or taken back, and
// when the holders are gone no diversion is left.
func TestNoLifeLosesAFile(t *testing.T) {
	var n tally
	rapid.Check(t, func(rt *rapid.T) {
		l := newLife(rt, &n)
		for range rapid.IntRange(1, 10).Draw(rt, "actions") {
			l.act()
		}
		l.end()
	})
	t.Logf("%+v", n)
	for what, count := range map[string]int{"done": n.done, "refused": n.refused, "killed": n.killed, "merged": n.merged} {
		require.Positive(t, count, "nothing was %s: the property is empty", what)
	}
}

type tally struct{ done, refused, killed, undone, merged, released int }

type life struct {
	t      *rapid.T
	n      *tally
	d      *faultfs.Disk
	ships  map[string][]string
	merged bool
	files  int // tells files apart
}

func newLife(t *rapid.T, n *tally) *life {
	l := &life{t: t, n: n, d: faultfs.NewDisk(), ships: map[string][]string{}}
	for _, dir := range []string{"/bin", "/usr/bin", "/opt", "/var/lib/dpkg/info"} {
		_, err := fsys.MkdirAll(l.d, dir, 0o755)
		require.NoError(t, err)
	}
	require.NoError(t, l.d.Mount("/opt"))
	if rapid.Bool().Draw(t, "merged") {
		l.merge()
	}
	return l
}

// system is a koweld on a file system of the life.
func (l *life) system(fsx fsys.FS) *unit.System {
	sys := system(fsx)
	sys.Tool = crash.Dpkg{Depmod: crash.Depmod{FS: fsx}, Ships: l.ships}
	return sys
}

var (
	holders = []string{"", "acme", "rival"}
	others  = []string{"other", "another"}
)

func (l *life) act() {
	switch rapid.IntRange(0, 9).Draw(l.t, "action") {
	case 0, 1, 2:
		l.unpack(rapid.SampledFrom(append(slices.Clone(others), holders[1:]...)).Draw(l.t, "package"))
	case 3:
		l.discard(rapid.SampledFrom([]string{"other", "acme"}).Draw(l.t, "discard"))
	case 4:
		if name := l.name("intruder"); !l.there(name) {
			l.write(name, fmt.Sprintf("intruder %d", l.files))
		}
	case 5:
		l.merge()
	default:
		l.want()
	}
}

func (l *life) name(label string) string {
	dir := rapid.SampledFrom([]string{"/usr/bin/", "/usr/bin/", "/bin/"}).Draw(l.t, label+" in")
	return dir + rapid.SampledFrom([]string{"a", "b"}).Draw(l.t, label)
}

func (l *life) there(name string) bool {
	ok, err := fsys.Exists(l.d, name)
	require.NoError(l.t, err)
	return ok
}

func (l *life) write(name, text string) {
	l.files++
	temp := path.Dir(name) + "/unpacked"
	f, err := l.d.Create(temp, 0o644)
	require.NoError(l.t, err)
	_, err = f.Write([]byte(text))
	require.NoError(l.t, err)
	require.NoError(l.t, f.Close())
	require.NoError(l.t, l.d.Rename(temp, name))
	l.d.SyncAll()
}

// want wants something of a name, and is killed at it.
func (l *life) want() {
	w := divert.Want{
		From: l.name("wanted"), Package: rapid.SampledFrom(holders).Draw(l.t, "holder"),
		Absent: rapid.Bool().Draw(l.t, "absent"), Save: rapid.Bool().Draw(l.t, "save"),
		NoMove: rapid.IntRange(0, 4).Draw(l.t, "no move") == 0,
	}
	if !w.Absent || rapid.Bool().Draw(l.t, "any target") {
		w.To = l.name("target") + ".d"
		if rapid.IntRange(0, 4).Draw(l.t, "far") == 0 {
			w.To = "/opt/" + path.Base(w.To)
		}
	}
	if w.Save && !w.Absent {
		w.Save = false
	}
	if have := l.diversions(); !w.Absent && len(have) > 0 && rapid.IntRange(0, 3).Draw(l.t, "replace") == 0 {
		w.Instead = &have[rapid.IntRange(0, len(have)-1).Draw(l.t, "instead of")]
		w.From = w.Instead.From
	}
	before, placed := l.state(), l.placed()
	twin := l.d.Clone()
	x := faultfs.New(twin, faultfs.Fault{})
	_, err := l.system(x).Divert(context.Background(), []divert.Want{w}, unit.Options{})
	var refused *divert.RefusedError
	if errors.As(err, &refused) {
		l.n.refused++
		require.Equal(l.t, before, l.state(), "a refusal changes something")
		return
	}
	require.NoError(l.t, err)
	l.n.done++
	whole := &life{t: l.t, n: l.n, d: twin, ships: l.ships, merged: l.merged}
	after := whole.state()
	whole.requireKept(before, w)
	if !w.NoMove {
		whole.requirePlaced(placed, w)
	}
	whole.requireStill(w)

	at := rapid.IntRange(0, len(x.Calls())).Draw(l.t, "killed at")
	if at == 0 {
		l.d = twin
		return
	}
	l.n.killed++
	_, _ = l.system(faultfs.New(l.d, faultfs.Kill(at))).Divert(context.Background(), []divert.Want{w}, unit.Options{})
	if rapid.Bool().Draw(l.t, "the power fails") {
		cuts := &faultfs.Cuts{Limit: 4}
		for cut := range cuts.Of(l.d) {
			l.d = cut
			if rapid.Bool().Draw(l.t, "so") {
				break
			}
		}
	}
	l.requireKept(before, w)
	_, err = l.system(l.d).Recover(context.Background(), unit.Options{})
	require.NoError(l.t, err)
	switch got := l.state(); {
	case equal(got, before):
		l.n.undone++
	default:
		require.Equal(l.t, after, got, "it is neither as before nor as after %+v", w)
	}
	_, err = l.system(l.d).Divert(context.Background(), []divert.Want{w}, unit.Options{})
	require.NoError(l.t, err, "after recovery")
	require.Equal(l.t, after, l.state())
	l.d.SyncAll()
}

// requireStill makes sure that nothing is left to be done.
func (l *life) requireStill(w divert.Want) {
	w.Instead = nil
	again, err := l.system(l.d).Divert(context.Background(), []divert.Want{w}, unit.Options{DryRun: true})
	require.NoError(l.t, err)
	require.Empty(l.t, again[0].Steps, "twice is once: %+v", w)
}

// state is all that counts: files by name, and dpkg's list.
func (l *life) state() map[string]string {
	all := l.contents()
	for _, d := range l.diversions() {
		all[d.String()] = "diverted"
	}
	return all
}

func equal(a, b map[string]string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func (l *life) contents() map[string]string {
	all := map[string]string{}
	for name, e := range l.d.All() {
		if e.IsRegular() && !strings.HasPrefix(name, "/var/") {
			all[name] = string(e.Data)
		}
	}
	return all
}

func (l *life) diversions() []divert.Diversion {
	all, err := divert.Load(l.d, "/var/lib/dpkg")
	require.NoError(l.t, err)
	return all
}

// requireKept makes sure that each file that was there is there, under some name.
func (l *life) requireKept(before map[string]string, w divert.Want) {
	var now []string
	for _, text := range l.contents() {
		now = append(now, text)
	}
	for name, text := range before {
		if text != "diverted" {
			require.Contains(l.t, now, text, "%s is lost by %+v", name, w)
		}
	}
}

// placed are the files of packages that are where dpkg has them.
func (l *life) placed() map[string]string {
	all := map[string]string{}
	for pkg, names := range l.ships {
		for _, name := range names {
			data, err := fsys.ReadFile(l.d, l.truename(pkg, name), 1<<10)
			if err == nil && strings.HasPrefix(string(data), name+" ") && strings.HasSuffix(string(data), " of "+pkg) {
				all[pkg+" "+name] = string(data)
			}
		}
	}
	return all
}

func (l *life) requirePlaced(before map[string]string, w divert.Want) {
	now := l.placed()
	for name, text := range before {
		require.Equal(l.t, text, now[name], "%s is not where dpkg has it after %+v", name, w)
	}
}

// truename is where dpkg has a package's file (namenodetouse in its source).
func (l *life) truename(pkg, name string) string {
	for _, d := range l.diversions() {
		if d.From == name && (d.Package == "" || d.Package != pkg) {
			return d.To
		}
	}
	return name
}

// unpack puts a package's files where dpkg puts them, unless dpkg would refuse.
func (l *life) unpack(pkg string) {
	var names []string
	for _, base := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b"}), 1, 2, rapid.ID[string]).Draw(l.t, "ships") {
		names = append(names, rapid.SampledFrom([]string{"/usr/bin/", "/bin/"}).Draw(l.t, base+" in")+base)
	}
	for _, name := range names {
		for _, d := range l.diversions() {
			if d.To == name {
				return // "which is the diverted version of"
			}
		}
		for other, theirs := range l.ships {
			if other != pkg && slices.Contains(theirs, name) && l.truename(other, name) == l.truename(pkg, name) {
				return // "which is also in package"
			}
		}
	}
	old := l.ships[pkg]
	l.ships[pkg] = names
	var kept []fsys.Info
	for _, name := range names {
		at := l.truename(pkg, name)
		l.write(at, fmt.Sprintf("%s %d of %s", name, l.files, pkg))
		info, err := l.d.Lstat(at)
		require.NoError(l.t, err)
		kept = append(kept, info)
	}
	for _, name := range old {
		at := l.truename(pkg, name)
		info, err := l.d.Lstat(at)
		// dpkg spares what it has just unpacked by another name.
		if !slices.Contains(names, name) && err == nil && !slices.ContainsFunc(kept, info.SameFile) {
			require.NoError(l.t, l.d.Unlink(at))
		}
	}
	l.d.SyncAll()
}

// discard removes a package as dpkg does.
func (l *life) discard(pkg string) {
	for _, name := range l.ships[pkg] {
		_ = l.d.Unlink(l.truename(pkg, name))
	}
	delete(l.ships, pkg)
	l.d.SyncAll()
}

// merge makes /bin a link as convert-usrmerge does, which refuses if a name is in
// both folders.
func (l *life) merge() {
	if l.merged {
		return
	}
	entries, err := l.d.ReadDir("/bin")
	require.NoError(l.t, err)
	for _, e := range entries {
		if l.there("/usr/bin/" + e.Name()) {
			return
		}
	}
	for _, e := range entries {
		require.NoError(l.t, l.d.Rename("/bin/"+e.Name(), "/usr/bin/"+e.Name()))
	}
	require.NoError(l.t, l.d.Rmdir("/bin"))
	require.NoError(l.t, l.d.Symlink("usr/bin", "/bin"))
	l.merged = true
	l.n.merged++
	l.d.SyncAll()
}

// end removes the holders, and takes back what they have left diverted.
func (l *life) end() {
	for _, pkg := range holders[1:] {
		l.discard(pkg)
	}
	before := l.state()
	for _, d := range l.diversions() {
		w := divert.Want{From: d.From, To: d.To, Package: d.Package, Absent: true, Save: true, Exact: true}
		if rapid.Bool().Draw(l.t, "with its file") {
			w.Exact = false
		}
		_, err := l.system(l.d).Divert(context.Background(), []divert.Want{w}, unit.Options{})
		var refused *divert.RefusedError
		if errors.As(err, &refused) && refused.Reason == divert.UnclearTarget {
			w.Exact = true
			_, err = l.system(l.d).Divert(context.Background(), []divert.Want{w}, unit.Options{})
		}
		require.NoError(l.t, err)
		l.n.released++
		l.requireKept(before, w)
	}
	require.Empty(l.t, l.diversions())
}
