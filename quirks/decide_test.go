package quirks_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/quirks"
)

// mine is a quirk of a package that keeps a diversion while the kernel is in FIPS
// mode.
const mine = `
    scope: {os: {id: ubuntu}}
    keep:
      when: {fips: true}
      do:
        - divert: {from: /f, to: /f.real}
          require: [path: {path: "${to}", is: absent}]
        - message: {text: it is on}
`

func facts() *quirks.Facts {
	f := known()
	f.Paths["/f.real"] = path(quirks.NoFile, "")
	return f
}

var (
	mineOn  = quirks.Want{From: "/f", To: "/f.real", Package: "acme"}
	mineOff = quirks.Want{From: "/f", To: "/f.real", Package: "acme", Absent: true, Save: true}
	mineIs  = quirks.Diversion{From: "/f", To: "/f.real", Package: "acme"}
)

// held is a record of the quirk with the diversion, which dpkg has.
func held(t *testing.T, q *quirks.Quirk, f *quirks.Facts) *quirks.Record {
	t.Helper()
	d := quirks.Decide(q, f, nil, quirks.Manual)
	require.Equal(t, []quirks.Want{mineOn}, d.Wants)
	require.Equal(t, []quirks.Message{{Level: "info", Text: "it is on"}}, d.Say)
	f.Diversions.Value = append(f.Diversions.Value, mineIs)
	return d.Record
}

