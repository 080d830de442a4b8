package recipe_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/elf64"
	"koweld/assemble/recipe"
)

func named(objects [][]byte) []recipe.Object {
	var all []recipe.Object
	for i, data := range objects {
		all = append(all, recipe.Object{Name: fmt.Sprintf("%c.o", 'a'+i), Data: data})
	}
	return all
}

func makeRecipe(t testing.TB, image []byte, objects ...[]byte) *recipe.Recipe {
	t.Helper()
	r, err := recipe.Make(context.Background(), named(objects), image)
	require.NoError(t, err)
	return r
}

// requireExact makes a recipe and requires all that holds of every recipe.
func requireExact(t require.TestingT, image []byte, objects ...[]byte) *recipe.Recipe {
	r, err := recipe.Make(context.Background(), named(objects), image)
	require.NoError(t, err)
	encoded := r.Encode()
	parsed, err := recipe.Parse(encoded)
	require.NoError(t, err)
	require.Equal(t, encoded, parsed.Encode())
	require.Equal(t, int64(len(image)), parsed.Size)
	require.Equal(t, sha256.Sum256(image), parsed.SHA256)
	require.NoError(t, parsed.Blame(objects))
	require.Empty(t, parsed.Differences(image))
	for procs := range 5 {
		var sink bytes.Buffer
		got, err := parsed.Apply(context.Background(), objects, recipe.Options{Procs: procs, Sink: &sink, Buffer: dirty})
		require.NoError(t, err)
		require.True(t, bytes.Equal(image, got), "%d processors give another image", procs)
		require.True(t, bytes.Equal(image, sink.Bytes()), "%d processors: the sink gets other bytes", procs)
	}
	return parsed
}

// dirty gives a buffer that was used before.
func dirty(size int64) []byte { return bytes.Repeat([]byte{0xa5}, int(size)+7) }

// signed writes the checksum of a recipe anew.
func signed(data []byte) []byte {
	data = bytes.Clone(data)
	if end := len(data) - recipe.ChecksumSize; end >= 0 {
		binary.LittleEndian.PutUint32(data[end:], crc32.ChecksumIEEE(data[:end]))
	}
	return data
}

// try applies a recipe that may be wrong. Whatever it does, it does not panic,
// gives an error that names the cause, or an image of the declared size, the
// same in a dirty buffer and in a clean one.
func try(t testing.TB, data []byte, objects [][]byte, procs int) (image []byte, err error) {
	t.Helper()
	r, err := recipe.Parse(data)
	var format *recipe.FormatError
	var newer *recipe.NewerError
	var input *recipe.InputError
	if err != nil {
		require.True(t, errors.As(err, &format) || errors.As(err, &newer), "%v", err)
		return nil, err
	}
	require.True(t, bytes.Equal(data, r.Encode()), "a recipe has one form")
	r.Literals()
	image, err = r.Apply(context.Background(), objects, recipe.Options{Buffer: dirty})
	if err != nil {
		require.True(t, errors.As(err, &format) || errors.As(err, &input), "%v", err)
		return nil, err
	}
	require.Len(t, image, int(r.Size))
	again, err := r.Apply(context.Background(), objects, recipe.Options{Procs: procs})
	require.NoError(t, err)
	require.True(t, bytes.Equal(image, again), "what is formed depends on the buffer or on the order")
	return image, nil
}

func TestARecipeGivesTheImage(t *testing.T) {
	for _, m := range []elf64.Machine{amd64, arm64, s390x} {
		t.Run(m.String(), func(t *testing.T) {
			image, objects := acme(m)
			r := requireExact(t, image, objects...)
			assert.Equal(t, m, r.Machine)
			assert.NotZero(t, r.Rules&recipe.RuleTailMerge)
			assert.NotZero(t, r.Rules&recipe.RuleSectionSyms)
			literals := map[recipe.Kind]int64{}
			for _, l := range r.Literals() {
				literals[l.Kind] += l.Bytes
			}
			assert.Zero(t, literals[recipe.KindCode])
			assert.Zero(t, literals[recipe.KindData])
			assert.Zero(t, literals[recipe.KindRelocs])
			t.Logf("recipe %d bytes, image %d; %v", len(r.Encode()), len(image), literals)
		})
	}
}

// Each habit of a linker, and whether the recipe has it as a rule.
func TestHabitsOfLinkers(t *testing.T) {
	core, glue := acmeCore(amd64), acmeGlue(amd64)
	objects := [][]byte{core.encode(), glue.encode()}
	tests := []struct {
		name   string
		linker linker
		rule   recipe.Rules
	}{
		{"names merged", linker{names: mergedNames}, recipe.RuleTailMerge},
		{"names apart", linker{names: eachName}, 0},
		{"sections in another order", linker{names: mergedNames, order: func(n int) []int { return backwards(n) }}, recipe.RuleTailMerge},
		{"relocations sorted", linker{sort: true}, 0},
		{"relocations against what is dropped are zero", linker{zero: true, discard: func(_ int, p *part) bool { return p.name == ".discard" }}, recipe.RuleZeroDropped},
		{"no section symbols", linker{noSections: true}, 0},
		{"globals by first use", linker{globalsFirst: true}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := requireExact(t, tt.linker.link(core, glue).encode(), objects...)
			assert.Equal(t, tt.rule, r.Rules&tt.rule)
			assert.Zero(t, codeAndData(r))
		})
	}
}

