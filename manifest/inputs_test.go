package manifest_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/manifest"
)

func TestInputsAreWhatTheManifestReads(t *testing.T) {
	data, err := os.ReadFile("testdata/good/inputs.yaml")
	require.NoError(t, err)
	m, err := manifest.Parse("inputs.yaml", data, host)
	require.NoError(t, err)
	assert.Equal(t, []string{"acme-kmod-legacy", "acme-dkms"}, m.Replaces)

	const sum = "9ab0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9e"
	const objects = "/usr/share/koweld/manifests/"
	assert.Equal(t, manifest.Content{SHA256: sum, Size: 6848, Pos: manifest.Pos{Line: 22, Column: 3}}, m.Inputs[objects+"core.o"])
	assert.Equal(t, manifest.Content{SHA256: sum, Size: 4, Pos: manifest.Pos{Line: 27, Column: 3}}, m.Inputs["/usr/share/acme/whole.ko.xz"])
	want := []string{
		"/usr/lib/linux-signatures/acme.ko.sig",
		"/usr/lib/linux-signatures/by_recipe.ko.sig",
		"/usr/lib/linux-signatures/signer.pem",
		"/usr/lib/linux-signatures/whole.ko.sig",
		"/usr/share/acme/whole.ko.xz",
		objects + "acme.conf", objects + "core.o", objects + "glue.o",
		objects + "module.lds", objects + "r.o", objects + "r.recipe",
	}
	assert.Equal(t, want, m.Reads())
	listed := slices.DeleteFunc(want, func(name string) bool {
		return strings.HasSuffix(name, "by_recipe.ko.sig") || strings.HasSuffix(name, "whole.ko.sig")
	})
	assert.Equal(t, listed, slices.Sorted(maps.Keys(m.Inputs)))
}

func TestReadsOfAWayAreInItsOrder(t *testing.T) {
	link := manifest.Form{Link: []manifest.Input{
		{Name: "b.o", Objects: []manifest.Input{{Object: "/z.o"}, {Name: "c.o", Objects: []manifest.Input{{Object: "/y.o"}}}}},
		{Object: "/a.o"},
	}}
	assert.Equal(t, []string{"/z.o", "/y.o", "/a.o"}, link.Reads(nil))
	assert.Equal(t, []string{"/z.o", "/y.o", "/a.o"}, link.Reads(&manifest.Linker{}))
	assert.Equal(t, []string{"/z.o", "/y.o", "/a.o", "/m.lds"}, link.Reads(&manifest.Linker{Script: "/m.lds"}))
	recipe := manifest.Form{Recipe: "/r", Inputs: []string{"/b.o", "/a.o"}}
	assert.Equal(t, []string{"/r", "/b.o", "/a.o"}, recipe.Reads(&manifest.Linker{Script: "/m.lds"}))
}
