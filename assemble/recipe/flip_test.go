package recipe_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/elf64"
	"koweld/assemble/recipe"
)

// The checksum finds every byte that was changed.
func TestEveryByteOfARecipe(t *testing.T) {
	image, objects := acme(amd64)
	data := makeRecipe(t, image, objects...).Encode()
	for i := range data {
		for v := range 256 {
			if byte(v) == data[i] {
				continue
			}
			_, err := recipe.Parse(at(data, i, byte(v)))
			require.Error(t, err, "byte %d is %#x", i, v)
		}
	}
	for n := range data {
		_, err := recipe.Parse(data[:n])
		require.Error(t, err, "truncated to %d bytes", n)
		_, err = recipe.Parse(signed(data[:n]))
		require.Error(t, err, "truncated to %d bytes", n)
	}
}

// With the checksum written anew, the decoder sees every change. It gives an
// error or an image of the declared size, which is what the document says of the
// changed recipe; and if that is not the right one, its digest tells.
func TestEveryByteOfARecipeBehindTheChecksum(t *testing.T) {
	for _, m := range machines {
		image, objects := acme(m)
		want := sha256.Sum256(image)
		data := makeRecipe(t, image, objects...).Encode()
		refused, same, other := 0, 0, 0
		for i := range len(data) - recipe.ChecksumSize {
			for _, v := range values(m, data[i]) {
				changed := signed(at(data, i, v))
				got, err := try(t, changed, objects, 1)
				if _, malformed := recipe.Parse(changed); malformed == nil {
					// What Parse refuses naive does not look for.
					want := naively(changed, objects)
					require.Equal(t, want == nil, err != nil, "byte %d is %#x: %v", i, v, err)
					require.True(t, bytes.Equal(want, got), "byte %d is %#x: the document gives another image", i, v)
				}
				switch {
				case err != nil:
					refused++
				case sha256.Sum256(got) == want:
					require.True(t, bytes.Equal(image, got))
					same++
				default:
					other++
				}
			}
		}
		t.Logf("%v: %d refused, %d give the image, %d another", m, refused, same, other)
		assert.NotZero(t, refused)
		assert.NotZero(t, other)
	}
}

// values are those that take a byte's place: in the tier test all of them, for
// one machine.
func values(m elf64.Machine, b byte) []byte {
	if os.Getenv("KOWELD_TEST") != "full" || m != amd64 {
		return []byte{b ^ 1, b ^ 0x80, b + 4, ^b}
	}
	all := make([]byte, 0, 255)
	for v := range 256 {
		if byte(v) != b {
			all = append(all, byte(v))
		}
	}
	return all
}

// A changed object gives the declared image, or an error that names it.
func TestEveryByteOfAnObject(t *testing.T) {
	for _, m := range machines {
		image, objects := acme(m)
		r := makeRecipe(t, image, objects...)
		for which, name := range []string{"a.o", "b.o"} {
			unseen, refused, other := 0, 0, 0
			for i, b := range objects[which] {
				for _, v := range []byte{b ^ 1, b ^ 0x80, b + 1, ^b, 0, 0xff} {
					if v == b {
						continue
					}
					changed := [][]byte{objects[0], objects[1]}
					changed[which] = at(objects[which], i, v)
					got, err := r.Apply(context.Background(), changed, recipe.Options{Buffer: dirty})
					switch {
					case err != nil:
						refused++
					case sha256.Sum256(got) == r.SHA256:
						require.True(t, bytes.Equal(image, got))
						unseen++
						continue
					default:
						other++
						require.NotEmpty(t, r.Differences(got))
						err = r.Blame(changed)
					}
					var input *recipe.InputError
					require.ErrorAs(t, err, &input, "byte %d is %#x", i, v)
					require.Equal(t, name, input.Input)
				}
			}
			t.Logf("%v, %s: %d changes do not reach the image, %d are refused, %d give another image", m, name, unseen, refused, other)
			assert.NotZero(t, refused)
			assert.NotZero(t, other)
		}
	}
}
