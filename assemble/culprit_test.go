package assemble_test

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble"
	"koweld/internal/fsys"
	"koweld/internal/tool"
	"koweld/manifest"
)

// list lists files in the manifest as they are now.
func (b *bench) list(names map[string][]byte) {
	b.man.Inputs = make(map[string]manifest.Content)
	for name, data := range names {
		b.man.Inputs[name] = manifest.Content{SHA256: digest(data), Size: int64(len(data))}
	}
}

// said are culprits as a table has them.
func said(all []assemble.Culprit) []string {
	var lines []string
	for _, c := range all {
		what := c.Err.Error()
		if c.Missing() {
			what = "missing"
		}
		lines = append(lines, c.File+": "+what)
	}
	return lines
}

// spoilt is data with another byte.
func spoilt(data []byte) []byte {
	data = slices.Clone(data)
	data[len(data)/2] ^= 1
	return data
}

func TestARecipeNamesEveryCulprit(t *testing.T) {
	const core, glue, mod = "/obj/core.o", "/obj/glue.o", "/obj/acme.mod.o"
	not := func(name string) string { return name + ": it is not what the recipe was made from: " }
	sums := func(name string) string {
		data := acmeFile(t, name)
		return not("/obj/"+name) + fmt.Sprintf("its digest is %s instead of %s", digest(spoilt(data)), digest(data))
	}
	tests := []struct {
		name  string
		spoil func(b *bench)
		want  []string
		text  string // how the error ends
	}{
		{"one byte", func(b *bench) { b.write(glue, spoilt(acmeFile(t, "glue.o"))) }, []string{sums("glue.o")}, digest(acmeFile(t, "glue.o"))},
		{"two of three", func(b *bench) {
			b.write(mod, spoilt(acmeFile(t, "acme.mod.o")))
			b.write(core, spoilt(acmeFile(t, "core.o")))
		}, []string{sums("core.o"), sums("acme.mod.o")}, digest(acmeFile(t, "core.o")) + " (also wrong: /obj/acme.mod.o)"},
		{"one is gone", func(b *bench) { b.remove(glue) }, []string{glue + ": missing"}, "cannot use /obj/glue.o: no such file or directory"},
		{
			"sizes, and one is gone",
			func(b *bench) { b.write(core, []byte("x")); b.remove(glue); b.write(mod, nil) },
			[]string{
				not(core) + fmt.Sprintf("it has 1 bytes instead of %d", len(acmeFile(t, "core.o"))),
				glue + ": missing",
				not(mod) + fmt.Sprintf("it has 0 bytes instead of %d", len(acmeFile(t, "acme.mod.o"))),
			},
			" (also wrong: /obj/glue.o, /obj/acme.mod.o)",
		},
		{"the recipe is gone", func(b *bench) { b.remove("/obj/acme.recipe") }, []string{"/obj/acme.recipe: missing"}, "no such file or directory"},
		{"the recipe is cut off", func(b *bench) { b.write("/obj/acme.recipe", []byte("koweld")) }, []string{"/obj/acme.recipe: malformed recipe: at byte 0: it does not begin as a recipe"}, "as a recipe"},
		{"others may write one", func(b *bench) { b.chmod(core, 0o666) }, nil, "cannot trust /obj/core.o: it is writable by others"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, m, _ := recipeBench(t)
			tt.spoil(b)
			_, err := b.weld(m)
			var e *assemble.ImageError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.want, said(e.Culprits()))
			assert.Equal(t, tt.want, said(assemble.Culprits(fmt.Errorf("wrapped: %w", err))))
			assert.Regexp(t, `^cannot weld acme.ko: recipe: `, err.Error())
			assert.Equal(t, tt.text, err.Error()[max(0, len(err.Error())-len(tt.text)):])
			assert.NotEmpty(t, e.Hint())
		})
	}
}

