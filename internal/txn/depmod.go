package txn

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/tool"
)

// DepmodError says that depmod did not take a module. depmod exits 0 on
// garbage and only prints, so what it prints about our files is a failure.
type DepmodError struct {
	Module string // relative to the kernel's module folder
	Output string // what depmod said; "" if it left the module out of its index
}

func (e *DepmodError) Error() string {
	if e.Output == "" {
		return fmt.Sprintf("cannot index %s: depmod left it out", e.Module)
	}
	return fmt.Sprintf("cannot index %s: depmod says: %s", e.Module, e.Output)
}

// Hint says what to do.
func (e *DepmodError) Hint() string {
	if strings.HasSuffix(e.Module, ".ko") {
		return "nothing was changed; modinfo tells whether kmod can read the module"
	}
	return "nothing was changed; this kmod may be built without the module's compression: depmod --version lists what it has"
}

// isIndex reports whether depmod writes a file of this name into a kernel's
// module folder, if only for a while; modules.order and modules.builtin* come
// with the kernel, but for the binary forms.
func isIndex(name string) bool {
	switch name {
	case "modules.order", "modules.builtin", "modules.builtin.modinfo", "modules.builtin.ranges":
		return false
	}
	return strings.HasPrefix(name, "modules.")
}

// keepIndex gives every index file a second name and returns the first ones.
// depmod replaces its files by rename, so the second names keep the old index.
func keepIndex(fsx fsys.FS, o Op) (kept []string, err error) {
	entries, err := fsx.ReadDir(o.Folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !isIndex(e.Name()) || e.IsDir() {
			continue
		}
		if err := fsx.Link(path.Join(o.Folder, e.Name()), o.Staged+"-"+e.Name()); err != nil {
			return nil, err
		}
		kept = append(kept, e.Name())
	}
	return kept, nil
}

// restoreIndex puts the kept index files back and removes those that depmod
// made where there was none. That a second name is gone says nothing: an
// earlier try may have been killed while it dropped them.
func (m *Manager) restoreIndex(o Op, kept []string) error {
	for _, name := range kept {
		// Through a third name, so that there is an index at each
		// instant and the kept one stays until all are back.
		if err := unlink(m.FS, o.Staged); err != nil {
			return err
		}
		from := o.Staged
		err := m.FS.Link(o.Staged+"-"+name, from)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			// A name takes an inode on tmpfs and may take a block elsewhere.
			from, err = o.Staged+"-"+name, nil
		}
		if err == nil {
			err = m.FS.Rename(from, path.Join(o.Folder, name))
		}
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
	}
	entries, err := m.FS.ReadDir(o.Folder)
	if gone(err) {
		return nil // with the kernel
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if isIndex(e.Name()) && !e.IsDir() && !slices.Contains(kept, e.Name()) {
			if err := unlink(m.FS, path.Join(o.Folder, e.Name())); err != nil {
				return err
			}
		}
	}
	// The kept ones must not go before those that are back are durable.
	if err := m.FS.SyncDir(o.Folder); err != nil {
		return err
	}
	return m.dropIndex(o)
}

// reindex makes the index anew, or puts the kept one back if depmod cannot.
func (m *Manager) reindex(ctx context.Context, o Op, kept []string) error {
	o.Watch = nil
	if _, err := m.depmod(ctx, o); err != nil {
		return m.restoreIndex(o, kept)
	}
	if err := m.dropTemporaries(o.Folder); err != nil {
		return err
	}
	return m.dropIndex(o)
}

// temporary is how depmod calls a file that it has not renamed yet: NAME.PID and
// the time. One that was killed, as it is with us, leaves it.
var temporary = regexp.MustCompile(`^modules\..*\.[0-9]+\.[0-9]+\.[0-9]+$`)

