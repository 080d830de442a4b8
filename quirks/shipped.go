package quirks

import (
	"embed"
	"io/fs"
	"path"
)

//go:embed shipped/*.yaml
var shipped embed.FS

// Shipped are the documents of quirks that come with koweld, sorted by name. They
// lie on a system as well, and that is where they are read; these are for tests
// and for looking at them elsewhere.
func Shipped() []Source {
	names, err := fs.Glob(shipped, "shipped/*.yaml")
	if err != nil {
		panic(err) // of the pattern
	}
	var all []Source
	for _, name := range names {
		data, err := shipped.ReadFile(name)
		if err != nil {
			panic(err) // it has been listed
		}
		all = append(all, Source{File: path.Base(name), Data: data})
	}
	return all
}
