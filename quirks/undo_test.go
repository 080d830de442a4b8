package quirks_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/quirks"
)

// What is wanted, noted and removed when a diversion of /a to /b ends whose files may
// all be there.
func TestUndo(t *testing.T) {
	const (
		orphan = quirks.DeleteOrphan
		leave  = quirks.Leave
	)
	shipped := func(version string, as ...string) []quirks.Owner {
		var all []quirks.Owner
		for _, name := range as {
			all = append(all, quirks.Owner{Package: "tool", As: name, Version: version})
		}
		return all
	}
	ofTool := shipped("2", "/a")
	toTarget := []quirks.Left{{Path: "/b", SHA256: digest("b"), Package: "tool", Version: "2"}}
	stale := []quirks.Left{{Path: "/a", SHA256: digest("a"), Package: "tool", Version: "2"}}
	tests := []struct {
		name   string
		done   quirks.Diverted
		change func(f *quirks.Facts)
		stage  quirks.Stage
		back   bool
		left   []quirks.Left
	}{
		{"all stays", quirks.Diverted{Target: leave, Stale: leave, Behind: digest("a"), Version: "1"}, nil, quirks.Boot, false, nil},
		{"the target", quirks.Diverted{Target: orphan, Stale: leave}, nil, quirks.Boot, false, toTarget},
		{"the target, which lay there before", quirks.Diverted{Target: orphan, Found: digest("b")}, nil, quirks.Boot, false, nil},
		{"the target, where another lay before", quirks.Diverted{Target: orphan, Found: digest("other")}, nil, quirks.Boot, false, toTarget},
		{"the target, which is a link", quirks.Diverted{Target: orphan}, func(f *quirks.Facts) { f.Paths["/b"] = path(quirks.Symlink, "") }, quirks.Boot, false, nil},
		{"the stale one", quirks.Diverted{Target: leave, Stale: orphan, Behind: digest("a"), Version: "1"}, nil, quirks.Boot, false, stale},
		{"not stale: of the version that is there", quirks.Diverted{Stale: orphan, Behind: digest("a"), Version: "2"}, nil, quirks.Boot, false, nil},
		{"not stale: of no package", quirks.Diverted{Stale: orphan, Behind: digest("a")}, nil, quirks.Boot, false, nil},
		{"not stale: it has been changed", quirks.Diverted{Stale: orphan, Behind: digest("z"), Version: "1"}, nil, quirks.Boot, false, nil},
		{"not stale: nothing was noted", quirks.Diverted{Stale: orphan, Version: "1"}, func(f *quirks.Facts) { f.Paths["/a"] = path(quirks.NoFile, "", ofTool...) }, quirks.Boot, false, nil},
		{"both", quirks.Diverted{Target: orphan, Stale: orphan, Behind: digest("a"), Version: "1"}, nil, quirks.Boot, false, append(append([]quirks.Left(nil), toTarget...), stale...)},
		{"it comes back", quirks.Diverted{Target: quirks.MoveBack}, nil, quirks.Boot, true, nil},
		{"with koweld", quirks.Diverted{Target: orphan, Stale: orphan, Behind: digest("a"), Version: "1"}, nil, quirks.TakeBack, true, nil},
		{"with koweld, which lay there before", quirks.Diverted{Target: leave, Found: digest("b")}, nil, quirks.TakeBack, false, nil},
		{"with koweld, of nobody", quirks.Diverted{Target: leave}, func(f *quirks.Facts) { f.Paths["/a"] = path(quirks.File, "a") }, quirks.TakeBack, false, nil},
		{"with koweld, of the holder alone", quirks.Diverted{Target: leave, Package: "tool"}, nil, quirks.TakeBack, false, nil},
		{"with koweld, over the holder's own", quirks.Diverted{Target: leave, Package: "tool"}, func(f *quirks.Facts) {
			f.Paths["/a"] = path(quirks.File, "a", append(shipped("2", "/a"), quirks.Owner{Package: "gone", As: "/a", Version: "1"})...)
		}, quirks.TakeBack, false, nil},
		{"with koweld, over a folder", quirks.Diverted{Target: leave}, func(f *quirks.Facts) { f.Paths["/a"] = path(quirks.Dir, "", ofTool...) }, quirks.TakeBack, false, nil},
		{"with koweld, over a link", quirks.Diverted{Target: leave}, func(f *quirks.Facts) { f.Paths["/a"] = path(quirks.Symlink, "", ofTool...) }, quirks.TakeBack, true, nil},
		{"with koweld, over nothing", quirks.Diverted{Target: leave}, func(f *quirks.Facts) { f.Paths["/a"] = path(quirks.NoFile, "", ofTool...) }, quirks.TakeBack, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := known()
			f.Packages["tool"] = quirks.Known([]quirks.Instance{{Arch: "amd64", Status: "installed", Version: "2"}})
			f.Paths["/a"], f.Paths["/b"] = path(quirks.File, "a", ofTool...), path(quirks.File, "b")
			f.Diversions = quirks.Known([]quirks.Diversion{{From: "/a", To: "/b", Package: tt.done.Package}})
			if tt.change != nil {
				tt.change(f)
			}
			done := tt.done
			done.From, done.To = "/a", "/b"
			d := quirks.Decide(nil, f, &quirks.Record{Quirk: "x", Done: []quirks.Done{{Divert: &done}}}, tt.stage)
			require.Equal(t, []quirks.Want{{From: "/a", To: "/b", Package: done.Package, Absent: true, NoMove: !tt.back, Save: tt.back}}, d.Wants)
			assert.Empty(t, d.Remove, "it is of use, or nobody's to remove")
			left := []quirks.Left(nil)
			if d.Record != nil {
				left = d.Record.Left
			}
			assert.Equal(t, tt.left, left)
		})
	}
}

