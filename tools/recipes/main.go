// Recipes makes and applies a recipe for each case of a corpus.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"koweld/assemble/recipe"
)

func main() {
	fails := 0
	for _, index := range os.Args[1:] {
		data, err := os.ReadFile(index)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		dir := filepath.Dir(index)
		for line := range strings.Lines(string(data)) {
			f := strings.Split(strings.TrimSpace(line), "\t")
			image, err := os.ReadFile(filepath.Join(dir, f[4]))
			if err != nil {
				fmt.Println(err)
				continue
			}
			var objects []recipe.Object
			var ins [][]byte
			for _, n := range strings.Fields(f[5]) {
				d, err := os.ReadFile(filepath.Join(dir, n))
				if err != nil {
					fmt.Println(err)
				}
				objects = append(objects, recipe.Object{Name: filepath.Base(n), Data: d})
				ins = append(ins, d)
			}
			t0 := time.Now()
			r, err := recipe.Make(context.Background(), objects, image)
			t1 := time.Now()
			if err != nil {
				fails++
				fmt.Printf("FAIL %s %s %s: %v\n", f[0], f[1], f[3], err)
				continue
			}
			enc := r.Encode()
			t2 := time.Now()
			got, err := r.Apply(context.Background(), ins, recipe.Options{Procs: 2})
			t3 := time.Now()
			ok := err == nil && bytes.Equal(got, image)
			if !ok {
				fails++
			}
			fmt.Printf("%v %s %s %s image %d recipe %d make %.1fms apply %.1fms\n", ok, f[0], f[1], f[3], len(image), len(enc), float64(t1.Sub(t0).Microseconds())/1e3, float64(t3.Sub(t2).Microseconds())/1e3)
		}
	}
	fmt.Println("failures", fails)
}
