package quirks_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/quirks"
)

// Random quirks on random systems. The vocabulary is small, so that conditions meet
// what is there.

var (
	somePaths    = []string{"/lib/a", "/usr/lib/a", "/usr/lib/b", "/usr/lib/c"}
	somePackages = []string{"tool", "other"}
	someVersions = []string{"1", "2", "3"}
)

// mirrored is the second name that quirks give to a file.
const mirrored = "/usr/lib/m"

func drawCondition(rt *rapid.T, depth int) string {
	pick := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, name) }
	kinds := 11
	if depth == 0 {
		kinds = 8
	}
	path := pick("path", somePaths...)
	switch rapid.IntRange(0, kinds-1).Draw(rt, "condition") {
	case 0:
		return fmt.Sprintf("{fips: %v}", rapid.Bool().Draw(rt, "fips"))
	case 1:
		return fmt.Sprintf("{layout: {dir: /lib, is: %s}}", pick("layout", "split", "merged"))
	case 2:
		return fmt.Sprintf("{path: {path: %s, is: %s}}", path, pick("kind", "file", "absent", "dir"))
	case 3:
		return fmt.Sprintf("{path: {path: %s, sha256: %s}}", path, digest(pick("bytes", someVersions...)))
	case 4:
		return fmt.Sprintf("{owner: {path: %s, is: %s}}", path, pick("owner", "none", "any", "any-undiverted", "tool"))
	case 5:
		return fmt.Sprintf("{diversion: {path: %s, is: '%s'}}", path, pick("is", "none", "any", "ours", "local", "target", "package:tool"))
	case 6:
		return fmt.Sprintf("{relation: {of: [%s, %s], is: [distinct, absent]}}", path, pick("b", somePaths...))
	case 7:
		version := ""
		if rapid.Bool().Draw(rt, "a version") {
			version = fmt.Sprintf(", version: {%s: '%s'}", pick("op", quirks.VersionOps...), pick("version", someVersions...))
		}
		return fmt.Sprintf("{package: {name: %s, view: %s%s}}", pick("package", somePackages...), pick("view", quirks.Views...), version)
	case 8:
		return fmt.Sprintf("{not: %s}", drawCondition(rt, depth-1))
	}
	return fmt.Sprintf("{%s: [%s, %s]}", pick("join", "all", "any"), drawCondition(rt, depth-1), drawCondition(rt, depth-1))
}

func drawQuirk(rt *rapid.T) *quirks.Quirk {
	pick := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, name) }
	scope, keep, cleanup := "", "", ""
	if rapid.Bool().Draw(rt, "scope") {
		scope = "    scope: " + drawCondition(rt, 1) + "\n"
	}
	from, to := pick("from", somePaths...), pick("to", "/usr/lib/d", "/usr/lib/e")
	if rapid.IntRange(0, 4).Draw(rt, "keep") > 0 {
		move := pick("move", "auto", "never", "{when: "+drawCondition(rt, 1)+"}")
		stale := ""
		if move != "auto" {
			stale = ", stale: " + pick("stale", "leave", "delete-if-orphan")
		}
		keep = fmt.Sprintf(`    keep:
      when: %s
      do:
        - divert: {from: FROM, to: TO, holder: '%s', move: %s}
          require: [diversion: {path: FROM, is: [none, ours]}, diversion: {path: TO, is: [none, ours]}]
          undo: {target: %s%s}
        - message: {text: '%s'}
`, drawCondition(rt, 2), pick("holder", "local", "self", "package:tool"), move,
			pick("target", "leave", "move-back", "delete-if-orphan"), stale, pick("text", someVersions...))
		if rapid.Bool().Draw(rt, "mirror") {
			keep += fmt.Sprintf("        - mirror: {from: %s, to: %s}\n", pick("of", somePaths...), mirrored)
		}
	}
	if keep == "" || rapid.Bool().Draw(rt, "cleanup") {
		cleanup = "    cleanup:\n      - id: c\n        when: " + drawCondition(rt, 2) + "\n        do:\n          - trigger: {name: ldconfig}\n"
		if stale, good := pick("stale path", somePaths...), pick("good", somePaths...); stale != good {
			cleanup += fmt.Sprintf("          - remove_stale: {path: %s, keep: %s, verify: %v}\n", stale, good, rapid.Bool().Draw(rt, "verify"))
		}
	}
	read := func(from, to string) ([]*quirks.Quirk, error) {
		names := strings.NewReplacer("FROM", from, "TO", to)
		data := "koweld: 1\npackage: acme\nquirks:\n  - id: x\n    title: t\n" + scope + names.Replace(keep) + cleanup
		return quirks.Parse(quirks.Source{File: "x.yaml", Data: []byte(data), Admin: true}, host)
	}
	all, err := read(from, to)
	if err != nil {
		require.ErrorContains(rt, err, "which its own action changes")
		all, err = read("/usr/lib/y", "/usr/lib/z")
	}
	require.NoError(rt, err)
	return all[0]
}

