package recipe_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/elf64"
	"koweld/assemble/recipe"
)

var update = flag.Bool("update", false, "write the golden recipes that are missing")

// golden are recipes whose bytes mean the same for ever: those of a released
// version of the format are never written anew.
var golden = []struct {
	name    string
	machine elf64.Machine
	change  func(image *object)
	example bool // it is made from the object of the example alone
}{
	{name: "example", machine: amd64, change: func(*object) {}, example: true},
	{name: "acme-amd64", machine: amd64, change: func(*object) {}},
	{name: "acme-s390x", machine: s390x, change: func(image *object) {
		image.wide = true
		image.parts = append(image.parts, part{name: ".BTF", align: 1, data: []byte("types")})
	}},
	{name: "acme-edited", machine: arm64, change: func(image *object) {
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
			if _, err := os.Stat(filepath.Join("testdata", name)); *update && os.IsNotExist(err) {
				writeGolden(t, tt.name, tt.machine, tt.change, tt.example)
			}
			objects := [][]byte{readGolden(t, tt.name+"/core.o")}
			if !tt.example {
				objects = append(objects, readGolden(t, tt.name+"/glue.o"))
			}
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

func writeGolden(t *testing.T, name string, m elf64.Machine, change func(*object), example bool) {
	t.Helper()
	dir := filepath.Join("testdata", name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	objects, names := []*object{acmeCore(m), acmeGlue(m)}, []string{"core.o", "glue.o"}
	if example {
		objects, names = []*object{exampleObject(m)}, []string{"core.o"}
	}
	l := linker{names: mergedNames, discard: func(_ int, p *part) bool { return p.name == ".discard" }}
	linked := l.link(objects...)
	change(linked)
	image := linked.encode()
	files := map[string][]byte{name + "/acme.ko": image}
	var inputs []recipe.Object
	for i, o := range objects {
		inputs = append(inputs, recipe.Object{Name: names[i], Data: o.encode()})
		files[name+"/"+names[i]] = o.encode()
	}
	r, err := recipe.Make(context.Background(), inputs, image)
	require.NoError(t, err)
	files[name+".recipe"] = r.Encode()
	for file, data := range files {
		require.NoError(t, os.WriteFile(filepath.Join("testdata", file), data, 0o644))
	}
}

// exampleObject is the one of the example in docs/recipe-format.md.
func exampleObject(m elf64.Machine) *object {
	const code = elf.SHF_ALLOC | elf.SHF_EXECINSTR
	return &object{
		machine: m,
		parts: []part{
			{name: ".discard", align: 1, data: []byte("dropped")},
			{name: ".text", flags: code, align: 16, data: []byte("code"), relocs: []reloc{{at: 0, symbol: 2, kind: 4, addend: -4}}},
			{name: ".text", flags: code, align: 16, data: []byte("more code")},
		},
		symbols: []symbol{
			{info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), part: 3},
			{name: "f", info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), part: 3, value: 4, size: 5},
		},
	}
}

// The example in the document is the golden recipe, byte by byte.
func TestTheExampleInTheDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/recipe-format.md")
	require.NoError(t, err)
	_, example, ok := strings.Cut(string(text), "## 12. Example")
	require.True(t, ok)
	var data []byte
	for line := range strings.Lines(example) {
		// Four blanks, the offset, two blanks, bytes, two blanks, what they are.
		fields := strings.SplitN(strings.TrimPrefix(line, "    "), "  ", 3)
		if !strings.HasPrefix(line, "    ") || len(fields) < 2 {
			continue
		}
		at, err := strconv.ParseUint(fields[0], 16, 32)
		require.NoError(t, err, line)
		require.Equal(t, len(data), int(at), line)
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(fields[1]), " ", ""))
		require.NoError(t, err, line)
		data = append(data, b...)
	}
	assert.Equal(t, hex.Dump(readGolden(t, "example.recipe")), hex.Dump(data))
}
