package manifest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pgregory.net/rapid"

	"koweld/manifest"
)

func TestParseGivesEveryField(t *testing.T) {
	data, err := os.ReadFile("testdata/good/links.yaml")
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	got, err := manifest.Parse("links.yaml", data, host)
	require.NoError(t, err)

	const objects = "/usr/lib/linux-objects/acme/"
	at := func(line, column int) manifest.Pos { return manifest.Pos{Line: line, Column: column} }
	want := &manifest.Manifest{
		File:       "links.yaml",
		SHA256:     hex.EncodeToString(sum[:]),
		Version:    1,
		Package:    "linux-modules-acme",
		Kernel:     "6.1.0-42-amd64",
		Objects:    "/usr/lib/linux-objects/acme",
		Signatures: "/usr/lib/linux-signatures/acme",
		Signers: []manifest.Signer{{
			Certificate: "/usr/lib/linux-signatures/acme/signer.pem",
			SHA256:      "5f3c6d1e0b9a48f7a2c1d0e3b4f59687786950f1e2d3c4b5a6978877665544ff",
			Pos:         at(8, 5),
		}},
		Linker: &manifest.Linker{
			Emulation: "aarch64linux",
			Script:    objects + "module.lds",
			Flags: []string{
				"-z", "noexecstack", "-z", "max-page-size=0x10000", "-znoseparate-code",
				"--build-id=0x0123456789abcdef", "--no-warn-rwx-segments", "--orphan-handling=warn",
				"--hash-style=gnu", "-EL", "--fix-cortex-a53-843419", "-S",
			},
			InnerFlags: []string{"-X", "--emit-relocs"},
			Recorded:   manifest.Recorded{Name: "GNU ld", Version: "2.40", Path: "/usr/bin/x86_64-linux-gnu-ld.bfd"},
			Pos:        at(10, 3),
		},
		Modules: []manifest.Module{{
			Name: "acme",
			Form: []manifest.Form{{
				Link: []manifest.Input{
					{Name: "outer.o", Pos: at(20, 13), Objects: []manifest.Input{
						{Name: "middle.o", Pos: at(22, 17), Objects: []manifest.Input{
							{Name: "inner.o", Pos: at(24, 21), Objects: []manifest.Input{
								{Object: objects + "a/core.o", Name: "core.o", Pos: at(25, 31)},
								{Object: objects + "b.o_binary", Name: "b.o_binary", Pos: at(25, 41)},
							}},
							{Object: objects + "c.o", Name: "c.o", Pos: at(26, 21)},
						}},
						{Object: "/usr/share/acme/core.o", Name: "core.o", Pos: at(27, 17)},
					}},
					{Object: objects + "acme.mod.o", Name: "acme.mod.o", Pos: at(28, 13)},
				},
				Pos: at(19, 9),
			}},
			Image:     manifest.Image{SHA256: "9ab0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9e", Size: 7},
			Signature: "/usr/lib/linux-signatures/acme/acme.ko.sig",
			Install:   "updates/acme.ko",
			Compress:  manifest.Zstd,
			Pos:       at(17, 5),
		}},
		After: manifest.After{Depmod: true, Initramfs: manifest.InitramfsAuto},
	}
	assert.Equal(t, want, got)
	assert.Equal(t, "updates/acme.ko.zst", got.Modules[0].Target())
}

// withModule is a manifest of one module and, above it, what head says.
func withModule(head string) []byte {
	const tail = `
koweld: 1
package: acme-kmod
kernel: 6.1.0-42-amd64
signers: [{certificate: signer.pem, sha256: 5f3c6d1e0b9a48f7a2c1d0e3b4f59687786950f1e2d3c4b5a6978877665544ff}]
modules:
  - name: acme
    form: [{whole: acme.ko}]
    image: {sha256: 9ab0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9e, size: 34567}
    install: updates/acme.ko
`
	return []byte(head + tail)
}