func TestDecide(t *testing.T) {
	unknownFIPS := func(f *quirks.Facts) { f.FIPS = quirks.NotKnown[bool]("there is no /proc") }
	noFIPS := func(f *quirks.Facts) { f.FIPS = quirks.Known(false) }
	debian := func(f *quirks.Facts) { f.OS = quirks.Known(quirks.OS{ID: "debian"}) }
	unknownOS := func(f *quirks.Facts) { f.OS = quirks.NotKnown[quirks.OS]("there is no os-release") }
	tests := []struct {
		name   string
		held   bool // before
		change func(f *quirks.Facts)
		state  quirks.State
		wants  []quirks.Want
		record bool // afterwards
		why    string
	}{
		{"it holds", false, nil, quirks.Held, []quirks.Want{mineOn}, true, "its condition holds"},
		{"it goes on holding", true, nil, quirks.Held, []quirks.Want{mineOn}, true, ""},
		{"it does not hold", false, noFIPS, quirks.Idle, nil, false, "the kernel is in FIPS mode: it is not"},
		{"it holds no longer", true, noFIPS, quirks.Idle, []quirks.Want{mineOff}, false, ""},
		{"not known, not done", false, unknownFIPS, quirks.Unsure, nil, false, "the kernel is in FIPS mode: there is no /proc"},
		{"not known, not undone", true, unknownFIPS, quirks.Unsure, nil, true, ""},
		{"another system", false, debian, quirks.OutOfScope, nil, false, "the system is ubuntu: debian"},
		{"another system now", true, debian, quirks.OutOfScope, []quirks.Want{mineOff}, false, ""},
		{"which system is not known, not done", false, unknownOS, quirks.Unsure, nil, false, "the system is ubuntu: there is no os-release"},
		{"which system is not known, not undone", true, unknownOS, quirks.Unsure, nil, true, ""},
		{"which system is not known, and it does not hold", true, func(f *quirks.Facts) { unknownOS(f); noFIPS(f) }, quirks.Idle, []quirks.Want{mineOff}, false, ""},
		{"a requirement fails", false, func(f *quirks.Facts) { f.Paths["/f.real"] = path(quirks.File, "x") }, quirks.Refused, nil, false, "/f.real is absent: it is a file"},
		{"a requirement is not known", false, func(f *quirks.Facts) { delete(f.Paths, "/f.real") }, quirks.Refused, nil, false, "/f.real is absent: it was not looked at"},
		{"a requirement is for the first time", true, func(f *quirks.Facts) { f.Paths["/f.real"] = path(quirks.File, "x") }, quirks.Held, []quirks.Want{mineOn}, true, ""},
		{"somebody has ended it, and a requirement fails", true, func(f *quirks.Facts) {
			f.Paths["/f.real"] = path(quirks.File, "x")
			f.Diversions = quirks.Known([]quirks.Diversion(nil))
		}, quirks.Refused, nil, true, ""},
		{"somebody has ended it", true, func(f *quirks.Facts) { f.Diversions = quirks.Known([]quirks.Diversion(nil)) }, quirks.Held, []quirks.Want{mineOn}, true, ""},
		{"somebody has ended what is to end", true, func(f *quirks.Facts) { noFIPS(f); f.Diversions = quirks.Known([]quirks.Diversion(nil)) }, quirks.Idle, nil, false, ""},
		{"somebody else has it now", true, func(f *quirks.Facts) {
			noFIPS(f)
			f.Diversions = quirks.Known([]quirks.Diversion{{From: "/f", To: "/f.theirs", Package: "theirs"}})
		}, quirks.Idle, nil, false, ""},
		{"diversions are not known, not done", false, func(f *quirks.Facts) { f.Diversions = quirks.NotKnown[[]quirks.Diversion]("damaged") }, quirks.Refused, nil, false, "what is diverted is known: damaged"},
		{"diversions are not known, not undone", true, func(f *quirks.Facts) {
			noFIPS(f)
			f.Diversions = quirks.NotKnown[[]quirks.Diversion]("damaged")
		}, quirks.Unsure, nil, true, "what is diverted is known: damaged"},
		{"converting", false, func(f *quirks.Facts) { f.Layout = quirks.Known(quirks.Layout{Usr: "converting", Why: "half"}) }, quirks.Deferred, nil, false, "/usr is being merged: half"},
		{"converting, and it holds no longer", true, func(f *quirks.Facts) {
			noFIPS(f)
			f.Layout = quirks.Known(quirks.Layout{Usr: "converting", Why: "half"})
		}, quirks.Deferred, nil, true, ""},
		{"layout not known", true, func(f *quirks.Facts) { f.Layout = quirks.NotKnown[quirks.Layout]("EIO") }, quirks.Deferred, nil, true, "it is not known how /usr lies: EIO"},
	}
	for _, tt := range tests {
		for _, s := range quirks.Stages {
			t.Run(tt.name+" at "+string(s), func(t *testing.T) {
				q, f := readFor(t, mine, false), facts()
				var r *quirks.Record
				if tt.held {
					r = held(t, q, f)
				}
				if tt.change != nil {
					tt.change(f)
				}
				d := quirks.Decide(q, f, r, s)
				assert.Equal(t, tt.state, d.State, d.Why)
				assert.Equal(t, tt.wants, d.Wants)
				assert.Equal(t, tt.record, d.Record != nil)
				if tt.record && tt.held {
					assert.Equal(t, r.Done, d.Record.Done, "what is on record stays")
				}
				if tt.why != "" {
					assert.Equal(t, tt.why, d.Why)
				}
				assert.Equal(t, tt.state == quirks.Held && !tt.held, len(d.Say) > 0, "it is said once")
				assert.Equal(t, tt.state == quirks.Refused, len(d.Cannot) > 0)
			})
		}
	}
}

// What was done is taken back by the record alone.
func TestDecideWithoutTheQuirk(t *testing.T) {
	f := facts()
	r := held(t, readFor(t, mine, false), f)
	d := quirks.Decide(nil, f, r, quirks.Boot)
	assert.Equal(t, quirks.Gone, d.State)
	assert.Equal(t, []quirks.Want{mineOff}, d.Wants)
	assert.Nil(t, d.Record)
	assert.Equal(t, "x.yaml does not have it any more", d.Why)

	off := readOne(t, "    off: true\n")
	assert.Equal(t, []quirks.Want{mineOff}, quirks.Decide(off, f, r, quirks.Boot).Wants)

	f.Layout.Value.Usr = "converting"
	d = quirks.Decide(nil, f, r, quirks.Boot)
	assert.Empty(t, d.Wants)
	assert.Equal(t, r, d.Record)
}