// drawWorld is a random system with a quirk.
func drawWorld(t testing.TB, rt *rapid.T, q *quirks.Quirk) *world {
	w := newWorld(t)
	w.set = &quirks.Set{}
	if q != nil {
		w.set.Quirks = []*quirks.Quirk{q}
	}
	for _, pkg := range somePackages {
		for _, v := range someVersions {
			files := map[string]string{}
			for _, name := range append(slices.Clone(somePaths[:3]), mirrored) {
				if rapid.IntRange(0, 3).Draw(rt, "ships "+name) == 0 {
					files[name] = digest("of " + pkg + " " + v + " " + name)
				}
			}
			w.ship(pkg, v, files)
		}
	}
	return w
}

// live lets something happen to a system.
func (w *world) live(rt *rapid.T) {
	pkg := rapid.SampledFrom(somePackages).Draw(rt, "of")
	switch rapid.IntRange(0, 8).Draw(rt, "event") {
	case 0, 1, 2:
		version := rapid.SampledFrom(someVersions).Draw(rt, "new version")
		if w.mayUnpack(pkg, version) && w.unpack(pkg, version) == nil && rapid.Bool().Draw(rt, "configured") {
			w.configure(pkg)
		}
	case 3:
		if w.packages[pkg] != nil {
			w.remove(pkg)
		}
	case 4:
		if p := w.packages[pkg]; p != nil {
			p.status = rapid.SampledFrom([]string{"installed", "half-installed", "half-configured"}).Draw(rt, "status")
		}
	case 5:
		w.candidate = quirks.Changes{}
		w.incoming = quirks.Changes{Complete: rapid.Bool().Draw(rt, "complete")}
		if v := rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(rt, "told"); rapid.Bool().Draw(rt, "of a package") {
			w.incoming.List = []quirks.Change{{Package: pkg, Arch: "amd64", Version: v}}
		}
	case 6:
		name := rapid.SampledFrom(somePaths).Draw(rt, "touched")
		if len(w.owners(name)) == 0 {
			w.files[w.place(name)] = digest(rapid.SampledFrom(someVersions).Draw(rt, "content"))
		}
	case 7:
		name := rapid.SampledFrom(somePaths).Draw(rt, "hidden")
		w.hidden[name] = !w.hidden[name]
	case 8:
		w.os = quirks.OS{ID: rapid.SampledFrom([]string{"debian", "ubuntu"}).Draw(rt, "os")}
	}
}

// mayUnpack reports whether no other package has one of the files, which dpkg would
// refuse.
func (w *world) mayUnpack(pkg, version string) bool {
	for name := range w.archive[pkg][version] {
		for _, o := range w.owners(name) {
			if o.Package != pkg {
				return false
			}
		}
		if _, is := w.files[w.place(w.diverted(pkg, name))]; is && len(w.owners(name)) == 0 && name != mirrored {
			return false // of nobody: dpkg would take it over
		}
	}
	return true
}

func drawStage(rt *rapid.T) quirks.Stage { return rapid.SampledFrom(quirks.Stages).Draw(rt, "stage") }

