package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"koweld/assemble/recipe"
)

// moduleCase is an image and what it was linked from.
type moduleCase struct {
	dir                    string // of the index; the paths below are relative to it
	id, kernel, arch, kind string
	image                  string
	inputs                 []string
}

func (c *moduleCase) String() string {
	return fmt.Sprintf("%s %s %s %s", c.id, c.kernel, c.arch, c.kind)
}

// readIndex reads the list of a set: a line a case, with the fields ID, kernel,
// architecture, kind, image and inputs, by tabs; the inputs by blanks.
func readIndex(name string) ([]*moduleCase, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var cases []*moduleCase
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 6 {
			return nil, fmt.Errorf("cannot read %s: a line has %d fields instead of 6", name, len(f))
		}
		cases = append(cases, &moduleCase{
			dir: filepath.Dir(name), id: f[0], kernel: f[1], arch: f[2], kind: f[3],
			image: f[4], inputs: strings.Fields(f[5]),
		})
	}
	return cases, nil
}

// read reads the image and the inputs.
func (c *moduleCase) read() (image []byte, objects []recipe.Object, err error) {
	if image, err = os.ReadFile(filepath.Join(c.dir, c.image)); err != nil {
		return nil, nil, err
	}
	for _, name := range c.inputs {
		data, err := os.ReadFile(filepath.Join(c.dir, name))
		if err != nil {
			return nil, nil, err
		}
		objects = append(objects, recipe.Object{Name: filepath.Base(name), Data: data})
	}
	return image, objects, nil
}