// A quirk that has changed: what it does no longer is taken back first.
func TestDecideWhenTheQuirkHasChanged(t *testing.T) {
	f := facts()
	r := held(t, readFor(t, mine, false), f)
	changed := readFor(t, strings.ReplaceAll(mine, "/f.real", "/f.other"), false)
	f.Paths["/f.other"] = path(quirks.NoFile, "")
	d := quirks.Decide(changed, f, r, quirks.Manual)
	assert.Equal(t, []quirks.Want{mineOff, {From: "/f", To: "/f.other", Package: "acme"}}, d.Wants)
	require.Len(t, d.Record.Done, 2)
	assert.Equal(t, "/f.other", d.Record.Done[0].Divert.To)
}

func TestStageOfActions(t *testing.T) {
	const body = `
    keep:
      when: {fips: true}
      do:
        - abort: {text: not with this kernel}
        - mirror: {from: /f, to: /none}
    cleanup:
      - {id: early, at: [pre-unpack], when: {fips: true}, do: [message: {text: early}]}
      - {id: late, when: {fips: true}, do: [trigger: {name: ldconfig}]}
`
	q, f := readOne(t, body), known()
	f.Relations[quirks.Pair{A: "/f", B: "/none"}] = quirks.Known(quirks.OneAbsent)
	for _, s := range quirks.Stages {
		d := quirks.Decide(q, f, nil, s)
		assert.Equal(t, s == quirks.PreUnpack, len(d.Abort) > 0, s)
		assert.Equal(t, s == quirks.PreUnpack, len(d.Say) > 0, s)
		assert.Equal(t, s.IsAtRest(), len(d.Trigger) > 0, s)
		assert.Equal(t, s != quirks.PreUnpack && s != quirks.UpgradeStart, len(d.Mirrors) > 0, s)
	}
}

// What leaves no trace is done once, and again when its condition came anew.
func TestCleanupIsDoneOnce(t *testing.T) {
	q := readOne(t, "    cleanup: [{id: c, when: {fips: true}, do: [trigger: {name: ldconfig}]}]\n")
	f := known()
	var r *quirks.Record
	step := func(fips quirks.Fact[bool]) int {
		f.FIPS = fips
		d := quirks.Decide(q, f, r, quirks.Boot)
		r = d.Record
		return len(d.Trigger)
	}
	assert.Equal(t, 1, step(quirks.Known(true)))
	assert.Equal(t, 0, step(quirks.Known(true)))
	assert.Equal(t, 0, step(quirks.NotKnown[bool]("")))
	assert.Equal(t, 0, step(quirks.Known(true)), "what could not be known forgets nothing")
	assert.Equal(t, 0, step(quirks.Known(false)))
	assert.Nil(t, r)
	assert.Equal(t, 1, step(quirks.Known(true)))
}

// With koweld a package's file comes back to where dpkg lists it, also from where dpkg
// has it by the other spelling; where that spelling alone was protected nothing moves.
func TestTakeBackOfOtherSpellings(t *testing.T) {
	const from, to = "/usr/lib/f", "/usr/lib/f.distrib"
	owned := func(kind quirks.Kind, owners ...quirks.Owner) quirks.Path { return path(kind, "aa", owners...) }
	aliased := quirks.Owner{Package: "tool", As: "/lib/f", Version: "1.5"}
	holders := quirks.Owner{Package: "acme", As: "/lib/f", Version: "1"}
	tests := []struct {
		name     string
		done     quirks.Diverted
		from, to quirks.Path
		stage    quirks.Stage
		back     bool
	}{
		{"it has it by the other spelling", quirks.Diverted{}, owned(quirks.File, aliased), owned(quirks.NoFile), quirks.TakeBack, true},
		{"the name is empty", quirks.Diverted{}, owned(quirks.NoFile, aliased), owned(quirks.NoFile), quirks.TakeBack, true},
		{"koweld stays", quirks.Diverted{}, owned(quirks.File, aliased), owned(quirks.NoFile), quirks.Manual, false},
		{"the holder's own", quirks.Diverted{}, owned(quirks.File, holders), owned(quirks.NoFile), quirks.TakeBack, false},
		{"nobody's", quirks.Diverted{}, owned(quirks.File), owned(quirks.NoFile), quirks.TakeBack, false},
		{"there is a file of another at the target", quirks.Diverted{}, owned(quirks.File, aliased), owned(quirks.File), quirks.TakeBack, false},
		{"what is there is not known", quirks.Diverted{}, quirks.Path{Owners: quirks.Known([]quirks.Owner{aliased})}, owned(quirks.NoFile), quirks.TakeBack, false},
		{"a protected one", quirks.Diverted{Protected: true}, owned(quirks.File, quirks.Owner{Package: "tool", As: from, Version: "1.5"}), owned(quirks.File), quirks.TakeBack, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := known()
			done := tt.done
			done.From, done.To, done.Package, done.Target, done.Stale = from, to, "acme", quirks.Leave, quirks.Leave
			f.Diversions = quirks.Known([]quirks.Diversion{{From: from, To: to, Package: "acme"}})
			f.Paths[from], f.Paths[to] = tt.from, tt.to
			r := &quirks.Record{Quirk: "x", Done: []quirks.Done{{Divert: &done}}}
			d := quirks.Decide(nil, f, r, tt.stage)
			require.Len(t, d.Wants, 1)
			assert.Equal(t, tt.back, !d.Wants[0].NoMove)
			assert.Equal(t, tt.back, d.Wants[0].Save)
		})
	}
}