// Deciding again after a decision was carried out changes nothing.
func TestTwiceIsOnce(t *testing.T) {
	decided := map[quirks.State]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(t, rt, drawQuirk(rt))
		for range rapid.IntRange(1, 8).Draw(rt, "events") {
			w.live(rt)
			if rapid.IntRange(0, 5).Draw(rt, "koweld goes and comes") == 0 {
				all := w.set.Quirks
				w.set.Quirks = nil
				w.reconcile(quirks.TakeBack)
				w.reconcile(quirks.TakeBack) // of a package that was not asked for the first time
				gone := w.state()
				w.reconcile(quirks.TakeBack)
				require.Equal(rt, gone, w.state())
				w.set.Quirks = all
			}
			s := drawStage(rt)
			for _, d := range w.reconcile(s) {
				decided[d.State]++
			}
			// What is kept may make a cleanup due: koweld goes on until nothing is.
			w.reconcile(s)
			once := w.disk()
			f := w.facts()
			for _, d := range w.reconcile(s) {
				if d.State != quirks.Refused && len(d.Cannot) == 0 && len(d.Abort) == 0 {
					require.True(rt, d.IsQuiet(f), "%v", d.Lines())
				}
			}
			require.Equal(rt, once, w.disk())
			// A cleanup that has made its own condition false is armed anew by now.
			twice := w.state()
			w.reconcile(s)
			require.Equal(rt, twice, w.state())
		}
	})
	t.Logf("%v", decided)
	for _, s := range []quirks.State{quirks.Held, quirks.Idle, quirks.OutOfScope, quirks.Unsure, quirks.Refused} {
		require.Positive(t, decided[s], "the property never came to %s", s)
	}
}

// What is decided while some facts are hidden would be decided as well if they were
// known: an unknown neither does nor undoes anything.
func TestUnknownDoesNothing(t *testing.T) {
	same, less := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(t, rt, drawQuirk(rt))
		for range rapid.IntRange(1, 8).Draw(rt, "events") {
			w.live(rt)
			s := drawStage(rt)
			f := w.facts()
			q := w.set.Quirks[0]
			full := quirks.Decide(q, f, w.records["x"], s)
			part := quirks.Decide(q, hide(rt, f), w.records["x"], s)
			monotone(rt, part.Scope, full.Scope)
			monotone(rt, part.When, full.When)
			if part.State == full.State {
				for i := range part.Cleanup {
					monotone(rt, &part.Cleanup[i].When, &full.Cleanup[i].When)
				}
			}
			subset(rt, "wants", part.Wants, full.Wants)
			subset(rt, "removes", part.Remove, full.Remove)
			subset(rt, "mirrors", part.Mirrors, full.Mirrors)
			subset(rt, "activates", part.Trigger, full.Trigger)
			subset(rt, "refuses", part.Abort, full.Abort)
			if len(part.Wants) < len(full.Wants) {
				less++
			} else {
				same++
			}
			w.reconcile(s)
		}
	})
	t.Logf("%d decisions asked for less, %d for the same", less, same)
	require.Positive(t, less)
}

func subset[T comparable](rt *rapid.T, what string, part, full []T) {
	for _, e := range part {
		if w, is := any(e).(quirks.Want); is && w.Was != nil {
			continue // by a pointer
		}
		require.Contains(rt, full, e, what)
	}
}

// monotone checks that more knowledge makes an unknown true or false and changes
// nothing else, in every part.
func monotone(rt *rapid.T, part, full *quirks.Reason) {
	if part == nil || full == nil {
		require.Equal(rt, part == nil, full == nil)
		return
	}
	if part.Is != quirks.Unknown {
		require.Equal(rt, part.Is, full.Is, "%s", part)
	}
	for i := range part.Of {
		monotone(rt, &part.Of[i], &full.Of[i])
	}
}

