package quirks_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/quirks"
)

// later is a record with keys of a later koweld.
const later = `{
  "koweld": 1,
  "quirk": "x",
  "done": [
    {
      "divert": {
        "from": "/a",
        "to": "/b",
        "target": "move-back",
        "colour": "blue"
      },
      "since": 4
    },
    {
      "teleport": {
        "to": "mars"
      }
    }
  ],
  "left": [
    {
      "path": "/c",
      "sha256": "00",
      "why": "so"
    }
  ],
  "mood": "fine"
}
`

func TestRecordKeepsWhatItDoesNotKnow(t *testing.T) {
	r, err := quirks.DecodeRecord([]byte(later))
	require.NoError(t, err)
	data, err := quirks.EncodeRecord(r)
	require.NoError(t, err)
	assert.Equal(t, later, string(data))
}

// Of an action that a later koweld has done nothing is known, and it stays.
func TestUnknownActionStaysOnRecord(t *testing.T) {
	r, err := quirks.DecodeRecord([]byte(later))
	require.NoError(t, err)
	f := known()
	f.Diversions = quirks.Known([]quirks.Diversion{{From: "/a", To: "/b"}})
	d := quirks.Decide(nil, f, r, quirks.Boot)
	assert.Len(t, d.Wants, 1)
	require.NotNil(t, d.Record)
	require.Len(t, d.Record.Done, 1)
	assert.Contains(t, string(d.Record.Done[0].Unknown["teleport"]), "mars")
}

// What stays on record stays in its order, and once: else each occasion would write it
// anew.
func TestWhatStaysOnRecordStaysAsItIs(t *testing.T) {
	q := readOne(t, "    keep: {when: {fips: true}, do: [message: {text: holds}]}\n")
	f := known()
	f.Paths["/copy"], f.Paths["/copy2"] = quirks.Path{}, quirks.Path{}
	const data = `{"koweld": 1, "quirk": "x", "title": "t", "file": "x.yaml", "done": [
		{"said": {"text": "info: holds"}}, {"teleport": {"to": "mars"}}, {"teleport": {"to": "venus"}},
		{"mirror": {"from": "/f", "to": "/copy", "sha256": "00"}}, {"mirror": {"from": "/f", "to": "/copy2", "sha256": "00"}}]}`
	first, err := quirks.DecodeRecord([]byte(data))
	require.NoError(t, err)
	for _, of := range []*quirks.Quirk{q, nil} {
		once := quirks.Decide(of, f, first, quirks.Boot).Record
		require.NotNil(t, once)
		assert.Len(t, once.Done, len(first.Done))
		assert.Equal(t, once, quirks.Decide(of, f, once, quirks.Boot).Record)
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	for _, data := range []string{
		`{"koweld": 2, "quirk": "x"}`, `{"koweld": 1, "needs": ["teleport"], "quirk": "x"}`,
	} {
		_, err := quirks.DecodeRecord([]byte(data))
		assert.ErrorIs(t, err, quirks.ErrNewer, data)
	}
	for _, data := range []string{``, `[]`, `{"koweld": 1}`, `{"quirk": "x"}`, `{"koweld": 1, "quirk": 7}`} {
		_, err := quirks.DecodeRecord([]byte(data))
		require.Error(t, err, data)
		assert.NotErrorIs(t, err, quirks.ErrNewer)
		assert.True(t, strings.HasPrefix(err.Error(), "cannot read the record of a quirk: "), err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(later))
	f.Add([]byte(`{"koweld": 1, "quirk": "x", "once": ["a"], "done": [{"said": {"text": "a"}}, {"mirror": {"from": "/a", "to": "/b"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := quirks.DecodeRecord(data)
		if err != nil {
			return
		}
		once, err := quirks.EncodeRecord(r)
		require.NoError(t, err)
		again, err := quirks.DecodeRecord(once)
		require.NoError(t, err)
		twice, err := quirks.EncodeRecord(again)
		require.NoError(t, err)
		assert.Equal(t, string(once), string(twice))
		// It can be taken back, whatever it says.
		for _, s := range quirks.Stages {
			quirks.Decide(nil, known(), r, s)
		}
	})
}