// What dpkg is going to bring is not there at the end of the run before, which is made
// up for then.
func TestCleanupAtTheEndIsNotOfWhatComes(t *testing.T) {
	const body = `
    cleanup:
      - {id: late, at: [transaction-end], when: {package: {name: tool, view: effective, version: {ge: "2"}}}, do: [trigger: {name: ldconfig}]}
      - {id: early, at: [pre-unpack], when: {package: {name: tool, view: effective, version: {ge: "2"}}}, do: [message: {text: early}]}
      - {id: now, at: [transaction-end], when: {package: {name: tool, view: effective, version: {lt: "2"}}}, do: [message: {text: old}]}
`
	q, f := readOne(t, body), known()
	end := quirks.Decide(q, f, nil, quirks.TransactionEnd)
	assert.Empty(t, end.Trigger, "it is not unpacked yet")
	assert.Empty(t, end.Say, "it goes")
	begin := quirks.Decide(q, f, end.Record, quirks.PreUnpack)
	assert.Equal(t, []quirks.Message{{Level: "info", Text: "early"}}, begin.Say)
	f.Packages["tool"] = quirks.Known([]quirks.Instance{{Arch: "amd64", Status: "installed", Version: "2.0"}})
	f.Incoming = quirks.Changes{}
	end = quirks.Decide(q, f, begin.Record, quirks.TransactionEnd)
	assert.Equal(t, []string{"ldconfig"}, end.Trigger)
}

func TestMirror(t *testing.T) {
	q := readOne(t, "    keep: {when: {fips: true}, do: [mirror: {from: /f, to: /copy}]}\n")
	f := known()
	f.Paths["/copy"] = path(quirks.NoFile, "")
	f.Relations[quirks.Pair{A: "/f", B: "/copy"}] = quirks.Known(quirks.Distinct)
	d := quirks.Decide(q, f, nil, quirks.Manual)
	want := quirks.MirrorWant{From: "/f", To: "/copy", SHA256: digest("aa")}
	require.Equal(t, []quirks.MirrorWant{want}, d.Mirrors)
	r := d.Record
	require.NotNil(t, r)

	f.Paths["/copy"] = path(quirks.File, "aa")
	d = quirks.Decide(q, f, r, quirks.Manual)
	assert.Empty(t, d.Mirrors, "it is there")
	assert.Equal(t, r, d.Record)

	assert.Equal(t, quirks.Refused, quirks.Decide(q, f, nil, quirks.Manual).State, "it is somebody's")

	f.Paths["/f"] = path(quirks.File, "new")
	d = quirks.Decide(q, f, r, quirks.Manual)
	require.Len(t, d.Mirrors, 1, "the file has changed")
	assert.Equal(t, digest("new"), d.Mirrors[0].SHA256)
	assert.Equal(t, digest("aa"), d.Mirrors[0].Was)

	linked := readOne(t, "    keep: {when: {fips: true}, do: [mirror: {from: /f, to: /copy, mode: hardlink}]}\n")
	f.Paths["/f"] = path(quirks.File, "aa")
	assert.Len(t, quirks.Decide(linked, f, r, quirks.Manual).Mirrors, 1, "a link instead of the copy")
	f.Paths["/f"] = path(quirks.File, "new")

	f.FIPS = quirks.Known(false)
	d = quirks.Decide(q, f, r, quirks.Manual)
	want.Absent = true
	assert.Equal(t, []quirks.MirrorWant{want}, d.Mirrors)
	assert.Nil(t, d.Record)

	f.Paths["/copy"] = path(quirks.File, "by hand")
	d = quirks.Decide(q, f, r, quirks.Manual)
	assert.Empty(t, d.Mirrors)
	assert.Equal(t, []quirks.Message{{Level: "info", Text: "/copy has been changed, and stays"}}, d.Say)

	f.Paths["/copy"] = quirks.Path{}
	d = quirks.Decide(q, f, r, quirks.Manual)
	assert.Equal(t, quirks.Unsure, d.State)
	assert.Equal(t, r, d.Record)

	f.FIPS = quirks.Known(true)
	f.Paths["/f"] = path(quirks.NoFile, "")
	assert.Equal(t, quirks.Refused, quirks.Decide(q, f, nil, quirks.Manual).State, "there is nothing to copy")
}

