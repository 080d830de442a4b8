package manifest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/manifest"
)

// diverting parses a manifest with these diversions.
func diverting(t *testing.T, items string) ([]manifest.Divert, error) {
	t.Helper()
	m, err := manifest.Parse("m.yaml", withModule("diverts:\n"+items), host)
	if err != nil {
		return nil, err
	}
	return m.Diverts, nil
}

func TestDivertsGiveEveryField(t *testing.T) {
	got, err := diverting(t, `
  - {id: a, from: "/usr/lib/${multiarch}/a", to: "${from}.x-${kernel}", ship: false, move: never, alias: none, since: 1:2~3-4, on_conflict: fail}
  - {id: b, from: /sbin/b, until: 1.0-1}
`)
	require.NoError(t, err)
	assert.Equal(t, []manifest.Divert{
		{
			ID: "a", From: "/usr/lib/x86_64-linux-gnu/a", To: "/usr/lib/x86_64-linux-gnu/a.x-6.1.0-42-amd64",
			Move: manifest.MoveNever, Alias: manifest.AliasNone, Since: "1:2~3-4", OnConflict: manifest.ConflictFail, Pos: manifest.Pos{Line: 3, Column: 5},
		},
		{
			ID: "b", From: "/sbin/b", To: "/sbin/b.distrib", Ship: true,
			Move: manifest.MoveAuto, Alias: manifest.AliasNone, Until: "1.0-1", OnConflict: manifest.ConflictSave, Pos: manifest.Pos{Line: 4, Column: 5},
		},
	}, got)
}

func TestTheOtherSpellingOfADivert(t *testing.T) {
	tests := []struct{ name, item, twin string }{
		{"below /usr", "from: /usr/lib32/x", "/lib32/x"},
		{"not wanted", "from: /usr/bin/x, alias: none", ""},
		{"of no aliased folder", "from: /usr/share/x", ""},
		{"aliased itself", "from: /bin/x, until: 1-1, alias: auto", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := diverting(t, "  - {id: x, "+tt.item+"}\n")
			require.NoError(t, err)
			assert.Equal(t, tt.twin, got[0].Twin())
		})
	}
}

// One diversion may follow another at the same place: dpkg has one at a time.
func TestDivertsThatFollowEachOther(t *testing.T) {
	tests := []struct {
		name, first, second string
		fails               bool
	}{
		{"at once", "from: /usr/bin/x, until: 2-1", "from: /usr/bin/x, to: /usr/bin/y, since: 2-1", false},
		{"the other way round", "from: /usr/bin/x, to: /usr/bin/y, since: 2-1", "from: /usr/bin/x, until: 2-1", false},
		{"by the other spelling", "from: /bin/x, to: /bin/x.real, until: 2-1", "from: /usr/bin/x, to: /usr/bin/x.real, since: 2-1", false},
		{"after a while", "from: /usr/bin/x, until: 1.5-1", "from: /usr/bin/x, since: 2-1", false},
		{"both of the past", "from: /usr/bin/x, until: 1.5-1", "from: /usr/bin/x, since: 2-1, until: 3-1", false},
		{"at the same time", "from: /usr/bin/x, until: 2-1.1", "from: /usr/bin/x, since: 2-1", true},
		{"nobody knows when", "from: /usr/bin/x, until: 2-1", "from: /usr/bin/x", true},
		{"not at all", "from: /usr/bin/x, since: 2-1", "from: /usr/bin/x, since: 3-1", true},
		{"the target of the other", "from: /usr/bin/x, until: 2-1", "from: /usr/bin/x.distrib, since: 2-1", true},
		{"the target of the other, both of the past", "from: /usr/bin/x, until: 2-1", "from: /usr/bin/x.distrib, since: 2-1, until: 3-1", false},
		{"a target of both", "from: /usr/bin/x, to: /usr/bin/z", "from: /usr/bin/y, to: /usr/bin/z", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := diverting(t, "  - {id: a, "+tt.first+"}\n  - {id: b, "+tt.second+"}\n")
			if tt.fails {
				assert.ErrorContains(t, err, "is in two diversions")
			} else {
				assert.NoError(t, err)
			}
		})
	}
}

func TestDivertsMayBeNeeded(t *testing.T) {
	_, err := manifest.Parse("m.yaml", withModule("needs: ['diverts>=0.1']"), host)
	assert.NoError(t, err)
}
