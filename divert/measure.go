package divert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/internal/dpkg"
	"koweld/internal/fsys"
)

// System is where a state is measured.
type System struct {
	FS fsys.FS
	DB *dpkg.DB // nil: dpkg knows nothing
	// Admin is dpkg's folder below the root.
	Admin string
}

// Measure looks at the layout, at all diversions, and at the names of these and
// of the wants with their other spellings. Nothing is changed. A damaged file of
// diversions is a *FormatError.
func Measure(ctx context.Context, sys System, wants ...Want) (*State, error) {
	st := &State{Names: make(map[string]*Name), Packages: make(map[string]dpkg.Package)}
	var err error
	if sys.Admin != "" {
		if st.Diversions, err = Load(sys.FS, sys.Admin); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(st.Diversions, func(a, b Diversion) int { return compare(a.From, b.From) })
	packages := []string{"usrmerge"}
	for _, d := range st.Diversions {
		if err := st.lookAt(sys.FS, d.From, d.To); err != nil {
			return nil, err
		}
		packages = append(packages, d.Package)
	}
	for _, w := range wants {
		if err := st.lookAt(sys.FS, w.names()...); err != nil {
			return nil, err
		}
		packages = append(packages, w.Package)
	}
	if sys.DB != nil {
		if err := st.ask(ctx, sys.DB, packages); err != nil {
			return nil, err
		}
	}
	if st.Layout, err = MeasureLayout(sys.FS, st.Packages["usrmerge"].Status); err != nil {
		return nil, err
	}
	return st, nil
}

// ask notes owners and packages.
func (st *State) ask(ctx context.Context, db *dpkg.DB, packages []string) error {
	var names []string
	for name := range st.Names {
		names = append(names, name)
	}
	slices.Sort(names)
	owners, err := db.Owners(ctx, names)
	if err != nil {
		return err
	}
	for name, pkgs := range owners {
		if n := st.Names[name]; n != nil {
			n.Owners = pkgs
			slices.Sort(n.Owners)
			packages = append(packages, pkgs...)
		}
	}
	slices.Sort(packages)
	known, err := db.Packages(ctx, slices.Compact(packages))
	if err != nil {
		return err
	}
	st.Packages = known
	return nil
}

// lookAt notes names and their other spellings.
func (st *State) lookAt(fsx fsys.FS, names ...string) error {
	for _, name := range names {
		if st.Names[name] != nil || !path.IsAbs(name) || strings.ContainsRune(name, 0) {
			continue // known, or nothing that a system could have
		}
		n, spelt, err := look(fsx, name)
		if err != nil {
			return fmt.Errorf("cannot look at %s: %w", name, err)
		}
		st.Names[name] = n
		others := []string{dpkg.Twin(path.Clean(name))}
		if spelt != "" {
			others = append(others, spelt, dpkg.Twin(spelt))
		}
		if err := st.lookAt(fsx, others...); err != nil {
			return err
		}
	}
	return nil
}

// look looks at one name. spelt is the name by which the place is reached
// without links, "" if there is no way to it.
func look(fsx fsys.FS, name string) (n *Name, spelt string, err error) {
	n = &Name{Path: name, Kind: Absent}
	clean := path.Clean(name) // dpkg knows it as it is written, the kernel does not care
	dir, info, rest, err := deepest(fsx, clean)
	if err == nil && !info.IsDir() {
		err = unix.ENOTDIR
	}
	if err != nil {
		if n.Fault = fault(err); n.Fault == "" {
			return nil, "", err
		}
		if errors.Is(err, unix.EACCES) {
			n.Kind = Hidden
		}
		return n, "", nil
	}
	n.Entry = Entry{Inode{info.Dev, info.Ino}, rest}
	n.Dev = info.Dev
	space, err := fsx.Space(dir)
	if err != nil {
		return nil, "", err
	}
	n.ReadOnly = space.ReadOnly
	spelt = path.Join(dir, rest)
	if !n.Entry.HasFolder() {
		return n, spelt, nil
	}
	there, err := fsx.Lstat(clean)
	if err == nil {
		n.Mount, err = fsx.IsMount(clean)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return n, spelt, nil
	case errors.Is(err, unix.EACCES):
		n.Kind = Hidden
		return n, spelt, nil
	case err != nil:
		return nil, "", err
	}
	n.Ino, n.Nlink = Inode{there.Dev, there.Ino}, there.Nlink
	switch {
	case there.IsRegular():
		n.Kind = File
	case there.IsDir():
		n.Kind = Folder
	case there.Mode&fs.ModeSymlink == 0:
		n.Kind = Special
	default:
		n.Kind = Link
		if n.Leads, err = fsx.Resolve(clean); err != nil && fault(err) == "" && !errors.Is(err, fs.ErrNotExist) {
			return nil, "", err
		}
	}
	return n, spelt, nil
}

// deepest finds the deepest folder that is there above a name: its path without
// links, and what is below it.
func deepest(fsx fsys.FS, name string) (dir string, info fsys.Info, rest string, err error) {
	rest = path.Base(name)
	for dir = path.Dir(name); ; dir = path.Dir(dir) {
		info, err = fsx.Stat(dir)
		if err == nil {
			dir, err = fsx.Resolve(dir)
			return dir, info, rest, err
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return "", fsys.Info{}, "", err
		}
		// A link that leads nowhere is there, and no folder can be made of it.
		if there, err := fsys.Exists(fsx, dir); err != nil {
			return "", fsys.Info{}, "", err
		} else if there {
			return "", fsys.Info{}, "", unix.ENOTDIR
		}
		rest = path.Join(path.Base(dir), rest)
	}
}

// fault names an error on the way to a place; "" for one that is none of the
// place's.
func fault(err error) string {
	switch {
	case errors.Is(err, unix.ELOOP):
		return "the links on the way to it go in a circle"
	case errors.Is(err, unix.ENOTDIR):
		return "something on the way to it is no folder"
	case errors.Is(err, unix.ENAMETOOLONG):
		return "a name is too long"
	case errors.Is(err, unix.EACCES):
		return "it may not be looked at"
	}
	return ""
}
