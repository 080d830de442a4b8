package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"koweld/assemble/pack"
)

// maxModule bounds an inflated module, in bytes; Debian's largest have 10 MB.
const maxModule = 256 << 20

// tree is the files of interest below a directory: names relative to it, without
// the suffix, to paths.
type tree map[string]string

// readTree finds the files whose names end in one of suffixes.
func readTree(dir string, suffixes ...string) (tree, error) {
	found := tree{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for _, suffix := range suffixes {
			stem, ok := strings.CutSuffix(path, suffix)
			if !ok {
				continue
			}
			name, err := filepath.Rel(dir, stem)
			if err != nil {
				return err
			}
			if other, twice := found[name]; twice {
				return fmt.Errorf("cannot tell which is %s: %s or %s", name, other, path)
			}
			found[name] = path
		}
		return nil
	})
	return found, err
}

// shuffled returns the names in an order that depends on nothing but them: by
// their digests. So its first N are a sample, and a smaller sample is part of a
// larger one.
func (t tree) shuffled() []string {
	sums := map[string][sha256.Size]byte{}
	for name := range t {
		sums[name] = sha256.Sum256([]byte(name))
	}
	return slices.SortedFunc(maps.Keys(t), func(a, b string) int {
		x, y := sums[a], sums[b]
		return bytes.Compare(x[:], y[:])
	})
}

// without returns the names in t that are not in other, sorted.
func (t tree) without(other tree) []string {
	var lacking []string
	for name := range t {
		if _, ok := other[name]; !ok {
			lacking = append(lacking, name)
		}
	}
	slices.Sort(lacking)
	return lacking
}

// readModule returns a module, inflated.
func readModule(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return pack.Inflate(data, maxModule)
}