// What has become a package's, or the file itself, is no copy of ours any more.
func TestMirrorThatIsOurs(t *testing.T) {
	q := readOne(t, "    keep: {when: {fips: true}, do: [mirror: {from: /f, to: /copy}]}\n")
	shipped := path(quirks.File, "aa", quirks.Owner{Package: "tool", As: "/copy", Version: "2.0"})
	dark := path(quirks.File, "aa")
	dark.Owners = quirks.NotKnown[[]quirks.Owner]("dpkg-query failed")
	unread := path(quirks.File, "aa")
	unread.SHA256 = quirks.NotKnown[string]("EIO")
	relation := func(r quirks.Relation) func(f *quirks.Facts) {
		return func(f *quirks.Facts) { f.Relations[quirks.Pair{A: "/f", B: "/copy"}] = quirks.Known(r) }
	}
	tests := []struct {
		name   string
		to     quirks.Path
		change func(f *quirks.Facts)
		keeps  quirks.State // while its condition holds
		ends   quirks.State // when it does not
		goes   bool
		record bool // then
	}{
		{"it is ours", path(quirks.File, "aa"), nil, quirks.Held, quirks.Idle, true, false},
		{"it has been changed", path(quirks.File, "by hand"), nil, quirks.Refused, quirks.Idle, false, false},
		{"its bytes are not known", unread, nil, quirks.Refused, quirks.Unsure, false, true},
		{"a package ships it", shipped, nil, quirks.Refused, quirks.Idle, false, false},
		{"a package ships it, and has its file elsewhere", shipped, func(f *quirks.Facts) {
			f.Diversions.Value = append(f.Diversions.Value, quirks.Diversion{From: "/copy", To: "/copy.real"})
		}, quirks.Held, quirks.Idle, true, false},
		{"owners are not known", dark, nil, quirks.Refused, quirks.Unsure, false, true},
		{"it is the file itself", path(quirks.File, "aa"), relation(quirks.SameEntry), quirks.Refused, quirks.Idle, false, false},
		{"it may be the file itself", path(quirks.File, "aa"), func(f *quirks.Facts) { clear(f.Relations) }, quirks.Refused, quirks.Unsure, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := known()
			f.Paths["/copy"] = path(quirks.NoFile, "")
			relation(quirks.OneAbsent)(f)
			r := quirks.Decide(q, f, nil, quirks.Manual).Record
			require.NotNil(t, r)
			f.Paths["/copy"] = tt.to
			relation(quirks.Distinct)(f)
			if tt.change != nil {
				tt.change(f)
			}
			assert.Equal(t, tt.keeps, quirks.Decide(q, f, r, quirks.Manual).State)
			f.FIPS = quirks.Known(false)
			d := quirks.Decide(q, f, r, quirks.Manual)
			assert.Equal(t, tt.ends, d.State)
			assert.Equal(t, tt.goes, len(d.Mirrors) > 0)
			assert.Equal(t, tt.record, d.Record != nil)
		})
	}
}