func TestFoldersDefaultToThatOfTheManifest(t *testing.T) {
	m, err := manifest.Parse("/host/root/m.yaml", withModule(""), manifest.Vars{Dir: "/usr/share/acme"})
	require.NoError(t, err)
	assert.Equal(t, "/usr/share/acme", m.Objects)
	assert.Equal(t, "/usr/share/acme", m.Signatures)
	assert.Equal(t, "/usr/share/acme/acme.ko", m.Modules[0].Form[0].Whole)
	assert.Equal(t, "/usr/share/acme/acme.ko.sig", m.Modules[0].Signature)
	assert.Equal(t, "/usr/share/acme/signer.pem", m.Signers[0].Certificate)
}

func TestFoldersAreNeededWhereThatOfTheManifestIsNotKnown(t *testing.T) {
	_, err := manifest.Parse("m.yaml", withModule(""), manifest.Vars{})
	assert.EqualError(t, err, "cannot read manifest: 2 errors\nm.yaml:2:1: objects: missing\nm.yaml:2:1: signatures: missing")
}

func TestFactsThatAreNotKnownAreErrors(t *testing.T) {
	for _, name := range []string{"arch", "multiarch"} {
		t.Run(name, func(t *testing.T) {
			data := withModule("objects: /usr/lib/${" + name + "}")
			_, err := manifest.Parse("m.yaml", data, manifest.Vars{Dir: "/d"})
			assert.EqualError(t, err, "cannot read manifest: m.yaml:1:10: objects: ${"+name+"} is not known here")
			_, err = manifest.Parse("m.yaml", data, host)
			assert.NoError(t, err)
		})
	}
}

func TestErrorsAreTyped(t *testing.T) {
	_, err := manifest.Parse("m.yaml", withModule("objects: a\nsignaturez: b"), host)
	var list manifest.ErrorList
	require.ErrorAs(t, err, &list)
	assert.Equal(t, manifest.ErrorList{
		{File: "m.yaml", Pos: manifest.Pos{Line: 1, Column: 10}, Path: "objects", Msg: "the path a is not absolute"},
		{File: "m.yaml", Pos: manifest.Pos{Line: 2, Column: 1}, Path: "signaturez", Msg: "unknown key", Hint: "did you mean signatures?"},
	}, list)
	var one *manifest.Error
	require.ErrorAs(t, err, &one)
	assert.EqualError(t, one, "m.yaml:1:10: objects: the path a is not absolute")
	assert.Contains(t, list.Hint(), "koweld-manifest(5)")
}

func TestNeedsAreReadBeforeAnythingElse(t *testing.T) {
	tests := []struct {
		name, head string
		want       manifest.NeedsError
		err, hint  string
	}{
		{
			name: "feature", head: "needs: [teleport]\nunheard: of",
			want: manifest.NeedsError{Feature: "teleport"},
			err:  "cannot read manifest: m.yaml:1:9: needs a koweld that knows teleport",
			hint: "install a later koweld",
		},
		{
			name: "feature of a version", head: "needs: ['teleport>=7.2~rc1']\nobjects: 7",
			want: manifest.NeedsError{Feature: "teleport", Version: "7.2~rc1"},
			err:  "cannot read manifest: m.yaml:1:9: needs koweld ≥ 7.2~rc1 for teleport",
			hint: "install koweld 7.2~rc1 or later",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := manifest.Parse("m.yaml", withModule(tt.head), host)
			var got *manifest.NeedsError
			require.ErrorAs(t, err, &got)
			tt.want.File, tt.want.Pos = "m.yaml", manifest.Pos{Line: 1, Column: 9}
			assert.Equal(t, &tt.want, got)
			assert.EqualError(t, got, tt.err)
			assert.Equal(t, tt.hint, got.Hint())
		})
	}
}

