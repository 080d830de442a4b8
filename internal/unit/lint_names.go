package unit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/txn"
	"koweld/manifest"
)

// modprobe knows a module by its name alone: of two in one kernel it takes one.

// A namesake is a module of the kernel, by one of its lists or by its file.
type namesake struct {
	rel   string // file, relative to the folder of the kernel's modules
	shown string // as it is told
	built bool   // it is a part of the kernel itself
	file  bool   // it is there, and not only listed
}

// Modules are the modules of a kernel that is not in the root: FS is a folder
// like /lib/modules/KERNEL, called Name.
type Modules struct {
	FS   fsys.FS
	Name string
}

// lintNames finds modules of the kernel that have the name of one of ours.
func (s *System) lintNames(m *manifest.Manifest, elsewhere *Modules, r *Report) error {
	if len(m.Modules) == 0 {
		return nil
	}
	ours, err := s.placedBy(m)
	if err != nil {
		return err
	}
	byName := make(map[string][]namesake)
	for _, folder := range s.moduleFolders(m.Kernel) {
		if err := addModules(byName, s.FS, folder, folder, func(rel string) bool { return ours[rel] }); err != nil {
			return err
		}
	}
	if elsewhere != nil {
		// No kernel ships updates: what lies there is of the machine that
		// the folder is on.
		if err := addModules(byName, elsewhere.FS, "/", elsewhere.Name, inUpdates); err != nil {
			return err
		}
	}
	for i := range m.Modules {
		mod := &m.Modules[i]
		for _, other := range rivals(mod, byName[txn.ModuleName(mod.Name)]) {
			severity, hint := other.against(mod)
			r.add(severity, mod.Pos, fmt.Sprintf("module %s is in the kernel already: %s", mod.Name, other.shown), hint)
		}
	}
	return nil
}

// moduleFolders are the folders of a kernel's modules: both spellings where they
// are two, as in the tree of a package, which has no link.
func (s *System) moduleFolders(kernel string) []string {
	folder := path.Join(modulesDir, kernel)
	merged := twins{fs: s.FS, same: make(map[string]bool)}
	if len(merged.spellings(folder)) > 1 {
		return []string{folder}
	}
	return []string{folder, "/usr" + folder}
}

// placedBy are the files, relative to the kernel's folder, of units that do not
// stand in the way: that of the manifest, those that it replaces, and the other
// streams of its group.
func (s *System) placedBy(m *manifest.Manifest) (map[string]bool, error) {
	records, err := s.store().LoadAll()
	if err != nil {
		return nil, err
	}
	streams, err := s.group(providesOf(m), m.Kernel, m.Package)
	if err != nil {
		return nil, err
	}
	friends := append(packagesOf(streams), m.Package)
	friends = append(friends, m.Replaces...)
	placed := make(map[string]bool)
	for _, r := range records {
		if !slices.Contains(friends, r.Package) {
			continue
		}
		for i := range r.Files {
			if rel, below := strings.CutPrefix(r.Files[i].Path, path.Join(modulesDir, m.Kernel)+"/"); below {
				placed[rel] = true
			}
		}
	}
	return placed, nil
}

// addModules adds the modules in a folder, called name, to those by their name;
// skip is told paths below it.
func addModules(byName map[string][]namesake, fsx fsys.FS, folder, name string, skip func(rel string) bool) error {
	add := func(n namesake) {
		key := txn.ModuleName(n.rel)
		byName[key] = append(byName[key], n)
	}
	err := walkModules(fsx, folder, "", func(rel string) {
		if !skip(rel) {
			add(namesake{rel: rel, shown: path.Join(name, rel), file: true})
		}
	})
	if err != nil {
		return fmt.Errorf("cannot look at the modules in %s: %w", name, err)
	}
	for _, list := range []string{"modules.order", "modules.builtin"} {
		data, err := fsys.ReadFile(fsx, path.Join(folder, list), indexLimit)
		if isGone(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot look at the modules in %s: %w", name, err)
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		for lines.Scan() {
			if rel := lines.Text(); manifest.IsModuleFile(rel) {
				add(namesake{rel: rel, shown: path.Join(name, rel) + " of its " + list, built: list == "modules.builtin"})
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("cannot read %s: %w", path.Join(name, list), err)
		}
	}
	return nil
}

// walkModules tells of each file below a folder that depmod takes for a module.
// Links to folders are not followed.
func walkModules(fsx fsys.FS, folder, below string, tell func(rel string)) error {
	entries, err := fsx.ReadDir(path.Join(folder, below))
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		rel := path.Join(below, e.Name())
		switch {
		case e.IsDir():
			if err := walkModules(fsx, folder, rel, tell); err != nil {
				return err
			}
		case manifest.IsModuleFile(rel):
			tell(rel)
		}
	}
	return nil
}

func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) }

// rivals are those of the modules of a name that are not at the target, each file
// once. A file at the target is saved; one in a list, of which the kernel's
// package compresses the file or leaves it out, is meant by its plain name.
func rivals(mod *manifest.Module, all []namesake) []namesake {
	seen := make(map[string]bool)
	var found []namesake
	for _, n := range all {
		if !n.built {
			if n.rel == mod.Target() || !n.file && n.rel == mod.Install || seen[n.rel] {
				continue
			}
			seen[n.rel], seen[uncompressed(n.rel)] = true, true
		}
		found = append(found, n)
	}
	return found
}

// uncompressed is the name of a module's file before it was compressed.
func uncompressed(name string) string {
	if i := strings.LastIndex(name, ".ko."); i >= 0 {
		return name[:i+len(".ko")]
	}
	return name
}

func inUpdates(rel string) bool { return strings.HasPrefix(rel, "updates/") }

// against says how bad it is that a module has a namesake, and what depmod and
// modprobe would do: depmod.d(5), with its default "search updates built-in".
func (n *namesake) against(mod *manifest.Module) (sev Severity, hint string) {
	ours, theirs := inUpdates(mod.Install), inUpdates(n.rel)
	switch {
	case n.built:
		// kernel/module/sysfs.c, mod_sysfs_init().
		return LintError, "what is built in always wins: the kernel loads no module of that name"
	case ours && !theirs:
		return LintWarning, "modprobe will take " + mod.Install + ", since depmod takes updates first: leave it so if that is the purpose"
	case theirs && !ours:
		return LintError, "modprobe will take that one, since depmod takes updates first: " + n.remedy()
	}
	return LintError, "depmod takes the one of them that it meets first: " + n.remedy()
}

// remedy is what to do about a namesake that is in the way.
func (n *namesake) remedy() string {
	switch {
	case strings.Contains(n.rel, "/dkms/"):
		return "remove it by dkms"
	case inUpdates(n.rel):
		return "remove it"
	}
	return "install below updates, or at the place of the other"
}
