package quirks_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/quirks"
)

func doc(file, id, body string, admin bool) quirks.Source {
	return quirks.Source{File: file, Admin: admin, Data: []byte("koweld: 1\npackage: acme\nquirks:\n  - id: " + id + "\n    title: of " + file + "\n" + body)}
}

const says = "    keep: {when: {fips: true}, do: [message: {text: a}]}\n"

func TestTheAdministratorGoesFirst(t *testing.T) {
	set, err := quirks.Load([]quirks.Source{doc("/etc/a.yaml", "a", says, true), doc("/usr/a.yaml", "a", says, false), doc("/usr/b.yaml", "b", says, false)}, host)
	require.NoError(t, err)
	require.Len(t, set.Quirks, 2)
	assert.Equal(t, "/etc/a.yaml", set.Find("a").File)
	assert.Equal(t, "/usr/b.yaml", set.Find("b").File)
	assert.Nil(t, set.Find("c"))
}

func TestWhatAnUpgraderBringsGoesBeforeWhatIsShipped(t *testing.T) {
	brought := doc("/tmp/a.yaml", "a", says, false)
	brought.Carried = true
	set, err := quirks.Load([]quirks.Source{brought, doc("/usr/a.yaml", "a", says, false), doc("/usr/b.yaml", "b", says, false)}, host)
	require.NoError(t, err)
	require.Len(t, set.Quirks, 2)
	assert.Equal(t, "/tmp/a.yaml", set.Find("a").File)
	set, err = quirks.Load([]quirks.Source{doc("/etc/a.yaml", "a", says, true), brought}, host)
	require.NoError(t, err)
	assert.Equal(t, "/etc/a.yaml", set.Find("a").File)
}

func TestTheAdministratorSwitchesOffEveryArchitecture(t *testing.T) {
	each := "    each_architecture: true\n" + says
	set, err := quirks.Load([]quirks.Source{doc("/usr/a.yaml", "a", each, false)}, host)
	require.NoError(t, err)
	require.Len(t, set.Quirks, 2)
	assert.NotNil(t, set.Find("a"))
	assert.Equal(t, "i386", set.Find("a:i386").Arch)

	off := quirks.Source{File: "/etc/a.yaml", Admin: true, Data: []byte("koweld: 1\nquirks: [{id: a, off: true}]\n")}
	set, err = quirks.Load([]quirks.Source{doc("/usr/a.yaml", "a", each, false), off}, host)
	require.NoError(t, err)
	require.Len(t, set.Quirks, 1)
	assert.True(t, set.Quirks[0].Off)
	all := set.Decide(known(), []*quirks.Record{{Quirk: "a:i386", Done: []quirks.Done{{Said: &quirks.Said{Text: "info: a"}}}}}, quirks.Boot)
	require.Len(t, all, 2)
	assert.Equal(t, quirks.Gone, all[0].State)
	assert.Equal(t, quirks.Gone, all[1].State)
	assert.Nil(t, all[1].Record)
}

func TestTwoQuirksOfOneID(t *testing.T) {
	set, err := quirks.Load([]quirks.Source{doc("/usr/a.yaml", "a", says, false), doc("/usr/b.yaml", "a", says, false)}, host)
	var twice *quirks.TwiceError
	require.ErrorAs(t, err, &twice)
	assert.Equal(t, "cannot use the quirk a of /usr/b.yaml: /usr/a.yaml has one of this id", err.Error())
	assert.NotEmpty(t, twice.Hint())
	assert.Equal(t, "/usr/a.yaml", set.Find("a").File)
}

// A document that cannot be read may be that of a record: nothing is undone.
func TestRecordOfAnUnreadableDocument(t *testing.T) {
	f := known()
	r := &quirks.Record{Quirk: "x", Done: []quirks.Done{{Divert: &quirks.Diverted{From: "/d", To: "/d.real", Package: "other"}}}}
	set, err := quirks.Load([]quirks.Source{{File: "/usr/x.yaml", Data: []byte("koweld: [")}, doc("/usr/b.yaml", "b", says, false)}, host)
	require.Error(t, err)
	all := set.Decide(f, []*quirks.Record{r}, quirks.Boot)
	require.Len(t, all, 2)
	assert.Equal(t, quirks.Held, all[0].State, "the others are decided")
	assert.Equal(t, quirks.Unsure, all[1].State)
	assert.Contains(t, all[1].Why, "/usr/x.yaml")
	assert.Empty(t, all[1].Wants)
	assert.Same(t, r, all[1].Record)

	set, err = quirks.Load(nil, host)
	require.NoError(t, err)
	assert.Len(t, set.Decide(f, []*quirks.Record{r}, quirks.Boot)[0].Wants, 1)
}

func TestNeeds(t *testing.T) {
	set, err := quirks.Load(shipped(t), host)
	require.NoError(t, err)
	n := set.Needs([]*quirks.Record{{Quirk: "gone", Done: []quirks.Done{
		{Divert: &quirks.Diverted{From: "/q", To: "/r"}}, {Mirror: &quirks.Mirrored{From: "/s", To: "/t"}},
	}, Left: []quirks.Left{{Path: "/left", Package: "lefty"}}}})
	assert.Equal(t, []string{"base-files", "gzip", "lefty", hmac, "zutils"}, n.PackageNames())
	assert.True(t, n.OS)
	assert.False(t, n.FIPS)
	for _, name := range []string{"/q", "/r", "/t", "/left", oldHmac, newHmac} {
		assert.True(t, n.Paths[name].Hash, name)
	}
	assert.True(t, n.Paths[newHmac].Verify)
	assert.Contains(t, n.PathNames(), oldLib)
	assert.Contains(t, n.PairNames(), quirks.Pair{A: oldHmac, B: newHmac})

	// All that is asked for is enough: no leaf of a decision was not looked at.
	w := newLP(t)
	w.told(broken)
	for _, d := range w.reconcile(quirks.PreUnpack) {
		assert.NotContains(t, d.Explain(), "it was not looked at")
	}
}
