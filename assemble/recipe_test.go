package assemble_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/assemble"
	"koweld/assemble/pack"
	"koweld/assemble/recipe"
	"koweld/internal/fsys"
	"koweld/internal/tool"
	"koweld/manifest"
)

// acmeObjects are those of testdata/acme, in the order of its recipe.
var acmeObjects = []string{"core.o", "glue.o", "acme.mod.o"}

func acmeFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../testdata/acme/package/usr/lib/linux-objects/acme/6.1.0-56-amd64/" + name)
	require.NoError(t, err)
	return data
}

// recipeBench is a bench with the objects of testdata/acme, whose module acme is
// formed by its recipe; there is no linker.
func recipeBench(t testing.TB) (b *bench, m *manifest.Module, image []byte) {
	t.Helper()
	b = newBench(t)
	b.welder.Tool = tool.Exec{} // no PATH
	b.man.Linker = &manifest.Linker{Emulation: "elf_x86_64"}
	b.man.Kernel = "6.1.0-56-amd64"
	var names []string
	var objects [][]byte
	for _, name := range acmeObjects {
		objects = append(objects, acmeFile(t, name))
		names = append(names, "/obj/"+name)
		b.write("/obj/"+name, acmeFile(t, name))
	}
	b.write("/obj/acme.recipe", acmeFile(t, "acme.recipe"))
	r, err := assemble.ParseRecipe(acmeFile(t, "acme.recipe"), 1<<20)
	require.NoError(t, err)
	image, err = assemble.ApplyRecipe(context.Background(), r, names, objects, 1)
	require.NoError(t, err)
	return b, b.module("acme", image, manifest.Form{Recipe: "/obj/acme.recipe", Inputs: names}), image
}

func TestWeldFormsByARecipe(t *testing.T) {
	b, m, image := recipeBench(t)
	// What kbuild linked, by the manifest of testdata/acme.
	require.Equal(t, "16a4426da753a46c357ae47c3b16d150d605a1c0f5ec8a053ce54358a2aa8e2f", digest(image))
	packed, err := pack.Compress(context.Background(), manifest.Zstd, acmeFile(t, "acme.recipe"))
	require.NoError(t, err)
	for name, file := range map[string][]byte{"raw": acmeFile(t, "acme.recipe"), "zstd": packed} {
		for _, procs := range []int{-1, 0, 1, 7} {
			for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA512} {
				b.write("/obj/acme.recipe", file)
				b.write(m.Signature, identities().acme.sign(t, image, h))
				b.welder.Procs = procs
				got, err := b.weld(m)
				require.NoError(t, err, name)
				assert.Equal(t, image, got.Segments[0])
				assert.Equal(t, digest(bytes.Join(got.Segments, nil)), got.SHA256)
				assert.Equal(t, assemble.EngineRecipe, got.Engine)
				assert.Empty(t, got.Tool)
				assert.Empty(t, got.Warnings)
				b.clean()
			}
		}
	}
}

// culprit asserts that the one way of a module failed by a file.
func culprit(t *testing.T, err error, file, text string) {
	t.Helper()
	var e *assemble.ImageError
	require.ErrorAs(t, err, &e)
	var in *assemble.InputError
	require.ErrorAs(t, err, &in)
	assert.Equal(t, file, in.File)
	assert.Contains(t, err.Error(), "cannot weld acme.ko: recipe: cannot use "+file+": ")
	assert.Contains(t, err.Error(), text)
	assert.NotEmpty(t, e.Hint())
}

func TestWeldNamesTheObjectThatIsNotTheRecipes(t *testing.T) {
	other := func(data []byte) []byte {
		c := slices.Clone(data)
		c[len(c)/2] ^= 1
		return c
	}
	core, glue, mod := "/obj/core.o", "/obj/glue.o", "/obj/acme.mod.o"
	tests := []struct {
		name  string
		spoil func(b *bench, m *manifest.Module)
		file  string
		text  string
	}{
		{"of another build", func(b *bench, _ *manifest.Module) { b.write(glue, other(acmeFile(b, "glue.o"))) }, glue, "it is not what the recipe was made from: its digest is " + fmt.Sprintf("%x", sha256.Sum256(other(acmeFile(t, "glue.o"))))},
		{"of another size", func(b *bench, _ *manifest.Module) { b.write(glue, append(acmeFile(b, "glue.o"), 0)) }, glue, "it is not what the recipe was made from: it has 2449 bytes instead of 2448"},
		{"empty", func(b *bench, _ *manifest.Module) { b.write(core, nil) }, core, "it has 0 bytes instead of 6848"},
		{"no object", func(b *bench, _ *manifest.Module) { b.write(core, make([]byte, 6848)) }, core, "it is no ELF file"},
		{"in another order", func(_ *bench, m *manifest.Module) { m.Form[0].Inputs = []string{glue, core, mod} }, glue, "it has 2448 bytes instead of 6848"},
		{"given twice", func(_ *bench, m *manifest.Module) { m.Form[0].Inputs = []string{core, core, mod} }, core, "it has 6848 bytes instead of 2448"},
		{"missing", func(b *bench, _ *manifest.Module) { b.remove(glue) }, glue, "no such file or directory"},
		{"that others may write", func(b *bench, _ *manifest.Module) { b.chmod(glue, 0o666) }, glue, "cannot trust /obj/glue.o: it is writable by others"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, m, _ := recipeBench(t)
			tt.spoil(b, m)
			_, err := b.weld(m)
			culprit(t, err, tt.file, tt.text)
		})
	}
}

