package unit

import (
	"path"
	"slices"

	"koweld/divert"
	"koweld/divert/static"
	"koweld/internal/dpkg"
	"koweld/manifest"
)

// Declared is what a tool that packs a manifest has to know of it.
type Declared struct {
	Package string               `json:"package"`
	Kernel  string               `json:"kernel"`
	Needs   []manifest.Feature   `json:"needs"`
	Inputs  []manifest.InputFile `json:"inputs"`
	// Folders are those of the inputs, and the files that others lie beside, sorted:
	// when something there changes, the unit may have to be formed anew. That of the
	// linker is none of them.
	Folders []string `json:"folders"`
	// Userspace are the packages that have a say in which stream is active: when one
	// comes or goes, that is to be decided anew.
	Userspace []string `json:"userspace"`
	// Diverts are the names that the package diverts, and Scripts the shell for it.
	Diverts []DivertedName  `json:"diverts"`
	Scripts *static.Scripts `json:"scripts,omitempty"`
}

// DivertedName is a name that a package diverts.
type DivertedName struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Folder is that of To, which the package has to have; "" if every system has it.
	Folder string `json:"folder,omitempty"`
}

// everywhere are folders of base-files, which is Essential.
var everywhere = []string{"/usr", "/usr/bin", "/usr/games", "/usr/lib", "/usr/sbin", "/usr/share"}

// Declares tells what a manifest declares. No file is looked at.
func Declares(m *manifest.Manifest) Declared {
	d := Declared{
		Package: m.Package, Kernel: m.Kernel, Needs: m.Features(), Inputs: m.InputFiles(),
		Folders: []string{}, Userspace: slices.Clone(m.Userspace),
	}
	for _, name := range m.Reads() {
		d.Folders = append(d.Folders, path.Dir(name))
	}
	for i := range m.Files {
		if beside := m.Files[i].Beside; beside != "" {
			d.Folders = append(d.Folders, beside, dpkg.Twin(beside))
		}
	}
	slices.Sort(d.Folders)
	d.Folders = slices.Compact(d.Folders)
	if d.Inputs == nil {
		d.Inputs = []manifest.InputFile{}
	}
	if d.Userspace == nil {
		d.Userspace = []string{}
	}
	d.Diverts = []DivertedName{}
	for i := range m.Diverts {
		if t := &m.Diverts[i]; !t.Past() {
			entry := DivertedName{From: t.From, To: t.To, Folder: path.Dir(t.To)}
			if slices.Contains(everywhere, entry.Folder) {
				entry.Folder = ""
			}
			d.Diverts = append(d.Diverts, entry)
		}
	}
	if len(m.Diverts) > 0 {
		scripts := static.Write(statics(m))
		d.Scripts = &scripts
	}
	return d
}

// statics are the diversions as the maintainer scripts make them.
func statics(m *manifest.Manifest) []static.Diversion {
	all := make([]static.Diversion, len(m.Diverts))
	for i := range m.Diverts {
		t := &m.Diverts[i]
		all[i] = static.Diversion{
			ID: t.ID, Diversion: divert.Diversion{From: t.From, To: t.To, Package: m.Package}, Twin: t.Twin(),
			Ship: t.Ship, Move: t.Move == manifest.MoveAuto, Since: t.Since, Until: t.Until, Conflict: string(t.OnConflict),
		}
		for j := range m.Diverts {
			if o := &m.Diverts[j]; t.Past() && !o.Past() && t.OnePlace(o) {
				all[i].Then = &all[j]
			}
		}
	}
	return all
}