func backwards(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = n - 1 - i
	}
	return order
}

func codeAndData(r *recipe.Recipe) (n int64) {
	for _, l := range r.Literals() {
		if l.Kind == recipe.KindCode || l.Kind == recipe.KindData {
			n += l.Bytes
		}
	}
	return n
}

func TestWideSectionIndices(t *testing.T) {
	core, glue := acmeCore(s390x), acmeGlue(s390x)
	core.wide, glue.wide = true, true
	l := linker{names: mergedNames}
	image := l.link(core, glue)
	image.wide = true
	r := requireExact(t, image.encode(), core.encode(), glue.encode())
	assert.NotZero(t, r.Rules&recipe.RuleShndx)
}

func TestApplyStops(t *testing.T) {
	image, objects := acme(amd64)
	r := makeRecipe(t, image, objects...)
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("enough")
	cancel(stop)
	for procs := range 3 {
		_, err := r.Apply(ctx, objects, recipe.Options{Procs: procs})
		require.ErrorIs(t, err, stop)
	}
	_, err := recipe.Make(ctx, named(objects), image)
	require.ErrorIs(t, err, stop)
}

type fullSink struct{ room int }

var errFull = errors.New("no space left")

func (s *fullSink) Write(b []byte) (int, error) {
	if s.room -= len(b); s.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestASinkMayFail(t *testing.T) {
	image, objects := acme(amd64)
	r := makeRecipe(t, image, objects...)
	for procs := range 3 {
		_, err := r.Apply(context.Background(), objects, recipe.Options{Procs: procs, Sink: &fullSink{}})
		require.ErrorIs(t, err, errFull)
	}
}

func TestWrongObjects(t *testing.T) {
	image, objects := acme(amd64)
	a, b := objects[0], objects[1]
	r := makeRecipe(t, image, a, b)
	otherBuild := bytes.Replace(a, []byte("code of the first"), []byte("Code of the first"), 1)
	core32 := bytes.Clone(a)
	core32[elf.EI_CLASS] = byte(elf.ELFCLASS32)
	arm := acmeCore(arm64).encode()
	require.Len(t, arm, len(a))
	tests := []struct {
		name    string
		objects [][]byte
		want    string // in the error of Apply or of Blame
	}{
		{"another build", [][]byte{otherBuild, b}, "a.o is not what the recipe was made from: its digest is "},
		{"another order", [][]byte{b, a}, "a.o is not what the recipe was made from: it has "},
		{"one is missing", [][]byte{a}, "the list of objects is not what the recipe was made from: it has 1 instead of 2"},
		{"one too many", [][]byte{a, b, b}, "it has 3 instead of 2"},
		{"none", nil, "it has 0 instead of 2"},
		{"one twice", [][]byte{a, a}, "b.o is not what the recipe was made from: it has "},
		{"truncated", [][]byte{a, b[:len(b)-1]}, "b.o is not what the recipe was made from: it has "},
		{"empty", [][]byte{a, {}}, "b.o is not what the recipe was made from: it has 0 bytes instead of "},
		{"ELF32", [][]byte{core32, b}, "a.o is not what the recipe was made from: it is no 64-bit ELF file"},
		{"another machine", [][]byte{arm, b}, "a.o is not what the recipe was made from: it is for another machine: EM_AARCH64, little-endian instead of EM_X86_64, little-endian"},
		{"zeros", [][]byte{a, make([]byte, len(b))}, "b.o is not what the recipe was made from: it is no ELF file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.Apply(context.Background(), tt.objects, recipe.Options{})
			if err == nil {
				require.NotEqual(t, r.SHA256, sha256.Sum256(got))
				assert.Equal(t, []string{".text"}, r.Differences(got))
				err = r.Blame(tt.objects)
			}
			var input *recipe.InputError
			require.ErrorAs(t, err, &input)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestMakeRefuses(t *testing.T) {
	image, objects := acme(amd64)
	core32 := bytes.Clone(objects[0])
	core32[elf.EI_CLASS] = byte(elf.ELFCLASS32)
	tests := []struct {
		name    string
		image   []byte
		objects []recipe.Object
		want    string
	}{
		{"a module of 32 bits", core32, named(objects), "cannot make a recipe: the module is no relocatable file that can be read: it is no 64-bit ELF file"},
		{"an object of 32 bits", image, named([][]byte{core32}), "a.o is not what the recipe was made from: it is no 64-bit ELF file"},
		{"a name that cannot be shown", image, []recipe.Object{{Name: "a\n.o", Data: objects[0]}}, "not in printable ASCII"},
		{"no name", image, []recipe.Object{{Data: objects[0]}}, "its name is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := recipe.Make(context.Background(), tt.objects, tt.image)
			require.ErrorContains(t, err, tt.want)
		})
	}
}
