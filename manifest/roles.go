package manifest

import (
	"cmp"
	"slices"
)

// Role says what an input file is for.
type Role string

// The roles of input files.
const (
	RoleCertificate Role = "certificate"
	RoleSignature   Role = "signature"
	RoleWhole       Role = "whole" // an unsigned module
	RoleRecipe      Role = "recipe"
	RoleObject      Role = "object"
	RoleScript      Role = "script" // of the linker
	RoleSource      Role = "source" // of a file to place
	RoleLinker      Role = "linker" // the program; not read, but run
)

// InputFile is a file that a manifest names as an input.
type InputFile struct {
	File string `json:"file"` // absolute path
	Role Role   `json:"role"`
	Pos  Pos    `json:"-"` // of what needs it first
}

// InputFiles lists the input files of a manifest and what each is for, sorted by
// path; no two are the same in both.
func (m *Manifest) InputFiles() []InputFile {
	var all []InputFile
	for _, s := range m.Signers {
		all = append(all, InputFile{s.Certificate, RoleCertificate, s.Pos})
	}
	linked := false
	for i := range m.Modules {
		mod := &m.Modules[i]
		all = append(all, InputFile{mod.Signature, RoleSignature, mod.Pos})
		for _, f := range mod.Form {
			linked = linked || len(f.Link) > 0
			all = append(all, f.inputFiles(m.Linker)...)
		}
	}
	if linked && m.Linker != nil && m.Linker.Recorded.Path != "" {
		all = append(all, InputFile{m.Linker.Recorded.Path, RoleLinker, m.Linker.Pos})
	}
	for _, f := range m.Files {
		all = append(all, InputFile{f.Source, RoleSource, f.Pos})
	}
	slices.SortStableFunc(all, func(a, b InputFile) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Role, b.Role))
	})
	return slices.CompactFunc(all, func(a, b InputFile) bool { return a.File == b.File && a.Role == b.Role })
}

// inputFiles are those of one way, in its own order.
func (f *Form) inputFiles(l *Linker) []InputFile {
	var all []InputFile
	add := func(role Role, files ...string) {
		for _, file := range files {
			all = append(all, InputFile{file, role, f.Pos})
		}
	}
	switch {
	case f.Whole != "":
		add(RoleWhole, f.Whole)
	case f.Recipe != "":
		add(RoleRecipe, f.Recipe)
		add(RoleObject, f.Inputs...)
	default:
		add(RoleObject, objectsOf(f.Link)...)
		if l != nil && l.Script != "" {
			add(RoleScript, l.Script)
		}
	}
	return all
}

func objectsOf(inputs []Input) []string {
	var all []string
	for _, in := range inputs {
		if in.Object != "" {
			all = append(all, in.Object)
			continue
		}
		all = append(all, objectsOf(in.Objects)...)
	}
	return all
}