func TestFlagsThatNameAFileAreRefusedInEverySpelling(t *testing.T) {
	// ld takes one dash or two, "=", a blank or nothing, and any beginning
	// of a long flag that is no other's.
	flags := []string{
		"output", "out", "plugin", "plug", "script", "scr", "Map", "dependency-file", "dep", "version-script",
		"dynamic-list", "just-symbols", "default-script", "mri-script", "library", "library-path", "format",
		"error-handling-script", "retain-symbols-file", "section-ordering-file", "out-implib", "sysroot", "rpath",
	}
	spellings := []string{"-%s", "--%s", "-%s=x", "--%s=x", "-%sx", "--%s=/etc/passwd"}
	for _, flag := range flags {
		for _, spelling := range spellings {
			f := fmt.Sprintf(spelling, flag)
			_, err := manifest.Parse("m.yaml", withModule("linker: {flags: ['"+f+"']}"), host)
			assert.ErrorContains(t, err, "m.yaml:1:18: linker.flags[0]: the flag "+f+" ", f)
		}
	}
}

func TestAVariableIsAsGoodAsItsValue(t *testing.T) {
	const doc = `
koweld: 1
package: acme-${one}
kernel: 6.1-${one}
objects: /usr/lib/${two}/${kernel}
files: [{source: "${two}.conf", install: "/etc/${one}${two}"}]
`
	value := rapid.StringMatching(`[a-z0-9][a-z0-9.+-]{0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		one, two := value.Draw(t, "one"), value.Draw(t, "two")
		vars := fmt.Sprintf("vars: {two: '${one}-%s', one: '%s'}", two, one)
		written := strings.NewReplacer("${one}", one, "${two}", one+"-"+two, "${kernel}", "6.1-"+one).Replace(doc)

		with, err := manifest.Parse("with.yaml", []byte(doc+vars), host)
		require.NoError(t, err)
		without, err := manifest.Parse("without.yaml", []byte(written), host)
		require.NoError(t, err)
		assert.Equal(t, meaning(without), meaning(with))
	})
}

func TestADocumentIsNotReadBeyondTheMost(t *testing.T) {
	_, err := manifest.Parse("m.yaml", make([]byte, 16<<20+1), host)
	assert.EqualError(t, err, "cannot read manifest: m.yaml:1:1: the document has 16777217 bytes; the most is 16777216")
}

// thousands is a manifest of n modules such as a kernel's own package has.
func thousands(n int) []byte {
	var b strings.Builder
	b.WriteString(`koweld: 1
package: linux-modules-6.1.0-42-amd64
kernel: 6.1.0-42-amd64
objects: /usr/lib/linux-objects/${kernel}
signatures: /usr/lib/linux-signatures/${kernel}
signers:
  - certificate: signer.pem
    sha256: 5f3c6d1e0b9a48f7a2c1d0e3b4f59687786950f1e2d3c4b5a6978877665544ff
modules:
`)
	for i := range n {
		fmt.Fprintf(&b, `  - name: module_%[1]d
    form:
      - link: [{name: module_%[1]d.o, objects: [drivers/a%[1]d/core.o, drivers/a%[1]d/glue.o]}, drivers/a%[1]d/module_%[1]d.mod.o]
      - whole: drivers/a%[1]d/module_%[1]d.ko.xz
    image:
      sha256: 9ab0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a%08[1]x
      size: %[2]d
    signature: drivers/a%[1]d/module_%[1]d.ko.sig
    install: kernel/drivers/a%[1]d/module_%[1]d.ko
    compress: xz
`, i, 1000+i)
	}
	return []byte(b.String())
}

func TestManyModulesAndManyErrors(t *testing.T) {
	m, err := manifest.Parse("m.yaml", thousands(500), host)
	require.NoError(t, err)
	assert.Len(t, m.Modules, 500)

	wrong := strings.ReplaceAll(string(thousands(500)), "compress: xz", "compress: lz")
	_, err = manifest.Parse("m.yaml", []byte(wrong), host)
	var list manifest.ErrorList
	require.True(t, errors.As(err, &list))
	require.Len(t, list, 500)
	assert.Equal(t, "modules[499].compress", list[499].Path)
}

func BenchmarkParse4000Modules(b *testing.B) {
	data := thousands(4000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := manifest.Parse("m.yaml", data, host); err != nil {
			b.Fatal(err)
		}
	}
}
