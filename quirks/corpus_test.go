package quirks_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/quirks"
)

var update = flag.Bool("update", false, "write the golden files anew")

// host is what the corpus is read for.
var host = quirks.Host{
	Arch:    quirks.Arch{Name: "amd64", Multiarch: "x86_64-linux-gnu"},
	Foreign: []quirks.Arch{{Name: "i386", Multiarch: "i386-linux-gnu"}},
}

// corpus are the documents in a folder of testdata.
func corpus(t testing.TB, folder string) []quirks.Source {
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var all []quirks.Source
	for _, p := range paths {
		data, err := os.ReadFile(p)
		require.NoError(t, err)
		name := filepath.Base(p)
		all = append(all, quirks.Source{File: name, Data: data, Admin: name == "admin.yaml"})
	}
	return all
}

// shipped are the documents that come with koweld.
func shipped(t testing.TB) []quirks.Source {
	paths, err := filepath.Glob("shipped/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var all []quirks.Source
	for _, p := range paths {
		data, err := os.ReadFile(p)
		require.NoError(t, err)
		all = append(all, quirks.Source{File: filepath.Base(p), Data: data})
	}
	return all
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestBadDocumentsSayWhy(t *testing.T) {
	for _, src := range corpus(t, "bad") {
		t.Run(src.File, func(t *testing.T) {
			all, err := quirks.Parse(src, host)
			require.Error(t, err)
			assert.Nil(t, all)
			golden(t, "bad/"+strings.TrimSuffix(src.File, ".yaml")+".golden", err.Error()+"\n")
			wellFormed(t, err)
		})
	}
}

// wellFormed checks what holds for each error of Parse.
func wellFormed(t testing.TB, err error) {
	var needs *quirks.NeedsError
	if errors.As(err, &needs) {
		assert.NotEmpty(t, needs.Feature)
		assert.NotEmpty(t, needs.Hint())
		return
	}
	var list *quirks.ParseError
	require.ErrorAs(t, err, &list)
	require.NotEmpty(t, list.Faults)
	assert.NotEmpty(t, list.Hint())
	for _, e := range list.Faults {
		assert.NotEmpty(t, e.Msg)
		assert.Positive(t, e.Pos.Line)
		assert.Positive(t, e.Pos.Column)
	}
}

func TestGoodDocumentsAreRead(t *testing.T) {
	for _, src := range corpus(t, "good") {
		t.Run(src.File, func(t *testing.T) {
			all, err := quirks.Parse(src, host)
			require.NoError(t, err)
			golden(t, "good/"+strings.TrimSuffix(src.File, ".yaml")+".golden", describe(all))
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		for _, src := range corpus(f, folder) {
			f.Add(src.Data, src.Admin)
		}
	}
	for _, src := range shipped(f) {
		f.Add(src.Data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, admin bool) {
		all, err := quirks.Parse(quirks.Source{File: "fuzz.yaml", Data: data, Admin: admin}, host)
		if err != nil {
			wellFormed(t, err)
			return
		}
		// What was read can be decided, whatever is known: here nothing is.
		for _, q := range all {
			for _, s := range quirks.Stages {
				d := quirks.Decide(q, &quirks.Facts{}, nil, s)
				assert.Equal(t, quirks.Deferred, d.State)
				assert.Nil(t, d.Record)
				assert.Empty(t, d.Wants)
				assert.NotEmpty(t, d.Explain())
			}
		}
	})
}