func TestRemoveStale(t *testing.T) {
	const stale, keep = "/lib/s", "/usr/lib/s"
	owned := func(p quirks.Path, pkg, as string) quirks.Path {
		p.Owners = quirks.Known([]quirks.Owner{{Package: pkg, As: as, Version: "1"}})
		return p
	}
	set := func(name string, p quirks.Path) func(f *quirks.Facts) {
		return func(f *quirks.Facts) { f.Paths[name] = p }
	}
	related := func(r quirks.Relation) func(f *quirks.Facts) {
		return func(f *quirks.Facts) { f.Relations[quirks.Pair{A: stale, B: keep}] = quirks.Known(r) }
	}
	wrong := path(quirks.File, "keep")
	wrong.Verified = quirks.Known(false)
	unverified := path(quirks.File, "keep")
	unverified.Verified = quirks.NotKnown[bool]("no package has md5sums")
	tests := []struct {
		name   string
		action string
		change func(f *quirks.Facts)
		cannot string // "" if it is removed
	}{
		{"two files", "", nil, ""},
		{"the same bytes", "", set(stale, path(quirks.File, "keep")), ""},
		{"a hard link", "", related(quirks.HardLink), ""},
		{"one place", "", related(quirks.SameEntry), "they are same-entry"},
		{"one mounted on the other", "", related(quirks.Mounted), "they are mounted"},
		{"a link to the good one", "", func(f *quirks.Facts) {
			f.Paths[stale] = path(quirks.Symlink, "")
			related(quirks.LinkTo)(f)
		}, ""},
		{"the good one is a link to it", "", func(f *quirks.Facts) {
			f.Paths[keep] = path(quirks.Symlink, "")
			related(quirks.LinkFrom)(f)
		}, "they are link-from"},
		{"links that lead nowhere", "", related(quirks.BrokenLink), "they are broken"},
		{"relation not known", "", func(f *quirks.Facts) { clear(f.Relations) }, "it was not looked at"},
		{"a folder", "", set(stale, path(quirks.Dir, "")), "it is a folder"},
		{"the good one is missing", "", func(f *quirks.Facts) {
			f.Paths[keep] = path(quirks.NoFile, "")
			related(quirks.OneAbsent)(f)
		}, "they are absent"},
		{"the good one is not good", "", set(keep, wrong), "it has others"},
		{"the good one cannot be verified", "", set(keep, unverified), "no package has md5sums"},
		{"it need not be verified", ", verify: false", set(keep, wrong), ""},
		{"a package's file", "", set(stale, owned(path(quirks.File, "stale"), "tool", stale)), "tool does"},
		{"a package's file that is diverted", "", func(f *quirks.Facts) {
			f.Paths[stale] = owned(path(quirks.File, "stale"), "tool", stale)
			f.Diversions.Value = append(f.Diversions.Value, quirks.Diversion{From: stale, To: keep})
		}, ""},
		{"a package's file by a diversion", "", func(f *quirks.Facts) {
			f.Diversions.Value = append(f.Diversions.Value, quirks.Diversion{From: "/lib/z", To: stale, Package: "z"})
		}, "/lib/z is diverted to it by z"},
		{"owners not known", "", func(f *quirks.Facts) {
			p := path(quirks.File, "stale")
			p.Owners = quirks.NotKnown[[]quirks.Owner]("dpkg-query failed")
			f.Paths[stale] = p
		}, "dpkg-query failed"},
		{"bytes that must differ", ", content: differs", nil, ""},
		{"bytes that must differ and do not", ", content: differs", set(stale, path(quirks.File, "keep")), "they do not"},
		{"known bytes", ", content: 'sha256:" + digest("5ta1e") + "'", set(stale, path(quirks.File, "5ta1e")), ""},
		{"other than the known bytes", ", content: 'sha256:" + digest("5ta1e") + "'", nil, "it has " + digest("stale")},
		{"bytes not known", "", func(f *quirks.Facts) {
			p := f.Paths[stale]
			p.SHA256 = quirks.NotKnown[string]("EIO")
			f.Paths[stale] = p
		}, "EIO"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := readOne(t, "    cleanup: [{id: c, when: {fips: true}, do: [remove_stale: {path: "+stale+", keep: "+keep+tt.action+"}]}]\n")
			f := known()
			f.Paths[stale], f.Paths[keep] = path(quirks.File, "stale"), path(quirks.File, "keep")
			related(quirks.Distinct)(f)
			if tt.change != nil {
				tt.change(f)
			}
			d := quirks.Decide(q, f, nil, quirks.Boot)
			if tt.cannot == "" {
				require.Empty(t, d.Cannot)
				require.Len(t, d.Remove, 1)
				assert.Equal(t, stale, d.Remove[0].Path)
				assert.Equal(t, digest("keep"), d.Remove[0].KeepSHA256)
				return
			}
			assert.Empty(t, d.Remove)
			require.Len(t, d.Cannot, 1)
			assert.Equal(t, "c", d.Cannot[0].Cleanup)
			assert.Contains(t, strings.Join(d.Lines(), "\n"), tt.cannot)
		})
	}
	t.Run("nothing is there", func(t *testing.T) {
		q := readOne(t, "    cleanup: [{id: c, when: {fips: true}, do: [remove_stale: {path: "+stale+", keep: "+keep+"}]}]\n")
		f := known()
		f.Paths[stale] = path(quirks.NoFile, "")
		d := quirks.Decide(q, f, nil, quirks.Boot)
		assert.True(t, d.IsQuiet(f))
	})
}

