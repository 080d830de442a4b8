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

func TestInputFilesSayWhatEachIsFor(t *testing.T) {
	const text = `koweld: 1
package: acme
kernel: "6.1"
signers: [{certificate: /s/signer.pem, sha256: 9ab0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9e}]
linker: {script: /o/m.lds, recorded: {name: GNU ld, version: "2.40", path: /opt/ld}}
modules:
  - name: a
    form:
      - {recipe: /o/a.recipe, inputs: [/o/z.o, /o/a.o]}
      - link: [/o/a.o, {name: b.o, objects: [/o/z.o]}]
      - whole: /o/a.ko
    image: {sha256: 9ab0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9e, size: 1}
    signature: /s/a.sig
    install: a.ko
files: [{source: /o/a.o, install: /etc/x, mode: "0644"}]
`
	m, err := manifest.Parse("roles.yaml", []byte(text), host)
	require.NoError(t, err)
	way := func(line int) manifest.Pos { return manifest.Pos{Line: line, Column: 9} }
	want := []manifest.InputFile{
		{"/o/a.ko", manifest.RoleWhole, way(11)},
		{"/o/a.o", manifest.RoleObject, way(9)},
		{"/o/a.o", manifest.RoleSource, manifest.Pos{Line: 15, Column: 9}},
		{"/o/a.recipe", manifest.RoleRecipe, way(9)},
		{"/o/m.lds", manifest.RoleScript, way(10)},
		{"/o/z.o", manifest.RoleObject, way(9)},
		{"/opt/ld", manifest.RoleLinker, manifest.Pos{Line: 5, Column: 9}},
		{"/s/a.sig", manifest.RoleSignature, manifest.Pos{Line: 7, Column: 5}},
		{"/s/signer.pem", manifest.RoleCertificate, manifest.Pos{Line: 4, Column: 11}},
	}
	assert.Equal(t, want, m.InputFiles())
	assert.NotContains(t, m.Reads(), "/opt/ld")

	m, err = manifest.Parse("roles.yaml", []byte(strings.Replace(text, "      - link: [/o/a.o, {name: b.o, objects: [/o/z.o]}]\n", "", 1)), host)
	require.NoError(t, err)
	for _, in := range m.InputFiles() {
		assert.NotContains(t, []manifest.Role{manifest.RoleLinker, manifest.RoleScript}, in.Role, "nothing is linked")
	}
}

func TestFeaturesAreTheNeeds(t *testing.T) {
	m := manifest.Manifest{Needs: []string{"diversions>=2.1~", "more"}}
	assert.Equal(t, []manifest.Feature{{"diversions", "2.1~"}, {"more", ""}}, m.Features())
	assert.Equal(t, []manifest.Feature{}, (&manifest.Manifest{}).Features())
}

func TestModuleFilesAreThoseThatDepmodTakes(t *testing.T) {
	for name, want := range map[string]bool{
		"/m/a.ko": true, "a.ko.gz": true, "a.ko.xz": true, "a.ko.zst": true,
		"a.ko.bz2": false, "a.ko.sig": false, "a.k": false, "ko": false, "a.ko.xz.koweld": false,
	} {
		assert.Equal(t, want, manifest.IsModuleFile(name), name)
	}
}
