package crash

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/tool"
)

const (
	dpkgDir    = "/var/lib/dpkg"
	diversions = dpkgDir + "/diversions"
)

// Dpkg is a dpkg-divert and a dpkg-query on a file system, beside [Depmod]. As that
// of dpkg does, dpkg-divert writes the whole list anew under one name, makes that
// durable and not its folder, and keeps the old list.
type Dpkg struct {
	Depmod
	// Ships are the names that each installed package ships.
	Ships map[string][]string
}

// Look implements [tool.Runner].
func (d Dpkg) Look(name string) (string, error) {
	switch name {
	case "dpkg-divert", "dpkg-query":
		return "/usr/bin/" + name, nil
	}
	return d.Depmod.Look(name)
}

// Run implements [tool.Runner].
func (d Dpkg) Run(ctx context.Context, c tool.Cmd) (tool.Result, error) {
	switch path.Base(c.Path) {
	case "dpkg-query":
		return d.query(c)
	case "dpkg-divert":
		if slices.Equal(c.Args, []string{"--help"}) {
			return tool.Result{Stdout: []byte("--no-rename --instdir")}, nil
		}
		if err := d.divert(c.Args); err != nil {
			return tool.Result{}, &tool.FailedError{Cmd: c, Code: 2, Err: err}
		}
		return tool.Result{}, context.Cause(ctx)
	}
	return d.Depmod.Run(ctx, c)
}

// query is dpkg-query --search and --show, as package dpkg calls them.
func (d Dpkg) query(c tool.Cmd) (tool.Result, error) {
	i := slices.Index(c.Args, "--")
	if i < 0 {
		return tool.Result{}, fmt.Errorf("the fake dpkg-query does not know %q", c.Args)
	}
	var out strings.Builder
	var failed error // some are not known
	for _, arg := range c.Args[i+1:] {
		known := false
		for _, pkg := range slices.Sorted(maps.Keys(d.Ships)) {
			switch {
			case slices.Contains(c.Args, "--search") && slices.Contains(d.Ships[pkg], arg):
				fmt.Fprintf(&out, "%s: %s\n", pkg, arg)
			case slices.Contains(c.Args, "--show") && pkg == arg:
				fmt.Fprintf(&out, "=%s\tinstalled\t\n\n", pkg)
			default:
				continue
			}
			known = true
		}
		if !known {
			failed = &tool.FailedError{Cmd: c, Code: 1}
		}
	}
	return tool.Result{Stdout: []byte(out.String())}, failed
}

// divert is dpkg-divert with arguments such as [divert.Step.Args] makes.
func (d Dpkg) divert(args []string) error {
	value := map[string]string{}
	for i, arg := range args {
		if strings.HasPrefix(arg, "--") && i+1 < len(args) {
			value[arg] = args[i+1]
		}
	}
	holder := value["--package"]
	if slices.Contains(args, "--local") {
		holder = ":"
	}
	if value["--admindir"] != dpkgDir || !slices.Contains(args, "--no-rename") || holder == "" {
		return fmt.Errorf("the fake dpkg-divert does not know %q", args)
	}
	old, err := fsys.ReadFile(d.FS, diversions, 1<<20)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	list := string(old)
	if from, add := value["--add"]; add {
		list += from + "\n" + value["--divert"] + "\n" + holder + "\n"
	} else {
		list = strings.Replace(list, value["--remove"]+"\n"+value["--divert"]+"\n"+holder+"\n", "", 1)
	}
	return d.replace(list, err == nil)
}

// replace writes the list as atomic_file_* of dpkg does.
func (d Dpkg) replace(list string, hasOld bool) error {
	_ = d.FS.Unlink(diversions + "-new")
	f, err := d.FS.Create(diversions+"-new", 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(list))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if hasOld {
		_ = d.FS.Unlink(diversions + "-old")
		if err := d.FS.Link(diversions, diversions+"-old"); err != nil {
			return err
		}
	}
	return d.FS.Rename(diversions+"-new", diversions)
}

// diverted are the entries of dpkg's list, in no order of its own.
func diverted(e faultfs.Entry) string {
	var all []string
	lines := strings.Split(strings.TrimSuffix(string(e.Data), "\n"), "\n")
	for entry := range slices.Chunk(lines, 3) {
		all = append(all, strings.Join(entry, " "))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// isDpkgs reports whether a name is one of dpkg's that say nothing: its locks, and
// what it keeps of a list or was killed over.
func isDpkgs(name string) bool {
	return path.Dir(name) == dpkgDir && (strings.HasPrefix(path.Base(name), "lock") || strings.HasPrefix(name, diversions+"-"))
}