func TestRelease(t *testing.T) {
	const body = "    cleanup: [{id: c, when: {fips: true}, do: [release: {from: /x, to: /x.away, holder: 'package:%s', move: auto}]}]\n"
	tests := []struct {
		name   string
		holder string
		have   []quirks.Diversion
		wants  []quirks.Want
		cannot string
	}{
		{"its holder is gone", "gone", []quirks.Diversion{{From: "/x", To: "/x.away", Package: "gone"}}, []quirks.Want{{From: "/x", To: "/x.away", Package: "gone", Absent: true, Save: true}}, ""},
		{"there is none", "gone", nil, nil, ""},
		{"of another", "gone", []quirks.Diversion{{From: "/x", To: "/x.away", Package: "tool"}}, nil, ""},
		{"to elsewhere", "gone", []quirks.Diversion{{From: "/x", To: "/x.other", Package: "gone"}}, nil, ""},
		{"its holder is there", "tool", []quirks.Diversion{{From: "/x", To: "/x.away", Package: "tool"}}, nil, "required is that not that tool will be there: 2.0, incoming"},
		{"its holder has conffiles only", "conf", []quirks.Diversion{{From: "/x", To: "/x.away", Package: "conf"}}, []quirks.Want{{From: "/x", To: "/x.away", Package: "conf", Absent: true, Save: true}}, ""},
		{"its holder is not known", "never", []quirks.Diversion{{From: "/x", To: "/x.away", Package: "never"}}, nil, "it is not known whether never will be there: it was not looked at"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := readOne(t, strings.ReplaceAll(body, "%s", tt.holder))
			f := known()
			f.Diversions = quirks.Known(tt.have)
			d := quirks.Decide(q, f, nil, quirks.Boot)
			assert.Equal(t, tt.wants, d.Wants)
			if tt.cannot != "" {
				assert.Contains(t, strings.Join(d.Lines(), "\n"), tt.cannot)
			}
		})
	}
}

func TestShippedQuirks(t *testing.T) {
	for _, src := range shipped(t) {
		all, err := quirks.Parse(src, host)
		require.NoError(t, err, src.File)
		for _, q := range all {
			assert.Equal(t, src.File, q.ID+".yaml")
			assert.Equal(t, "koweld", q.Package)
			assert.NotEmpty(t, q.RetireAfter, "%s goes some day", q.ID)
			d := quirks.Decide(q, known(), nil, quirks.Manual)
			last, err := time.Parse(time.DateOnly, q.RetireAfter)
			require.NoError(t, err)
			assert.False(t, d.Retired(last))
			assert.True(t, d.Retired(last.AddDate(0, 0, 1)))
		}
	}
}