func TestWeldTellsObjectsInAnotherOrder(t *testing.T) {
	b, _, _ := recipeBench(t)
	one := acmeFile(t, "plain.ko")
	two := bytes.Replace(one, []byte("name=plain"), []byte("name=other"), 1)
	require.NotEqual(t, one, two)
	b.write("/obj/one.o", one)
	b.write("/obj/two.o", two)
	r, err := recipe.Make(context.Background(), []recipe.Object{{Name: "one.o", Data: one}, {Name: "two.o", Data: two}}, one)
	require.NoError(t, err)
	b.write("/obj/plain.recipe", r.Encode())
	m := b.module("acme", one, manifest.Form{Recipe: "/obj/plain.recipe", Inputs: []string{"/obj/two.o", "/obj/one.o"}})
	_, err = b.weld(m)
	culprit(t, err, "/obj/two.o", "it is object 2 (two.o) and not object 1 (one.o)")
	assert.NotContains(t, err.Error(), "also wrong", "it is the order")
	m.Form[0].Inputs = []string{"/obj/one.o", "/obj/two.o"}
	_, err = b.weld(m)
	assert.NoError(t, err)
}

func TestWeldRefusesRecipes(t *testing.T) {
	good := acmeFile(t, "acme.recipe")
	newer := slices.Clone(good)
	newer[8] = 255
	flipped := slices.Clone(good)
	flipped[len(flipped)/2] ^= 1
	bomb, err := pack.Compress(context.Background(), manifest.Zstd, append(slices.Clone(good), make([]byte, 64<<20)...))
	require.NoError(t, err)
	xz, err := pack.Compress(context.Background(), manifest.XZ, good)
	require.NoError(t, err)
	const name = "/obj/acme.recipe"
	tests := []struct {
		name  string
		spoil func(b *bench, m *manifest.Module)
		text  string
		as    any
	}{
		{"with a flipped byte", func(b *bench, _ *manifest.Module) { b.write(name, flipped) }, "malformed recipe: at byte ", new(*recipe.FormatError)},
		{"cut off", func(b *bench, _ *manifest.Module) { b.write(name, good[:len(good)-1]) }, "malformed recipe: ", new(*recipe.FormatError)},
		{"empty", func(b *bench, _ *manifest.Module) { b.write(name, nil) }, "malformed recipe: at byte 0: it does not begin as a recipe", new(*recipe.FormatError)},
		{"compressed otherwise", func(b *bench, _ *manifest.Module) { b.write(name, xz) }, "it does not begin as a recipe", new(*recipe.FormatError)},
		{"of a newer version", func(b *bench, _ *manifest.Module) { b.write(name, newer) }, "cannot read a recipe of format 255", new(*recipe.NewerError)},
		{"that inflates without end", func(b *bench, _ *manifest.Module) { b.write(name, bomb) }, "cannot inflate to more than ", new(*recipe.FormatError)},
		{"that is huge", func(b *bench, _ *manifest.Module) { b.write(name, make([]byte, 2<<20)) }, name, new(*fsys.SizeError)},
		{"that is gone", func(b *bench, _ *manifest.Module) { b.remove(name) }, "no such file or directory", new(*fs.PathError)},
		{"that others may write", func(b *bench, _ *manifest.Module) { b.chmod(name, 0o666) }, "it is writable by others", new(*fsys.TrustError)},
		{"of another size", func(_ *bench, m *manifest.Module) { m.Image.Size++ }, "it forms an image of 10144 bytes, not the declared one of 10145", nil},
		{"of another image", func(_ *bench, m *manifest.Module) { m.Image.SHA256 = digest(nil) }, ", not the declared " + digest(nil), nil},
		{"of other objects", func(_ *bench, m *manifest.Module) { m.Form[0].Inputs = m.Form[0].Inputs[:2] }, "it is for 3 objects, and the manifest lists 2", nil},
		{"of another machine", func(b *bench, _ *manifest.Module) { b.man.Linker.Emulation = "elf64_s390" }, "it is for another machine: EM_X86_64, little-endian instead of EM_S390, big-endian", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, m, _ := recipeBench(t)
			tt.spoil(b, m)
			_, err := b.weld(m)
			var in *assemble.InputError
			require.ErrorAs(t, err, &in)
			assert.Equal(t, name, in.File)
			assert.Contains(t, err.Error(), "cannot weld acme.ko: recipe: cannot use "+name+": ")
			assert.Contains(t, err.Error(), tt.text)
			if tt.as != nil {
				assert.ErrorAs(t, err, tt.as)
			}
		})
	}
}

