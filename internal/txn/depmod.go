package txn

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

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

// isIndex reports whether depmod writes a file of this name into a kernel's
// module folder; modules.order and modules.builtin* come with the kernel,
// but for the binary forms.
func isIndex(name string) bool {
	switch name {
	case "modules.order", "modules.builtin", "modules.builtin.modinfo":
		return false
	}
	return strings.HasPrefix(name, "modules.")
}

// keepIndex gives every index file a second name. depmod replaces its files
// by rename, so the second names keep the old index.
func keepIndex(fsx fsys.FS, o Op) error {
	entries, err := fsx.ReadDir(o.Folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isIndex(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		if err := fsx.Link(path.Join(o.Folder, e.Name()), o.Staged+"-"+e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// restoreIndex puts the kept index files back and removes those that depmod
// made where there was none.
func (m *Manager) restoreIndex(o Op) error {
	if err := eachKept(m.FS, o, func(kept, name string) error {
		// Through a third name, so that there is an index at each
		// instant and the kept one stays until all are back.
		if err := unlink(m.FS, o.Staged); err != nil {
			return err
		}
		if err := m.FS.Link(kept, o.Staged); err != nil {
			return err
		}
		return m.FS.Rename(o.Staged, path.Join(o.Folder, name))
	}); err != nil {
		return err
	}
	entries, err := m.FS.ReadDir(o.Folder)
	if err != nil {
		return err
	}
	had := make(map[string]bool)
	for _, e := range entries {
		if name, ok := keptName(o, e.Name()); ok {
			had[name] = true
		}
	}
	for _, e := range entries {
		if isIndex(e.Name()) && !had[e.Name()] {
			if err := unlink(m.FS, path.Join(o.Folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return m.dropIndex(o)
}

// reindex makes the index anew, or puts the kept one back if depmod cannot.
func (m *Manager) reindex(ctx context.Context, o Op) error {
	o.Watch = nil
	if _, err := m.depmod(ctx, o); err != nil {
		return m.restoreIndex(o)
	}
	return m.dropIndex(o)
}

// dropIndex removes the kept index files.
func (m *Manager) dropIndex(o Op) error {
	if err := unlink(m.FS, o.Staged); err != nil {
		return err
	}
	return eachKept(m.FS, o, func(kept, _ string) error { return unlink(m.FS, kept) })
}

// keptName returns the name of the index file of which file is the kept name.
func keptName(o Op, file string) (string, bool) {
	name, ok := strings.CutPrefix(file, path.Base(o.Staged)+"-")
	return name, ok && isIndex(name)
}

func eachKept(fsx fsys.FS, o Op, do func(kept, name string) error) error {
	entries, err := fsx.ReadDir(o.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name, ok := keptName(o, e.Name()); ok {
			if err := do(path.Join(o.Folder, e.Name()), name); err != nil {
				return err
			}
		}
	}
	return nil
}

// depmod makes the index anew, judges it and makes it durable.
func (m *Manager) depmod(ctx context.Context, o Op) (warnings []string, err error) {
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

// judgeOutput finds our modules in what depmod printed.
func judgeOutput(output string, watch []string) error {
	if output == "" {
		return nil
	}
	for line := range strings.Lines(output) {
		for _, w := range watch {
			if strings.Contains(line, w) {
				return &DepmodError{Module: w, Output: strings.TrimSpace(line)}
			}
		}
	}
	return nil
}

// JudgeIndex looks for modules, given as paths relative to the kernel's module
// folder, in the modules.dep that depmod wrote. A module that another file of the same name
// outranks is a warning; one that is not there is a *DepmodError.
func JudgeIndex(dep []byte, watch []string) (warnings []string, err error) {
	winner := make(map[string]string) // module name → path
	lines := bufio.NewScanner(bytes.NewReader(dep))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if file, _, ok := strings.Cut(lines.Text(), ":"); ok {
			winner[moduleName(file)] = file
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read what depmod wrote: %w", err)
	}
	for _, w := range watch {
		switch got, ok := winner[moduleName(w)]; {
		case !ok:
			return nil, &DepmodError{Module: w}
		case got != w:
			warnings = append(warnings, fmt.Sprintf("modprobe will take %s and not %s", got, w))
		}
	}
	return warnings, nil
}

// moduleName is what modprobe calls the module in a file.
func moduleName(file string) string {
	base, _, _ := strings.Cut(path.Base(file), ".ko")
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