func TestALinkNamesWhatIsNotListed(t *testing.T) {
	image := acmeFile(t, "plain.ko")
	files := map[string][]byte{"/obj/core.o": acmeFile(t, "core.o"), "/obj/glue.o": acmeFile(t, "glue.o"), "/obj/m.lds": []byte("SECTIONS {}")}
	const differs = "image digest %s is not the declared %s (link by GNU ld (fake) 1.0)"
	listed := func(name string) string {
		return name + ": it is not what the manifest lists: its digest is " + digest(spoilt(files[name])) + " instead of " + digest(files[name])
	}
	tests := []struct {
		name  string
		spoil func(b *bench, m *manifest.Module)
		want  []string
		text  string // behind the name of the module
	}{
		{"nothing", func(*bench, *manifest.Module) {}, nil, fmt.Sprintf(differs, digest(spoilt(image)), digest(image))},
		{
			"an object", func(b *bench, _ *manifest.Module) { b.write("/obj/glue.o", spoilt(files["/obj/glue.o"])) },
			[]string{listed("/obj/glue.o")},
			fmt.Sprintf(differs, digest(spoilt(image)), digest(image)) + "; " + listed("/obj/glue.o"),
		},
		{
			"all", func(b *bench, _ *manifest.Module) {
				for name, data := range files {
					b.write(name, spoilt(data))
				}
			},
			[]string{listed("/obj/core.o"), listed("/obj/glue.o"), listed("/obj/m.lds")},
			fmt.Sprintf(differs, digest(spoilt(image)), digest(image)) + "; " + listed("/obj/core.o") + " (also wrong: /obj/glue.o, /obj/m.lds)",
		},
		{
			"a size", func(b *bench, _ *manifest.Module) { b.write("/obj/m.lds", []byte("SECTIONS { }")) },
			[]string{"/obj/m.lds: it is not what the manifest lists: it has 12 bytes instead of 11"},
			fmt.Sprintf(differs, digest(spoilt(image)), digest(image)) + "; /obj/m.lds: it is not what the manifest lists: it has 12 bytes instead of 11",
		},
		{
			"one is gone, another differs", func(b *bench, _ *manifest.Module) {
				b.remove("/obj/core.o")
				b.write("/obj/glue.o", spoilt(files["/obj/glue.o"]))
			},
			[]string{"/obj/core.o: missing", listed("/obj/glue.o")},
			"link by GNU ld (fake) 1.0: cannot use /obj/core.o: no such file or directory; " + listed("/obj/glue.o"),
		},
		{
			"two are gone", func(b *bench, _ *manifest.Module) { b.remove("/obj/core.o"); b.remove("/obj/glue.o") },
			[]string{"/obj/core.o: missing", "/obj/glue.o: missing"},
			"link by GNU ld (fake) 1.0: cannot use /obj/core.o: no such file or directory; /obj/glue.o: no such file or directory",
		},
		{
			"what is not listed is not blamed", func(b *bench, _ *manifest.Module) {
				b.write("/obj/glue.o", spoilt(files["/obj/glue.o"]))
				delete(b.man.Inputs, "/obj/glue.o")
			},
			nil, fmt.Sprintf(differs, digest(spoilt(image)), digest(image)),
		},
		{
			"an object of an inner step, twice", func(b *bench, m *manifest.Module) {
				m.Form[0].Link = append(m.Form[0].Link, manifest.Input{Name: "x.o", Objects: []manifest.Input{object("glue.o")}})
				b.write("/obj/glue.o", spoilt(files["/obj/glue.o"]))
			},
			[]string{listed("/obj/glue.o")},
			fmt.Sprintf(differs, digest(spoilt(image)), digest(image)) + "; " + listed("/obj/glue.o"),
		},
		{
			"a linker that fails", func(b *bench, _ *manifest.Module) {
				b.write("/obj/glue.o", spoilt(files["/obj/glue.o"]))
				b.welder.Tool = fakeLD{func(c tool.Cmd) (tool.Result, error) {
					return tool.Result{}, &tool.FailedError{Cmd: c, Code: 1}
				}}
			},
			[]string{listed("/obj/glue.o")},
			"link by GNU ld (fake) 1.0: cannot run /usr/bin/ld.bfd: exit code 1; " + listed("/obj/glue.o"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.welder.Tool = writingLD(spoilt(image))
			for name, data := range files {
				b.write(name, data)
			}
			b.list(files)
			b.man.Linker = &manifest.Linker{Script: "/obj/m.lds"}
			m := b.module("acme", image, linkOf("core.o", "glue.o"))
			tt.spoil(b, m)
			_, err := b.weld(m)
			assert.EqualError(t, err, "cannot weld acme.ko: "+tt.text)
			assert.Equal(t, tt.want, said(assemble.Culprits(err)))
			var e *assemble.ImageError
			require.ErrorAs(t, err, &e)
			if len(tt.want) > 0 {
				assert.Contains(t, e.Hint(), "install again the package")
			}
			b.clean()
		})
	}
}