// What becomes of a file that was left behind.
func TestLeft(t *testing.T) {
	tool := func(status, version string) func(f *quirks.Facts) {
		return func(f *quirks.Facts) {
			f.Packages["tool"] = quirks.Known([]quirks.Instance{{Arch: "amd64", Status: status, Version: version}})
		}
	}
	set := func(p quirks.Path) func(f *quirks.Facts) { return func(f *quirks.Facts) { f.Paths["/b"] = p } }
	diverted := func(from, to string) func(f *quirks.Facts) {
		return func(f *quirks.Facts) {
			f.Diversions = quirks.Known([]quirks.Diversion{{From: from, To: to, Package: "other"}})
		}
	}
	unread := path(quirks.File, "b")
	unread.SHA256 = quirks.NotKnown[string]("EIO")
	const removed, waits, forgotten = "removed", "waits", "forgotten"
	tests := []struct {
		name   string
		pkg    string
		change func(f *quirks.Facts)
		stage  quirks.Stage
		want   string
	}{
		{"its package is gone", "tool", func(f *quirks.Facts) { f.Packages["tool"] = quirks.Known([]quirks.Instance(nil)) }, quirks.Boot, removed},
		{"its version is gone", "tool", tool("installed", "2"), quirks.Boot, removed},
		{"its package has conffiles only", "tool", tool("config-files", "1"), quirks.Boot, removed},
		{"its package is there", "tool", tool("installed", "1"), quirks.Boot, waits},
		{"dpkg died", "tool", tool("half-installed", "2"), quirks.Boot, waits},
		{"its package is not known", "tool", func(f *quirks.Facts) { delete(f.Packages, "tool") }, quirks.Boot, waits},
		{"packages are under way", "tool", tool("installed", "2"), quirks.Trigger, waits},
		{"with koweld", "tool", tool("installed", "2"), quirks.TakeBack, removed},
		{"of no package", "", nil, quirks.Boot, removed},
		{"its bytes are not known", "", set(unread), quirks.Boot, waits},
		{"it is not known what it is", "", set(quirks.Path{}), quirks.Boot, waits},
		{"diversions are not known", "", func(f *quirks.Facts) { f.Diversions = quirks.NotKnown[[]quirks.Diversion]("damaged") }, quirks.Boot, waits},
		{"it has other bytes", "", set(path(quirks.File, "z")), quirks.Boot, forgotten},
		{"it is a link by now", "", set(path(quirks.Symlink, "")), quirks.Boot, forgotten},
		{"it is gone", "", set(path(quirks.NoFile, "")), quirks.Boot, forgotten},
		{"another name is diverted to it", "", diverted("/z", "/b"), quirks.Boot, forgotten},
		{"a package ships it", "", set(path(quirks.File, "b", quirks.Owner{Package: "two", As: "/b", Version: "1"})), quirks.Boot, forgotten},
		{"a package ships it, and has its file elsewhere", "", func(f *quirks.Facts) {
			set(path(quirks.File, "b", quirks.Owner{Package: "two", As: "/b", Version: "1"}))(f)
			diverted("/b", "/z")(f)
		}, quirks.Boot, removed},
		{"its package ships it in its version", "tool", set(path(quirks.File, "b", quirks.Owner{Package: "tool", As: "/b", Version: "1"})), quirks.Boot, waits},
		{"its package ships it in another version", "tool", set(path(quirks.File, "b", quirks.Owner{Package: "tool", As: "/b", Version: "2"})), quirks.Boot, forgotten},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := known()
			f.Paths["/b"] = path(quirks.File, "b")
			f.Diversions = quirks.Known([]quirks.Diversion(nil))
			tool("installed", "1")(f)
			if tt.change != nil {
				tt.change(f)
			}
			l := quirks.Left{Path: "/b", SHA256: digest("b"), Package: tt.pkg, Version: "1"}
			d := quirks.Decide(nil, f, &quirks.Record{Quirk: "x", Left: []quirks.Left{l}}, tt.stage)
			got := forgotten
			switch {
			case len(d.Remove) > 0:
				got = removed
				assert.Equal(t, "/b", d.Remove[0].Path)
				assert.Equal(t, digest("b"), d.Remove[0].SHA256)
				assert.Nil(t, d.Record)
			case d.Record != nil:
				got = waits
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// A file that a quirk holds anew at either of its names is of use again.
func TestLeftThatIsHeldAnew(t *testing.T) {
	q := readOne(t, "    keep: {when: {fips: true}, do: [divert: {from: /a, to: /b, holder: local, move: never}]}\n")
	for _, name := range []string{"/a", "/b"} {
		f := known()
		f.Diversions = quirks.Known([]quirks.Diversion(nil))
		f.Paths["/a"], f.Paths["/b"] = path(quirks.File, "a"), path(quirks.File, "b")
		l := quirks.Left{Path: name, SHA256: f.Paths[name].SHA256.Value}
		d := quirks.Decide(q, f, &quirks.Record{Quirk: "x", Left: []quirks.Left{l}}, quirks.Boot)
		assert.Empty(t, d.Remove, name)
		require.NotNil(t, d.Record)
		assert.Empty(t, d.Record.Left, name)
		// What we have left there ourselves is not what lay there before.
		found := digest("b")
		if name == "/b" {
			found = ""
		}
		assert.Equal(t, found, d.Record.Done[0].Divert.Found, name)
	}
}

// What lay at the two names is noted once, of a diversion that is ours and moves
// nothing.
func TestWhatIsNotedOfADiversion(t *testing.T) {
	tests := []struct {
		name, move     string
		is             []quirks.Diversion
		found, behind  string
		version, moved string
	}{
		{"nothing moves", "never", nil, digest("b"), digest("a"), "2", "false"},
		{"the file goes along", "auto", nil, "", "", "", "true"},
		{"it was diverted already", "never", []quirks.Diversion{{From: "/a", To: "/b"}}, "", "", "", "false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := readOne(t, "    keep: {when: {fips: true}, do: [divert: {from: /a, to: /b, holder: local, move: "+tt.move+"}]}\n")
			f := known()
			f.Diversions = quirks.Known(tt.is)
			f.Paths["/a"] = path(quirks.File, "a", quirks.Owner{Package: "tool", As: "/a", Version: "2"})
			f.Paths["/b"] = path(quirks.File, "b")
			d := quirks.Decide(q, f, nil, quirks.Boot)
			require.NotNil(t, d.Record)
			done := d.Record.Done[0].Divert
			assert.Equal(t, tt.found, done.Found)
			assert.Equal(t, tt.behind, done.Behind)
			assert.Equal(t, tt.version, done.Version)
			assert.Equal(t, tt.moved, fmt.Sprint(done.Moved))
			assert.Equal(t, tt.move == "never", d.Wants[0].NoMove)
		})
	}
}

// How a diversion ends is what its quirk says now; whether its file goes along is
// decided once.
func TestHeldDiversionFollowsItsQuirk(t *testing.T) {
	const body = "    keep: {when: {fips: true}, do: [{divert: {from: /a, to: /b, holder: local, move: {when: {path: {path: /when, is: file}}}}, undo: {target: %s}}]}\n"
	f := known()
	f.Diversions = quirks.Known([]quirks.Diversion(nil))
	f.Paths["/a"], f.Paths["/b"], f.Paths["/when"] = path(quirks.File, "a"), path(quirks.NoFile, ""), quirks.Path{}
	before := readOne(t, fmt.Sprintf(body, "leave"))
	assert.Equal(t, quirks.Refused, quirks.Decide(before, f, nil, quirks.Boot).State, "it is not known whether the file goes along")
	f.Paths["/when"] = path(quirks.File, "x")
	r := quirks.Decide(before, f, nil, quirks.Boot).Record
	require.NotNil(t, r)
	assert.True(t, r.Done[0].Divert.Moved)

	f.Diversions = quirks.Known([]quirks.Diversion{{From: "/a", To: "/b"}})
	for _, when := range []quirks.Path{path(quirks.NoFile, ""), {}} {
		f.Paths["/when"] = when
		d := quirks.Decide(readOne(t, fmt.Sprintf(body, "delete-if-orphan")), f, r, quirks.Boot)
		assert.Equal(t, quirks.Held, d.State)
		require.NotNil(t, d.Record)
		assert.True(t, d.Record.Done[0].Divert.Moved)
		assert.Equal(t, quirks.DeleteOrphan, d.Record.Done[0].Divert.Target)
	}

	// One that is recorded and gone is made again only if that is known.
	f.Diversions, f.Paths["/when"] = quirks.Known([]quirks.Diversion(nil)), quirks.Path{}
	assert.Equal(t, quirks.Held, quirks.Decide(before, f, r, quirks.Boot).State, "it was decided")
}

// While it is not known what is to be kept, nothing is cleaned up, and what a quirk
// keeps its own cleanup does not release.
func TestCleanupWaitsForWhatIsKept(t *testing.T) {
	const body = `
    keep: {when: {fips: true}, do: [{divert: {from: /a, to: /b, holder: local, move: never}, require: [path: {path: /need, is: absent}]}]}
    cleanup:
      - {id: c, when: {arch: amd64}, do: [trigger: {name: ldconfig}]}
      - {id: r, when: {arch: amd64}, do: [release: {from: /a, holder: local}]}
`
	q, f := readOne(t, body), known()
	f.Diversions = quirks.Known([]quirks.Diversion(nil))
	f.Paths["/a"], f.Paths["/b"], f.Paths["/need"] = path(quirks.File, "a"), path(quirks.NoFile, ""), quirks.Path{}
	assert.Empty(t, quirks.Decide(q, f, nil, quirks.Boot).Trigger, "a requirement is not known")
	f.Paths["/need"] = path(quirks.NoFile, "")
	f.FIPS = quirks.NotKnown[bool]("there is no /proc")
	assert.Empty(t, quirks.Decide(q, f, nil, quirks.Boot).Trigger, "its condition is not known")
	f.FIPS = quirks.Known(true)
	d := quirks.Decide(q, f, nil, quirks.Boot)
	assert.Len(t, d.Trigger, 1)
	f.Diversions = quirks.Known([]quirks.Diversion{{From: "/a", To: "/b"}})
	d = quirks.Decide(q, f, d.Record, quirks.Boot)
	require.Len(t, d.Wants, 1)
	assert.False(t, d.Wants[0].Absent)
	assert.True(t, d.IsQuiet(f))
}
