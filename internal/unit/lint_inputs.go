package unit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/internal/dpkg"
	"koweld/manifest"
)

// lintSpelling finds input files that are read through an aliased folder: dpkg
// compares names as strings, and so do its triggers. It says so once for a folder.
func lintSpelling(m *manifest.Manifest, r *Report) {
	said := make(map[string]bool)
	for _, in := range inOrder(m) {
		dir := path.Dir(in.File)
		twin := aliasOf(in.File)
		if twin == "" || said[dir] {
			continue
		}
		said[dir] = true
		r.add(LintWarning, in.Pos, fmt.Sprintf("%s is read by an aliased spelling", in.File), "use "+twin)
	}
}

// inOrder are the input files of a manifest as it names them.
func inOrder(m *manifest.Manifest) []manifest.InputFile {
	files := m.InputFiles()
	slices.SortStableFunc(files, func(a, b manifest.InputFile) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return files
}

// aliasOf is the spelling below /usr of a path that has one and does not use it;
// "" for every other.
func aliasOf(name string) string {
	if strings.HasPrefix(name, "/usr/") {
		return ""
	}
	return dpkg.Twin(name)
}

// lintSources asks whether the input files are there wherever the package of the
// manifest is: dpkg may only know that if it knows the package.
func (s *System) lintSources(ctx context.Context, m *manifest.Manifest, r *Report) error {
	db, err := s.dpkg()
	if err != nil || db == nil {
		return err
	}
	closure, err := db.Closure(ctx, m.Package)
	if err != nil || closure == nil {
		return err
	}
	files := inOrder(m)
	owners, err := s.ownersOf(ctx, db, files)
	if err != nil {
		return err
	}
	var found []*stray
	for _, in := range files {
		why, owner := judgeSource(in, owners[in.File], m.Package, closure)
		if why == "" {
			continue
		}
		if why == ofNobody {
			// One that is not there has been told of where it is read.
			_, err := s.FS.Stat(in.File)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
				continue
			}
		}
		spare := in.Role == manifest.RoleLinker && !needsLinker(m)
		i := slices.IndexFunc(found, func(f *stray) bool { return f.why == why && f.owner == owner && f.spare == spare })
		if i < 0 {
			found = append(found, &stray{why: why, owner: owner, spare: spare, pos: in.Pos})
			i = len(found) - 1
		}
		found[i].files = append(found[i].files, in.File)
	}
	own, _, err := db.Version(ctx, m.Package)
	if err != nil {
		return err
	}
	for _, f := range found {
		version := ""
		if f.owner != "" {
			v, _, err := db.Version(ctx, f.owner)
			if err != nil {
				return err
			}
			version = v.String()
		}
		f.report(r, m.Package, version, own.String())
	}
	return nil
}

// ownersOf returns the packages that ship each of the files, by whichever name
// dpkg knows it: the one that is given, its twin where /usr is merged, or, if
// those are of nobody, the one that links lead to.
func (s *System) ownersOf(ctx context.Context, db *dpkg.DB, files []manifest.InputFile) (map[string][]string, error) {
	merged := twins{fs: s.FS, same: make(map[string]bool)}
	spelt := make(map[string][]string) // by file; the last ones are behind links
	var names []string
	for _, in := range files {
		if spelt[in.File] != nil {
			continue
		}
		spelt[in.File] = merged.spellings(in.File)
		if resolved, err := s.FS.Resolve(in.File); err == nil && !slices.Contains(spelt[in.File], resolved) {
			spelt[in.File] = append(spelt[in.File], merged.spellings(resolved)...)
		}
		names = append(names, spelt[in.File]...)
	}
	byName, err := db.Owners(ctx, names)
	if err != nil {
		return nil, err
	}
	owners := make(map[string][]string)
	for file, all := range spelt {
		for _, name := range all {
			if len(byName[name]) > 0 {
				owners[file] = append(owners[file], byName[name]...)
				break
			}
		}
	}
	return owners, nil
}

// A stray is what is wrong with input files of one package, or of none.
type stray struct {
	why   strayed
	owner string // "" for none
	spare bool   // each module has another way
	files []string
	pos   manifest.Pos // of the first
}

type strayed string

const (
	ofNobody strayed = "nobody"
	ofOthers strayed = "others" // of a package that may not be there
	ofAnyOld strayed = "loose"  // of a package that may be there in another version
)

// judgeSource says what is wrong with the owners of an input file, or "".
func judgeSource(in manifest.InputFile, owners []string, pkg string, closure *dpkg.Closure) (why strayed, owner string) {
	if len(owners) == 0 {
		return ofNobody, ""
	}
	why, owner = ofOthers, owners[0]
	for _, o := range owners {
		switch {
		case o == pkg, closure.Exact(o):
			return "", ""
		case closure.Has(o) && in.Role == manifest.RoleLinker:
			return "", "" // any that gives the declared bytes will do
		case closure.Has(o):
			why, owner = ofAnyOld, o
		}
	}
	return why, owner
}

// needsLinker reports whether a module has no other way than to be linked.
func needsLinker(m *manifest.Manifest) bool {
	return slices.ContainsFunc(m.Modules, func(mod manifest.Module) bool {
		return !slices.ContainsFunc(mod.Form, func(f manifest.Form) bool { return len(f.Link) == 0 })
	})
}

// report tells of it; version is that of the owner, and own that of pkg.
func (f *stray) report(r *Report, pkg, version, own string) {
	severity := LintError
	if f.spare || f.why == ofAnyOld {
		severity = LintWarning
	}
	wanted := version
	if version == own {
		wanted = "${binary:Version}"
	}
	add := fmt.Sprintf(`add "Depends: %s (= %s)"`, f.owner, wanted)
	what := f.files[0] + beside(f.files)
	switch f.why {
	case ofNobody:
		r.add(severity, f.pos, "no package ships "+what, "ship it in "+pkg+", or in a package that this one depends on")
	case ofOthers:
		r.add(severity, f.pos, fmt.Sprintf("%s is of package %s, and %s does not depend on it", what, named(f.owner, version), pkg), add)
	case ofAnyOld:
		r.add(severity, f.pos, fmt.Sprintf("%s is of package %s, and %s depends on no exact version of it", what, named(f.owner, version), pkg),
			"the digests in the manifest are of these very bytes: "+add)
	}
}
