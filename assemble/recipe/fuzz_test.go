package recipe_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/assemble/recipe"
)

// seedRecipes adds real small recipes: those of testdata, and one for each
// habit of a linker.
func seedRecipes(add func(data, image []byte, objects [][]byte)) {
	for _, tt := range golden[1:] {
		core, glue := acmeCore(tt.machine), acmeGlue(tt.machine)
		objects := [][]byte{core.encode(), glue.encode()}
		for _, l := range []linker{
			{names: mergedNames, discard: func(_ int, p *part) bool { return p.name == ".discard" }},
			{names: eachName, zero: true, sort: true, order: backwards},
		} {
			linked := l.link(core, glue)
			tt.change(linked)
			image := linked.encode()
			r, err := recipe.Make(context.Background(), named(objects), image)
			if err != nil {
				panic(err)
			}
			add(r.Encode(), image, objects)
		}
	}
}

func FuzzParse(f *testing.F) {
	seedRecipes(func(data, _ []byte, _ [][]byte) {
		f.Add(data[:len(data)-recipe.ChecksumSize])
		for i := recipe.MagicSize; i < len(data); i += 7 {
			f.Add(at(data, i, data[i]^0x41)[:len(data)-recipe.ChecksumSize])
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		data = signed(append(bytes.Clone(data), 0, 0, 0, 0))
		n := allocated(func() {
			r, err := recipe.Parse(data)
			if err == nil {
				require.True(t, bytes.Equal(data, r.Encode()), "a recipe has one form")
				r.Literals()
			}
		})
		// What Parse makes of a byte is at most some dozens of bytes; Encode
		// and the names of sections come on top.
		require.Less(t, n, uint64(1<<20+256*len(data)))
	})
}

func FuzzApply(f *testing.F) {
	seedRecipes(func(data, _ []byte, objects [][]byte) {
		f.Add(data[:len(data)-recipe.ChecksumSize], objects[0], objects[1])
	})
	f.Fuzz(func(t *testing.T, data, a, b []byte) {
		data = signed(append(bytes.Clone(data), 0, 0, 0, 0))
		r, err := recipe.Parse(data)
		if err != nil {
			return
		}
		// Objects are not looked at if their sizes are others.
		raw := r.Raw()
		if objects := [][]byte{a, b}; len(raw.Inputs) == 2 {
			raw.Inputs[0].Size, raw.Inputs[1].Size = uint64(len(a)), uint64(len(b))
			image, err := try(t, raw.Encode(), objects, 1)
			if err == nil && len(image) < 64<<10 {
				require.True(t, bytes.Equal(image, naive(raw.Encode(), objects)), "the document gives another image")
			}
		}
	})
}

// Make gives an exact recipe, or an error: for an image or an object that
// cannot be read, or whose recipe would be refused.
func FuzzMake(f *testing.F) {
	seedRecipes(func(_, image []byte, objects [][]byte) { f.Add(image, objects[0], objects[1]) })
	f.Fuzz(func(t *testing.T, image, a, b []byte) {
		if len(image)+len(a)+len(b) > 64<<10 {
			return
		}
		r, err := recipe.Make(context.Background(), named([][]byte{a, b}), image)
		if err != nil {
			return
		}
		got, err := try(t, r.Encode(), [][]byte{a, b}, 1)
		require.NoError(t, err)
		require.True(t, bytes.Equal(image, got))
	})
}
