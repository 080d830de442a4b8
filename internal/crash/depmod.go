package crash

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/tool"
)

// Depmod is a depmod on a file system. As kmod's does, it indexes whatever has
// ".ko" in its name, dotfiles too, writes each file of the index under another
// name and renames it, and makes nothing durable. There is no other program.
type Depmod struct {
	FS fsys.FS
}

// halfWritten ends the names that kmod's depmod renames: process, second and
// microsecond.
const halfWritten = ".4711.42.99"

func isIndex(name string) bool {
	for _, own := range []string{"modules.dep", "modules.alias"} {
		if base := path.Base(name); base == own || base == own+halfWritten {
			return true
		}
	}
	return false
}

// Look implements [tool.Runner].
func (d Depmod) Look(name string) (string, error) {
	if name != "depmod" {
		return "", &tool.MissingError{Name: name}
	}
	return "/sbin/depmod", nil
}

// Run implements [tool.Runner].
func (d Depmod) Run(ctx context.Context, c tool.Cmd) (tool.Result, error) {
	if _, err := d.Look(path.Base(c.Path)); err != nil {
		return tool.Result{}, err
	}
	if len(c.Args) != 3 || c.Args[0] != "-b" {
		return tool.Result{}, fmt.Errorf("the fake depmod does not know %q", c.Args)
	}
	if err := d.write(path.Join(c.Args[1], "lib/modules", c.Args[2])); err != nil {
		return tool.Result{}, &tool.FailedError{Cmd: c, Code: -1, Err: err}
	}
	return tool.Result{}, context.Cause(ctx)
}

func (d Depmod) write(folder string) error {
	modules := map[string][]byte{}
	if err := d.read(modules, folder, ""); err != nil {
		return err
	}
	index := indexOf(modules)
	for _, name := range []string{"modules.dep", "modules.alias"} {
		temporary := path.Join(folder, name+halfWritten)
		// An older depmod may have died here.
		_ = d.FS.Unlink(temporary)
		f, err := d.FS.Create(temporary, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write([]byte(index[name]))
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			err = d.FS.Rename(temporary, path.Join(folder, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read reads the modules below a folder, by relative name.
func (d Depmod) read(modules map[string][]byte, folder, below string) error {
	entries, err := d.FS.ReadDir(path.Join(folder, below))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(below, e.Name())
		switch {
		case e.IsDir():
			err = d.read(modules, folder, name)
		case isModule(name):
			modules[name], err = fsys.ReadFile(d.FS, path.Join(folder, name), 1<<20)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// modulesBelow is what depmod would read.
func modulesBelow(d *faultfs.Disk, folder string) map[string][]byte {
	modules := map[string][]byte{}
	for name, e := range d.All() {
		if rel, ok := strings.CutPrefix(name, folder+"/"); ok && isModule(name) && e.IsRegular() {
			modules[rel] = e.Data
		}
	}
	return modules
}

// indexOf is the index of modules. It holds their digests: so one that tells
// of other bytes is seen.
func indexOf(modules map[string][]byte) map[string]string {
	var dep, alias strings.Builder
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		fmt.Fprintf(&dep, "%s:\n", name)
		fmt.Fprintf(&alias, "alias %x %s\n", sha256.Sum256(modules[name]), name)
	}
	return map[string]string{"modules.dep": dep.String(), "modules.alias": alias.String()}
}