func TestWeldGivesTheDeclaredImageOrNone(t *testing.T) {
	b, m, image := recipeBench(t)
	files := map[string][]byte{"acme.recipe": acmeFile(t, "acme.recipe")}
	for _, name := range acmeObjects {
		files[name] = acmeFile(t, name)
	}
	var welded, refused int
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(append([]string{"acme.recipe"}, acmeObjects...)).Draw(t, "file")
		data := slices.Clone(files[name])
		at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
		data[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		if name == "acme.recipe" && at < len(data)-4 { // beyond the checksum
			binary.LittleEndian.PutUint32(data[len(data)-4:], crc32.ChecksumIEEE(data[:len(data)-4]))
		}
		b.write("/obj/"+name, data)
		got, err := b.weld(m)
		b.write("/obj/"+name, files[name])
		if err == nil {
			welded++
			assert.Equal(t, image, got.Segments[0])
			return
		}
		refused++
		var e *assemble.ImageError
		require.ErrorAs(t, err, &e)
		var in *assemble.InputError
		if name != "acme.recipe" {
			require.ErrorAs(t, err, &in)
			assert.Equal(t, "/obj/"+name, in.File)
		}
	})
	assert.NotZero(t, welded, "no change was without effect")
	assert.NotZero(t, refused)
}

// writingLD is a linker that writes what it is told.
func writingLD(image []byte) fakeLD {
	return fakeLD{func(c tool.Cmd) (tool.Result, error) {
		out := c.Args[slices.Index(c.Args, "-o")+1]
		return tool.Result{}, os.WriteFile(filepath.Join(c.Dir, out), image, 0o600)
	}}
}

func linkOf(names ...string) manifest.Form {
	var f manifest.Form
	for _, name := range names {
		f.Link = append(f.Link, object(name))
	}
	return f
}

func TestWeldFallsBackOnARecipe(t *testing.T) {
	b, m, image := recipeBench(t)
	m.Form = slices.Insert(m.Form, 0, linkOf(acmeObjects...))
	got, err := b.weld(m)
	require.NoError(t, err)
	assert.Equal(t, assemble.EngineRecipe, got.Engine)
	assert.Equal(t, 1, got.Way)
	assert.Equal(t, []string{"link: cannot find program ld.bfd"}, got.Warnings)

	// A linker that writes something else.
	other := bytes.Replace(image, []byte("acme: ready"), []byte("acme: steam"), 1)
	b.welder.Tool = writingLD(other)
	got, err = b.weld(m)
	require.NoError(t, err)
	assert.Equal(t, image, got.Segments[0])
	assert.Equal(t, []string{
		"image digest " + digest(other) + " is not the declared " + digest(image) +
			" (link by GNU ld (fake) 1.0; it differs in .rodata.str1.1)",
	}, got.Warnings)
	b.clean()
}

func TestWeldFallsBackFromARecipe(t *testing.T) {
	b, m, image := recipeBench(t)
	m.Form = append(m.Form, linkOf(acmeObjects...))
	b.remove("/obj/acme.recipe")
	b.welder.Tool = writingLD(image)
	got, err := b.weld(m)
	require.NoError(t, err)
	assert.Equal(t, assemble.EngineLink, got.Engine)
	assert.Equal(t, "GNU ld (fake) 1.0", got.Tool)
	assert.Equal(t, []string{"recipe: cannot use /obj/acme.recipe: no such file or directory"}, got.Warnings)
}