// dropTemporaries removes what a killed depmod left.
func (m *Manager) dropTemporaries(folder string) error {
	entries, err := m.FS.ReadDir(folder)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if temporary.MatchString(e.Name()) && !e.IsDir() {
			if err := unlink(m.FS, path.Join(folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropIndex removes the kept index files.
func (m *Manager) dropIndex(o Op) error {
	if err := unlink(m.FS, o.Staged); err != nil {
		return err
	}
	entries, err := m.FS.ReadDir(o.Folder)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), path.Base(o.Staged)+"-") {
			continue
		}
		if err := unlink(m.FS, path.Join(o.Folder, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// depmod makes the index anew, judges it and makes it durable.
func (m *Manager) depmod(ctx context.Context, o Op) (warnings []string, err error) {
	if err := StaysInside(m.FS, "depmod", o.Folder, notFollowed); err != nil {
		return nil, err
	}
	res, err := m.Tool.Run(ctx, tool.Cmd{
		Path: "depmod", Args: []string{"-b", m.FS.Host("/"), o.Kernel},
	})
	if err != nil {
		return nil, err
	}
	if err := judgeOutput(res.Output(), o.Watch); err != nil {
		return nil, err
	}
	if len(o.Watch) > 0 {
		dep, err := fsys.ReadFile(m.FS, path.Join(o.Folder, "modules.dep"), 256<<20)
		if err != nil {
			return nil, fmt.Errorf("cannot read what depmod wrote: %w", err)
		}
		if warnings, err = JudgeIndex(dep, o.Watch); err != nil {
			return nil, err
		}
	}
	return warnings, syncIndex(m.FS, o.Folder)
}

// OutsideError says that a program of the host would leave the root on its way
// to a file: it knows nothing of roots and follows links as the host does.
type OutsideError struct {
	Program    string
	Path, Link string
}

func (e *OutsideError) Error() string {
	return fmt.Sprintf("cannot run %s on %s: it would follow the link %s out of the root", e.Program, e.Path, e.Link)
}

// Hint says what to do.
func (e *OutsideError) Hint() string { return "make the link relative, as usrmerge does" }

// StaysInside reports, by an *OutsideError, that the host finds name, or a link
// below it, outside the root: an absolute link, and one with too many "..",
// leads it elsewhere than us. A link that leads nowhere will do, and so will
// those that skip names.
func StaysInside(fsx fsys.FS, program, name string, skip func(link string) bool) error {
	if fsx.Host("/") == "/" {
		return nil
	}
	if err := hostFinds(fsx, program, name); err != nil {
		return err
	}
	entries, err := fsx.ReadDir(name)
	if gone(err) { // a file, or nothing
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", name, err)
	}
	for _, e := range entries {
		below := path.Join(name, e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0 && !skip(below):
			err = hostFinds(fsx, program, below)
		case e.IsDir():
			err = StaysInside(fsx, program, below, skip)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hostFinds walks to a name as the host does.
func hostFinds(fsx fsys.FS, program, name string) error {
	at := "/"
	todo := strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		c := todo[0]
		todo = todo[1:]
		if c == ".." && at == "/" {
			return &OutsideError{Program: program, Path: name, Link: ".."}
		}
		at = path.Join(at, c)
		info, err := fsx.Lstat(at)
		if gone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot look at %s: %w", at, err)
		}
		if info.Mode&fs.ModeSymlink == 0 {
			continue
		}
		target, err := fsx.Readlink(at)
		if err != nil {
			return fmt.Errorf("cannot look at %s: %w", at, err)
		}
		if links++; path.IsAbs(target) || links > 40 {
			return &OutsideError{Program: program, Path: name, Link: at}
		}
		todo = append(strings.Split(target, "/"), todo...)
		at = path.Dir(at)
	}
	return nil
}

// notFollowed are the links of a kernel's folder that depmod passes by.
func notFollowed(link string) bool {
	base := path.Base(link)
	return base == "build" || base == "source"
}

// judgeOutput finds our modules in what depmod printed.
func judgeOutput(output string, watch []string) error {
	for line := range strings.Lines(output) {
		for _, w := range watch {
			if names(line, w) {
				return &DepmodError{Module: w, Output: strings.TrimSpace(line)}
			}
		}
	}
	return nil
}

// names reports whether a line names the file of a module: as depmod prints
// it, a whole path that ends in module.
func names(line, module string) bool {
	for rest := line; ; {
		before, after, found := strings.Cut(rest, module)
		if !found {
			return false
		}
		starts := before == "" && len(rest) == len(line) || strings.HasSuffix(before, "/") || strings.HasSuffix(before, " ")
		if starts && (after == "" || strings.ContainsRune(" :,;'\"\n", rune(after[0]))) {
			return true
		}
		rest = after
	}
}

// JudgeIndex looks for modules, given as paths relative to the kernel's module
// folder, in the modules.dep that depmod wrote. A module that another file of
// the same name outranks is a warning; one that is not there is a *DepmodError.
func JudgeIndex(dep []byte, watch []string) (warnings []string, err error) {
	winner := make(map[string]string) // module name → path
	lines := bufio.NewScanner(bytes.NewReader(dep))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if file, _, ok := strings.Cut(lines.Text(), ":"); ok {
			winner[ModuleName(file)] = file
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read what depmod wrote: %w", err)
	}
	for _, w := range watch {
		switch got, ok := winner[ModuleName(w)]; {
		case !ok:
			return nil, &DepmodError{Module: w}
		case got != w:
			warnings = append(warnings, fmt.Sprintf("modprobe will take %s and not %s", got, w))
		}
	}
	return warnings, nil
}

// ModuleName is what modprobe calls the module in a file: kmod's
// libkmod-util.c ends a name at the first dot.
func ModuleName(file string) string {
	base, _, _ := strings.Cut(path.Base(file), ".")
	return strings.ReplaceAll(base, "-", "_")
}

// syncIndex makes the index durable; depmod does not.
func syncIndex(fsx fsys.FS, folder string) error {
	entries, err := fsx.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("cannot read what depmod wrote: %w", err)
	}
	for _, e := range entries {
		if !isIndex(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		f, err := fsx.Open(path.Join(folder, e.Name()))
		if err == nil {
			err = f.Sync()
			_ = f.Close()
		}
		if err != nil {
			return fmt.Errorf("cannot make what depmod wrote durable: %w", err)
		}
	}
	if err := fsx.SyncDir(folder); err != nil {
		return fmt.Errorf("cannot make what depmod wrote durable: %w", err)
	}
	return nil
}
