package unit

import (
	"path"
	"slices"

	"koweld/manifest"
)

// Declared is what a tool that packs a manifest has to know of it.
type Declared struct {
	Package string               `json:"package"`
	Kernel  string               `json:"kernel"`
	Needs   []manifest.Feature   `json:"needs"`
	Inputs  []manifest.InputFile `json:"inputs"`
	// Folders are those of the inputs, sorted: when something in them changes, the
	// modules may have to be formed anew. That of the linker is none of them.
	Folders []string `json:"folders"`
	// Userspace are the packages that have a say in which stream is active: when one
	// comes or goes, that is to be decided anew.
	Userspace []string `json:"userspace"`
}

// Declares tells what a manifest declares. No file is looked at.
func Declares(m *manifest.Manifest) Declared {
	d := Declared{
		Package: m.Package, Kernel: m.Kernel, Needs: m.Features(), Inputs: m.InputFiles(),
		Folders: []string{}, Userspace: slices.Clone(m.Userspace),
	}
	for _, name := range m.Reads() {
		d.Folders = append(d.Folders, path.Dir(name))
	}
	slices.Sort(d.Folders)
	d.Folders = slices.Compact(d.Folders)
	if d.Inputs == nil {
		d.Inputs = []manifest.InputFile{}
	}
	if d.Userspace == nil {
		d.Userspace = []string{}
	}
	return d
}