// hide is a copy of facts of which some are not known.
func hide(rt *rapid.T, f *quirks.Facts) *quirks.Facts {
	h := *f
	dark := func(what string) bool { return rapid.IntRange(0, 3).Draw(rt, "hide "+what) == 0 }
	const why = "hidden"
	if dark("fips") {
		h.FIPS = quirks.NotKnown[bool](why)
	}
	if dark("os") {
		h.OS = quirks.NotKnown[quirks.OS](why)
	}
	if dark("diversions") {
		h.Diversions = quirks.NotKnown[[]quirks.Diversion](why)
	}
	if dark("layout") {
		h.Layout = quirks.NotKnown[quirks.Layout](why)
	}
	h.Packages, h.Paths, h.Relations = maps.Clone(f.Packages), maps.Clone(f.Paths), maps.Clone(f.Relations)
	for _, name := range slices.Sorted(maps.Keys(h.Packages)) {
		if dark("package") {
			h.Packages[name] = quirks.NotKnown[[]quirks.Instance](why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Paths)) {
		p := h.Paths[name]
		if dark("path") {
			p = quirks.Path{}
		}
		if dark("bytes") {
			p.SHA256 = quirks.NotKnown[string](why)
		}
		if dark("owners") {
			p.Owners = quirks.NotKnown[[]quirks.Owner](why)
		}
		if dark("verified") {
			p.Verified = quirks.NotKnown[bool](why)
		}
		h.Paths[name] = p
	}
	for _, pair := range slices.SortedFunc(maps.Keys(h.Relations), func(a, b quirks.Pair) int { return cmpString(fmt.Sprint(a), fmt.Sprint(b)) }) {
		if dark("relation") {
			h.Relations[pair] = quirks.NotKnown[quirks.Relation](why)
		}
	}
	return &h
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Whatever is known of a system, a decision can be told: in words, and as a document
// that says what it said.
func TestEachDecisionCanBeTold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(t, rt, drawQuirk(rt))
		for range rapid.IntRange(1, 6).Draw(rt, "events") {
			w.live(rt)
			w.reconcile(drawStage(rt))
		}
		f := hide(rt, w.facts())
		if rapid.IntRange(0, 3).Draw(rt, "nothing is known") == 0 {
			f = &quirks.Facts{}
		}
		for _, q := range []*quirks.Quirk{w.set.Quirks[0], nil} {
			if q == nil && w.records["x"] == nil {
				continue
			}
			for _, s := range append(slices.Clone(quirks.Stages), quirks.TakeBack) {
				before := w.state()
				d := quirks.Decide(q, f, w.records["x"], s)
				require.Equal(rt, before, w.state(), "what it is decided by is not changed")
				require.NotEmpty(rt, d.Why)
				text := d.Explain()
				for _, line := range d.Lines() {
					require.Contains(rt, text, line)
				}
				data, err := json.Marshal(d)
				require.NoError(rt, err)
				var back quirks.Decision
				require.NoError(rt, json.Unmarshal(data, &back))
				d.Record = nil // is for the disk
				require.Equal(rt, d, back)
				if reflect.DeepEqual(*f, quirks.Facts{}) {
					require.Empty(rt, slices.Concat(d.Trigger, d.Abort), "who knows nothing does nothing")
					require.Empty(rt, d.Wants)
					require.Empty(rt, d.Mirrors)
					require.Empty(rt, d.Remove)
				}
			}
		}
	})
}

// inPlace are the files of packages that have their bytes where dpkg has them, as
// "PACKAGE NAME", but for those that two packages have: one of them at a target, which
// could not be without a diversion.
func (w *world) inPlace() map[string]bool {
	all := map[string]bool{}
	for pkg, p := range w.packages {
		for name, content := range w.archive[pkg][p.version] {
			if w.files[w.place(w.diverted(pkg, name))] == content && len(w.owners(name)) == 1 {
				all[pkg+" "+name] = true
			}
		}
	}
	return all
}

