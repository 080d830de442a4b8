package recipe_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/elf64"
	"koweld/assemble/recipe"
)

var update = flag.Bool("update", false, "write the golden recipes of the draft format anew")

// golden are recipes whose bytes mean the same for ever: those of a released
// version of the format are never written anew.
var golden = []struct {
	name    string
	machine elf64.Machine
	change  func(image *object)
}{
	{"acme-amd64", amd64, func(*object) {}},
	{"acme-s390x", s390x, func(image *object) {
		image.wide = true
		image.parts = append(image.parts, part{name: ".BTF", align: 1, data: []byte("types")})
	}},
	{"acme-edited", arm64, func(image *object) {
		image.names = eachName
		text := &image.parts[slices.IndexFunc(image.parts, func(p part) bool { return p.name == ".text" })]
		text.data = bytes.Replace(text.data, []byte("second"), []byte("edited"), 1)
		text.relocs = append(text.relocs[1:], reloc{at: 50, symbol: 1, kind: 9, addend: -1})
	}},
}

func readGolden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err, "make it with -update")
	return data
}

func TestGoldenRecipes(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			name := tt.name + ".recipe"
			if *update {
				require.Zero(t, recipe.Version, "a released recipe never changes")
				writeGolden(t, tt.name, tt.machine, tt.change)
			}
			objects := [][]byte{readGolden(t, tt.name+"/core.o"), readGolden(t, tt.name+"/glue.o")}
			image := readGolden(t, tt.name+"/acme.ko")
			data := readGolden(t, name)
			r, err := recipe.Parse(data)
			require.NoError(t, err)
			assert.Equal(t, data, r.Encode())
			assert.Equal(t, tt.machine, r.Machine)
			assert.Equal(t, sha256.Sum256(image), r.SHA256)
			got, err := r.Apply(context.Background(), objects, recipe.Options{})
			require.NoError(t, err)
			assert.True(t, bytes.Equal(image, got))
			assert.NoError(t, r.Blame(objects))
		})
	}
}

func writeGolden(t *testing.T, name string, m elf64.Machine, change func(*object)) {
	t.Helper()
	dir := filepath.Join("testdata", name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	core, glue := acmeCore(m), acmeGlue(m)
	l := linker{names: mergedNames, discard: func(_ int, p *part) bool { return p.name == ".discard" }}
	linked := l.link(core, glue)
	change(linked)
	image := linked.encode()
	r, err := recipe.Make(context.Background(), []recipe.Object{
		{Name: "core.o", Data: core.encode()}, {Name: "glue.o", Data: glue.encode()},
	}, image)
	require.NoError(t, err)
	for file, data := range map[string][]byte{
		name + "/core.o": core.encode(), name + "/glue.o": glue.encode(), name + "/acme.ko": image, name + ".recipe": r.Encode(),
	} {
		require.NoError(t, os.WriteFile(filepath.Join("testdata", file), data, 0o644))
	}
}
