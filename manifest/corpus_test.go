package manifest_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/manifest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// host is what the corpus is read with.
var host = manifest.Vars{Arch: "amd64", Multiarch: "x86_64-linux-gnu", Dir: "/usr/share/koweld/manifests"}

// document is a manifest of the corpus.
type document struct {
	name string // file name in its folder
	data []byte
}

// corpus is testdata/good or testdata/bad. What a manifest must give is in
// NAME.golden beside it: its full form, or its errors.
func corpus(t testing.TB, folder string) []document {
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var docs []document
	for _, p := range paths {
		data, err := os.ReadFile(p)
		require.NoError(t, err)
		docs = append(docs, document{filepath.Base(p), data})
	}
	return docs
}

// golden compares got with the file beside a document of the corpus.
func golden(t *testing.T, folder, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", folder, strings.TrimSuffix(name, ".yaml")+".golden")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestGoodManifestsExpand(t *testing.T) {
	for _, doc := range corpus(t, "good") {
		t.Run(doc.name, func(t *testing.T) {
			m, err := manifest.Parse(doc.name, doc.data, host)
			require.NoError(t, err)
			full, err := m.Expand()
			require.NoError(t, err)
			golden(t, "good", doc.name, string(full))
		})
	}
}

func TestBadManifestsSayWhy(t *testing.T) {
	for _, doc := range corpus(t, "bad") {
		t.Run(doc.name, func(t *testing.T) {
			m, err := manifest.Parse(doc.name, doc.data, host)
			require.Error(t, err)
			assert.Nil(t, m)
			golden(t, "bad", doc.name, err.Error()+"\n")
		})
	}
}
