package recipe_test

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"koweld/assemble/recipe"
)

// nvidia reads the case of NVIDIA's largest module from the corpus
// (testdata/corpus), or skips.
func nvidia(b *testing.B, id string) (objects []recipe.Object, image []byte) {
	cache, err := os.UserCacheDir()
	if err != nil {
		b.Fatal(err)
	}
	indices, _ := filepath.Glob(filepath.Join(cache, "koweld/corpus/6.1-nvidia-535/index.tsv"))
	if len(indices) == 0 {
		b.Skip("SKIP: the corpus is not there: make corpus")
	}
	text, err := os.ReadFile(indices[0])
	if err != nil {
		b.Fatal(err)
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(indices[0]), name))
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if f[0] != id {
			continue
		}
		for name := range strings.FieldsSeq(f[5]) {
			objects = append(objects, recipe.Object{Name: filepath.Base(name), Data: read(name)})
		}
		return objects, read(f[4])
	}
	b.Fatalf("the corpus has no %s", id)
	return nil, nil
}

// BenchmarkApply forms nvidia.ko (76 MB). Its counterparts are a copy of the
// inputs into fresh memory, and the hash that follows anyway.
func BenchmarkApply(b *testing.B) {
	for _, id := range []string{"nvidia", "nvidia-both"} {
		objects, image := nvidia(b, id)
		r, err := recipe.Make(context.Background(), objects, image)
		if err != nil {
			b.Fatal(err)
		}
		inputs := make([][]byte, len(objects))
		for i, o := range objects {
			inputs[i] = o.Data
		}
		b.Run(id+"/copy", func(b *testing.B) {
			b.SetBytes(int64(len(image)))
			for b.Loop() {
				for _, in := range inputs {
					fresh := make([]byte, len(in))
					copy(fresh, in)
				}
			}
		})
		for name, procs := range map[string]int{"1": 1, "2": 2} {
			b.Run(id+"/apply-"+name, func(b *testing.B) {
				b.SetBytes(int64(len(image)))
				for b.Loop() {
					if _, err := r.Apply(context.Background(), inputs, recipe.Options{Procs: procs}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(id+"/apply-2+sha256", func(b *testing.B) {
			b.SetBytes(int64(len(image)))
			for b.Loop() {
				if _, err := r.Apply(context.Background(), inputs, recipe.Options{Procs: 2, Sink: sha256.New()}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(id+"/sha256", func(b *testing.B) {
			b.SetBytes(int64(len(image)))
			for b.Loop() {
				sha256.Sum256(image)
			}
		})
	}
}