// The image decides: where it is right, nobody is blamed.
func TestAnInputThatIsNotListedGivesTheImage(t *testing.T) {
	b, m, image := recipeBench(t)
	b.man.Inputs = map[string]manifest.Content{"/obj/core.o": {SHA256: digest(nil)}, m.Signature: {SHA256: digest(nil)}}
	got, err := b.weld(m)
	require.NoError(t, err)
	assert.Empty(t, got.Warnings)

	m.Form = []manifest.Form{linkOf(acmeObjects...)}
	b.welder.Tool = writingLD(image)
	got, err = b.weld(m)
	require.NoError(t, err)
	assert.Empty(t, got.Warnings)

	// A way that failed before says what was wrong with it.
	m.Form = append(m.Form, manifest.Form{Recipe: "/obj/acme.recipe", Inputs: []string{"/obj/core.o", "/obj/glue.o", "/obj/acme.mod.o"}})
	b.welder.Tool = writingLD(spoilt(image))
	got, err = b.weld(m)
	require.NoError(t, err)
	require.Len(t, got.Warnings, 1)
	assert.Contains(t, got.Warnings[0], "/obj/core.o: it is not what the manifest lists: it has 6848 bytes instead of 0")
}

func TestWholeModulesSignaturesAndCertificatesAreCulprits(t *testing.T) {
	other := bytes.Replace(plain, []byte("GPL"), []byte("BSD"), 1)
	tests := []struct {
		name  string
		spoil func(b *bench, m *manifest.Module)
		want  string
	}{
		{"another module", func(b *bench, _ *manifest.Module) { b.write("/obj/plain.ko", other) }, "/obj/plain.ko: image digest " + digest(other) + " is not the declared " + digest(plain)},
		{"a longer module", func(b *bench, _ *manifest.Module) { b.write("/obj/plain.ko", append(slices.Clone(plain), 0)) }, "/obj/plain.ko: image of 329 bytes is not the declared one of 328"},
		{"no module", func(b *bench, _ *manifest.Module) { b.remove("/obj/plain.ko") }, "/obj/plain.ko: missing"},
		{"another signature", func(b *bench, m *manifest.Module) {
			b.write(m.Signature, identities().acme.sign(t, other, crypto.SHA256))
		}, "/sig/plain.ko.sig: "},
		{"no signature", func(b *bench, m *manifest.Module) { b.remove(m.Signature) }, "/sig/plain.ko.sig: missing"},
		{"another certificate", func(b *bench, _ *manifest.Module) {
			b.write("/sig/signer.der", identities().stranger.cert.Raw)
		}, "/sig/signer.der: its fingerprint "},
		{"no certificate", func(b *bench, _ *manifest.Module) { b.remove("/sig/signer.der") }, "/sig/signer.der: missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			m := b.whole("plain", plain, plain)
			tt.spoil(b, m)
			err := b.welder.All(context.Background(), b.man, []*manifest.Module{m}, 1, plenty, nil)
			all := said(assemble.Culprits(err))
			require.Len(t, all, 1)
			assert.Contains(t, all[0], tt.want)
		})
	}
}

func TestOnlyBytesAreBlamed(t *testing.T) {
	for _, err := range []error{
		nil,
		errors.New("other"),
		&tool.MissingError{Name: "ld.bfd"},
		fs.ErrNotExist,
		context.Canceled,
		&assemble.InputError{File: "the image", Err: errors.New("it is no module")},
		&assemble.InputError{File: "/a", Err: &fs.PathError{Op: "open", Path: "/a", Err: fs.ErrPermission}},
		&assemble.InputError{File: "/a", Err: &fsys.TrustError{Path: "/a"}},
		&assemble.InputError{File: "/a", Err: fmt.Errorf("read: %w", context.Canceled)},
		&assemble.ImageError{Tries: []assemble.Try{{Engine: assemble.EngineLink, SHA256: "1"}}},
	} {
		assert.Empty(t, assemble.Culprits(err), "%v", err)
	}
	twice := errors.Join(
		&assemble.InputError{File: "/b", Err: errors.New("first")},
		&assemble.InputError{File: "/a", Err: errors.New("second")},
		&assemble.InputError{File: "/b", Err: errors.New("third")},
	)
	assert.Equal(t, []string{"/b: first", "/a: second"}, said(assemble.Culprits(twice)))
}