// When the scope is false or the quirk is gone, all that is on record is taken back
// at rest, and nothing stays on record but files that are of use.
func TestAllOnRecordIsTakenBack(t *testing.T) {
	undone, kept := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(t, rt, drawQuirk(rt))
		before := slices.Clone(w.diversions)
		for range rapid.IntRange(1, 8).Draw(rt, "events") {
			w.live(rt)
			w.reconcile(drawStage(rt))
		}
		r := w.records["x"]
		if r == nil {
			return
		}
		q := w.set.Quirks[0]
		stage := drawStage(rt)
		var had map[string]bool
		switch rapid.IntRange(0, 3).Draw(rt, "end") {
		case 0:
			w.set.Quirks = nil
		case 1:
			off := *q
			off.Off = true
			w.set.Quirks = []*quirks.Quirk{&off}
		case 2:
			w.set.Quirks, stage = nil, quirks.TakeBack
			w.hidden = map[string]bool{}
			had = w.inPlace()
		default:
			elsewhere := *q
			elsewhere.Scope = quirks.OSIs{ID: "beos"}
			w.set.Quirks = []*quirks.Quirk{&elsewhere}
		}
		diverted := len(w.diversions)
		w.reconcile(stage)
		if after := w.records["x"]; after != nil {
			require.Empty(rt, after.Done, "what was done is taken back")
		}
		if stage == quirks.TakeBack {
			has := w.inPlace()
			for file := range had {
				require.True(rt, has[file], "%s is where dpkg has it", file)
			}
			if len(had) > 0 && len(w.diversions) < diverted {
				kept++
			}
		}
		require.Equal(rt, before, append([]quirks.Diversion(nil), w.diversions...), "there were none before")
		undone++
	})
	t.Logf("%d records taken back, %d diversions with files of packages", undone, kept)
	require.Positive(t, undone)
}

// Random lives of LP: #1982534: at rest the diversion is there exactly while it
// must be, and no package ever misses its file.
func TestLibgcryptHmacLives(t *testing.T) {
	steps := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := newLP(t)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			version := rapid.SampledFrom([]string{bionic, bionic2, broken, fixed}).Draw(rt, "version")
			step := rapid.SampledFrom([]string{"upgrade", "give up", "no end", "remove", "die", "by hand", "convert", "start", "turn off", "go and come"}).Draw(rt, "step")
			steps[step]++
			switch step {
			case "upgrade":
				if w.usr != "converting" {
					w.upgrade(version)
				}
			case "give up":
				w.told(version).reconcile(quirks.PreUnpack)
				w.toldNothing()
			case "no end":
				w.told(version).reconcile(quirks.PreUnpack)
				w.toldNothing()
				if w.unpack(hmac, version) == nil {
					w.configure(hmac)
				}
			case "remove":
				if w.packages[hmac] != nil {
					w.remove(hmac)
				}
			case "die":
				if p := w.packages[hmac]; p != nil {
					p.status = "half-installed"
				}
			case "by hand":
				w.incoming = quirks.Changes{List: []quirks.Change{{Package: hmac, Version: version}}}
				w.reconcile(quirks.Manual)
				w.toldNothing()
			case "convert":
				if !w.merged && rapid.IntRange(0, 3).Draw(rt, "convert") == 0 && !w.convert() {
					w.usr = "split" // mended by hand
				}
			case "start":
				w.candidate = quirks.Changes{List: []quirks.Change{{Package: hmac, Version: version}}}
				w.reconcile(quirks.UpgradeStart)
				w.toldNothing()
			}
			if step == "go and come" {
				set := w.set
				w.set = &quirks.Set{}
				w.reconcile(quirks.TakeBack)
				require.NotContains(rt, w.diversions, lpDiversion)
				w.set = set
				// What came back to the old name stays there until the next version.
				w.upgrade(version)
			}
			w.reconcile(rapid.SampledFrom([]quirks.Stage{quirks.TransactionEnd, quirks.Boot, quirks.Manual}).Draw(rt, "at rest"))
			atRest(rt, w)
		}
	})
	t.Logf("%v", steps)
}

func atRest(rt *rapid.T, w *world) {
	p := w.packages[hmac]
	is := slices.Contains(w.diversions, lpDiversion)
	switch {
	case p == nil:
		require.False(rt, is)
		for _, name := range []string{oldHmac, newHmac} {
			if content, there := w.files[name]; there {
				require.Fail(rt, "a file of nobody is left", "%s: %s", name, content)
			}
		}
		return
	case p.status == "half-installed":
		return
	}
	require.Equal(rt, p.version == broken && !w.merged, is, "%s, merged %v", p.version, w.merged)
	for name, content := range w.archive[hmac][p.version] {
		require.Equal(rt, content, w.files[w.place(w.diverted(hmac, name))], "the file of the package")
	}
	assert.LessOrEqual(rt, len(w.diversions), 1)
}
