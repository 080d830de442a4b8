package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/recipe"
)

// golden is a real case: an image and its objects.
const golden = "../../assemble/recipe/testdata/acme-amd64"

// set writes a set of that index beside copies of the golden files.
func set(t *testing.T, index string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"acme.ko", "core.o", "glue.o"} {
		data, err := os.ReadFile(filepath.Join(golden, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	file := filepath.Join(dir, "index.tsv")
	require.NoError(t, os.WriteFile(file, []byte(index), 0o644))
	return file
}

func TestRun(t *testing.T) {
	const good = "acme\tnone\tx86_64\tfinal\tacme.ko\tcore.o glue.o\n"
	tests := []struct {
		name, index string
		code        int
		want        string
	}{
		{"a case that is equal", good, 0, "1 of 1 cases are equal"},
		{"an object is missing", good + "lost\tnone\tx86_64\tfinal\tacme.ko\tcore.o gone.o\n", 1, "1 of 2 cases are equal"},
		{"the image is no module", "odd\tnone\tx86_64\tfinal\tindex.tsv\tcore.o\n", 1, "no relocatable file"},
		{"a line is cut off", "acme\tnone\n", 1, "a line has 2 fields instead of 6"},
		{"nothing was built", "", 1, "# SKIP nothing of it could be built"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), []string{"-tamper", "20", set(t, tt.index)}, &stdout, &stderr)
			assert.Equal(t, tt.code, code, stdout.String())
			assert.Contains(t, stdout.String(), tt.want)
			assert.Empty(t, stderr.String())
		})
	}
}

// The judge itself must see a wrong image that nobody is blamed for.
func TestRefusedSeesAnImageThatIsWrong(t *testing.T) {
	cases, err := readIndex(set(t, "acme\tnone\tx86_64\tfinal\tacme.ko\tcore.o glue.o\n"))
	require.NoError(t, err)
	good, inputs := makeCase(t, cases[0])
	wrong := *good
	wrong.SHA256[0] ^= 1
	r := &result{moduleCase: cases[0]}
	assert.NoError(t, r.refused(context.Background(), good.Encode(), inputs, good))
	assert.ErrorContains(t, r.refused(context.Background(), wrong.Encode(), inputs, &wrong), "nobody is to blame")
}

func makeCase(t *testing.T, c *moduleCase) (*recipe.Recipe, [][]byte) {
	t.Helper()
	image, objects, err := c.read()
	require.NoError(t, err)
	r, err := recipe.Make(context.Background(), objects, image)
	require.NoError(t, err)
	inputs := make([][]byte, len(objects))
	for i, o := range objects {
		inputs[i] = o.Data
	}
	return r, inputs
}