func TestWeldSaysWhatEachWayWasAndWhatDiffers(t *testing.T) {
	b, m, image := recipeBench(t)
	b.man.Linker.Recorded = manifest.Recorded{Name: "GNU ld", Version: "2.40"}
	m.Form = append(m.Form, linkOf(acmeObjects...))
	glue := acmeFile(t, "glue.o")
	glue[len(glue)/2] ^= 1
	b.write("/obj/glue.o", glue)
	const first = "cannot weld acme.ko: recipe: cannot use /obj/glue.o: it is not what the recipe was made from: its digest is "
	tests := []struct {
		name  string
		image []byte
		want  string
	}{
		{
			"other bytes", bytes.ReplaceAll(image, []byte("acme: ready"), []byte("acme: steam")),
			"; it differs in .rodata.str1.1)",
		},
		{"bytes behind the end", append(slices.Clone(image), 0), "image of 10145 bytes is not the declared one of 10144 (link by GNU ld (fake) 1.0, recorded is GNU ld 2.40; it differs in what lies between sections)"},
		{"another module", acmeFile(t, "plain.ko"), "image of 5816 bytes is not the declared one of 10144 (link by GNU ld (fake) 1.0, recorded is GNU ld 2.40; it differs in the section headers)"},
		{"nothing", nil, "image of 0 bytes is not the declared one of 10144 (link by GNU ld (fake) 1.0, recorded is GNU ld 2.40; it differs in the section headers)"},
		{"far too much", make([]byte, 4<<20), "image of 4194304 bytes is not the declared one of 10144 (link by GNU ld (fake) 1.0, recorded is GNU ld 2.40)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.welder.Tool = writingLD(tt.image)
			_, err := b.weld(m)
			var e *assemble.ImageError
			require.ErrorAs(t, err, &e)
			assert.True(t, strings.HasPrefix(err.Error(), first), err.Error())
			assert.True(t, strings.HasSuffix(err.Error(), tt.want), err.Error())
			assert.Equal(t, "install again the packages of the objects and of the recipe; their versions may differ", e.Hint())
			b.clean()
		})
	}
	t.Run("many sections", func(t *testing.T) {
		e := assemble.ImageError{Module: "m", Tries: []assemble.Try{{Engine: "link", Size: 1, Differs: strings.Fields("a b c d e f g h i j")}}}
		assert.Contains(t, e.Error(), "(link; it differs in a, b, c, d, e, f, g, h and 2 others)")
	})
	t.Run("a whole module", func(t *testing.T) {
		b.write("/obj/acme.ko", bytes.ReplaceAll(image, []byte("acme: ready"), []byte("acme: steam")))
		m.Form[1] = manifest.Form{Whole: "/obj/acme.ko"}
		_, err := b.weld(m)
		assert.ErrorContains(t, err, "(whole; it differs in .rodata.str1.1)")
	})
}

func TestWeighCountsTheObjectsOfARecipe(t *testing.T) {
	b, m, _ := recipeBench(t)
	without := b.welder.Weigh(&manifest.Module{Image: m.Image, Compress: m.Compress})
	large := int64(100 << 20)
	require.NoError(t, os.Truncate(filepath.Join(b.dir, "obj/core.o"), large))
	assert.GreaterOrEqual(t, b.welder.Weigh(m), m.Image.Size+large)
	assert.Less(t, b.welder.Weigh(m), m.Image.Size+large+2<<20)
	b.remove("/obj/core.o")
	assert.GreaterOrEqual(t, b.welder.Weigh(m), without)
}

func TestWeldByARecipeStopsWhenCancelled(t *testing.T) {
	b, m, _ := recipeBench(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(os.ErrDeadlineExceeded)
	_, err := b.welder.Weld(ctx, b.man, m)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestSpeltOutRefusesWhatCarriesTheModule(t *testing.T) {
	objects := func(names ...string) (all []recipe.Object) {
		for _, name := range names {
			all = append(all, recipe.Object{Name: name, Data: acmeFile(t, name)})
		}
		return all
	}
	_, _, image := recipeBench(t)
	large := noise(8 << 10)
	tests := []struct {
		name    string
		objects []recipe.Object
		image   []byte
		want    string
	}{
		{"what it is made from", objects(acmeObjects...), image, `^$`},
		{"an object is missing", objects("core.o", "acme.mod.o"), image, `^it spells out \d+ of the 2355 bytes of code and data; the most is a 100th part$`},
		{"nothing of it is there", objects("acme_aux.o"), elfFile(large), `^$`}, // .modinfo of elfFile is not loaded
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := recipe.Make(context.Background(), tt.objects, tt.image)
			require.NoError(t, err)
			assert.Regexp(t, tt.want, assemble.SpeltOut(r).Refused())
		})
	}
	assert.Equal(t, "", assemble.Spelt{Bytes: 10000, Longest: 4096, In: ".text", Loaded: 1000000}.Refused())
	assert.Equal(t, "it spells out 4097 bytes of .text in one run; the most is 4096",
		assemble.Spelt{Bytes: 4097, Longest: 4097, In: ".text", Loaded: 1000000}.Refused())
	assert.Equal(t, "it spells out 10001 of the 1000000 bytes of code and data; the most is a 100th part",
		assemble.Spelt{Bytes: 10001, Longest: 100, In: ".text", Loaded: 1000000}.Refused())
	assert.Equal(t, "", assemble.Spelt{}.Refused())
}