// The diversion of /lib64 by base-files, whose target trixie's does not know.
func TestBaseFilesLib64(t *testing.T) {
	was := quirks.Diversion{From: "/lib64", To: "/lib64.usr-is-merged", Package: "base-files"}
	is := quirks.Diversion{From: "/lib64", To: "/.lib64.usr-is-merged", Package: "base-files"}
	w := newWorld(t, shipped(t)...)
	w.os, w.merged, w.usr = quirks.OS{ID: "debian", Codename: "bookworm"}, true, "merged"
	w.ship("base-files", "12.4+deb12u11", map[string]string{"/etc/debian_version": "12"})
	w.ship("base-files", "13.8+deb13u1", map[string]string{"/etc/debian_version": "13"})
	w.install("base-files", "12.4+deb12u11")
	w.diversions = []quirks.Diversion{was}
	assert.Empty(t, w.quiet(quirks.Boot), "bookworm's knows it")
	w.incoming = quirks.Changes{Complete: true, List: []quirks.Change{{Package: "base-files", Version: "13.8+deb13u1"}}}
	assert.Equal(t, []string{"divert " + is.String() + ", and no longer to /lib64.usr-is-merged"}, w.quiet(quirks.PreUnpack))
	assert.Equal(t, []quirks.Diversion{is}, w.diversions)
	assert.Empty(t, w.quiet(quirks.PreUnpack))
	assert.Empty(t, w.records, "it is base-files' as before")

	// Its postinst has failed already.
	w.toldNothing()
	w.diversions = []quirks.Diversion{was}
	require.NoError(t, w.unpack("base-files", "13.8+deb13u1"))
	w.packages["base-files"].status = "half-configured"
	assert.Len(t, w.quiet(quirks.TransactionEnd), 1)
	assert.Equal(t, []quirks.Diversion{is}, w.diversions)
}

// gzip's programs, which it has diverted for zutils, when zutils is gone.
func TestZutilsOrphans(t *testing.T) {
	w := newWorld(t, shipped(t)...)
	w.os, w.merged, w.usr = quirks.OS{ID: "debian", Codename: "trixie"}, true, "merged"
	w.ship("zutils", "1.12-2", map[string]string{"/bin/zcat": "of zutils"})
	w.ship("gzip", "1.13-1", map[string]string{"/usr/bin/zcat": "of gzip"})
	w.install("zutils", "1.12-2")
	orphan := quirks.Diversion{From: "/usr/bin/zcat", To: "/usr/bin/zcat.usr-is-merged", Package: "zutils"}
	w.diversions = []quirks.Diversion{orphan}
	w.install("gzip", "1.13-1")
	require.Equal(t, "of gzip", w.files[orphan.To])
	assert.Empty(t, w.quiet(quirks.TransactionEnd), "zutils is there")
	w.remove("zutils")
	w.incoming = quirks.Changes{List: []quirks.Change{{Package: "zutils", Version: "1.14-4"}}}
	assert.Empty(t, w.quiet(quirks.Manual), "it comes back")
	w.toldNothing()
	assert.Equal(t, []string{"no longer divert " + orphan.String()}, w.quiet(quirks.TransactionEnd))
	assert.Equal(t, "of gzip", w.files["/usr/bin/zcat"])
	assert.Empty(t, w.quiet(quirks.TransactionEnd))
}

func TestExplain(t *testing.T) {
	w := newLP(t)
	w.told(broken)
	var text strings.Builder
	var list []quirks.Decision
	add := func(all []quirks.Decision) {
		for _, d := range all {
			text.WriteString(d.Explain() + "\n")
			list = append(list, d)
		}
	}
	add(w.reconcile(quirks.PreUnpack))
	w.toldNothing()
	w.install(hmac, broken)
	w.install("libgcrypt20", broken)
	add(w.reconcile(quirks.TransactionEnd))
	w.packages[hmac].status = "half-installed"
	w.hidden[oldLib] = true
	add(w.reconcile(quirks.Boot))
	w.packages[hmac].status = "installed"
	w.diversions = []quirks.Diversion{{From: oldHmac, To: "/elsewhere", Package: "theirs"}}
	add(w.reconcile(quirks.Manual))
	w.usr = "converting"
	add(w.reconcile(quirks.Manual))
	golden(t, "explain.golden", text.String())
	data, err := json.MarshalIndent(list, "", "  ")
	require.NoError(t, err)
	golden(t, "explain.json", string(data)+"\n")
}
