package initramfs

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// Claims is what one maker would put into an image, as far as its lists,
// settings and hooks say. The zero value claims nothing.
type Claims struct {
	named     map[string]bool // by a list or a setting
	mentioned map[string]bool // by a hook
	omitted   map[string]bool
	folders   []string // below the kernel's
	// searched are folders of which only what the host needs is taken, if
	// hostOnly.
	searched []string
	hostOnly bool
	// Loaded reports whether a module is in use, for a dracut that looks
	// only for those of its host; nil: each may be.
	Loaded func(name string) bool
	// unknown: a setting is computed, or a file could not be read.
	unknown bool
}

// Unknown notes that a part of the configuration cannot be known. Whatever is
// touched is claimed then: a maker that runs in vain costs half a minute, and a
// driver that is missing at boot may cost the boot.
func (c *Claims) Unknown() { c.unknown = true }

// AddList reads a list of initramfs-tools (etc/initramfs-tools/modules): a
// module and its parameters on each line.
func (c *Claims) AddList(text []byte) {
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if words := strings.Fields(line); len(words) > 0 {
			c.name(words[0])
		}
	}
}

// AddDracut reads a dracut.conf(5); files are added in the order in which dracut
// reads them. A driver that is asked for counts wherever the assignment
// stands, even if another takes it back; an omission only where it is certain.
func (c *Claims) AddDracut(text []byte) {
	const omit = "omit_drivers"
	all, clear := parseSettings(string(text), "drivers", "add_drivers", "force_drivers", "filesystems", omit)
	if !clear {
		c.unknown = true
	}
	if value, set, plain := Setting(text, "hostonly"); set || !plain {
		c.hostOnly = plain && value == "yes"
	}
	certain := !branches(string(text))
	for _, a := range all {
		if a.key == omit && !a.appends {
			c.omitted = nil
		}
		for _, w := range strings.Fields(a.value) {
			switch {
			case a.key != omit:
				c.name(w)
			case certain && isName(w) && !strings.Contains(w, "-"): // of many, dracut 106 turns the first - only
				add(&c.omitted, w)
			}
		}
	}
}

// AddScript reads a hook, or the functions of a maker: what it names and the
// folders that it takes (copy_modules_dir kernel/fs, instmods =fs), whether
// or not it is reached.
func (c *Claims) AddScript(text []byte) {
	folder := false
	for _, w := range words(string(text)) {
		for i, field := range strings.Fields(w.text) {
			if i == 0 {
				field = assigned.ReplaceAllString(field, "")
			}
			switch {
			case folder && isPath(field):
				c.folders = append(c.folders, path.Clean(field))
			default:
				c.word(field)
			}
			folder = field == "copy_modules_dir"
		}
	}
}

// AddDepmod reads a depmod.d(5), all files in one: dracut's kernel-modules-extra
// takes the modules in the folders that depmod looks into before those of the
// kernel; with hostonly=yes, those that are loaded.
func (c *Claims) AddDepmod(text []byte) {
	searches := false
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0] == "search":
			searches = true
			for _, w := range words[1:] {
				if w != "built-in" && isPath(w) {
					c.searched = append(c.searched, path.Clean(w))
				}
			}
		case len(words) == 4 && words[0] == "override": // MODULE KERNELS FOLDER
			c.word(words[1])
		}
	}
	if !searches {
		c.searched = append(c.searched, "updates")
	}
}

// assigned is what comes before the first word of a variable's value.
var assigned = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\+?=`)

// name notes a module that is asked for, or =FOLDER.
func (c *Claims) name(w string) {
	if !c.folder(w) {
		add(&c.named, plainName(w))
	}
}

// word notes a word of a hook.
func (c *Claims) word(w string) {
	if !c.folder(w) && isName(plainName(w)) {
		add(&c.mentioned, plainName(w))
	}
}

// folder notes =FOLDER, which dracut-install looks for in three places.
func (c *Claims) folder(w string) bool {
	rel, isFolder := strings.CutPrefix(w, "=")
	if !isFolder || !isPath(rel) {
		return false
	}
	for _, top := range []string{"kernel", "extra", "updates"} {
		c.folders = append(c.folders, path.Join(top, rel))
	}
	return true
}

func add(set *map[string]bool, name string) {
	if *set == nil {
		*set = make(map[string]bool)
	}
	(*set)[name] = true
}

var (
	namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)
	pathPattern = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_./-]*$`)
)

func isName(w string) bool { return namePattern.MatchString(w) }

// isPath tells a folder below the kernel's from the operators and patterns of a
// script.
func isPath(w string) bool {
	return pathPattern.MatchString(w) && !slices.Contains(strings.Split(w, "/"), "..")
}

// Claimed reports whether one of the modules, or one that needs it, would be
// put into an image.
func (c *Claims) Claimed(modules []Module, index *Index) bool {
	if c.unknown {
		return true
	}
	touched := make(map[string]bool, len(modules))
	for _, m := range modules {
		if m.Dir == "" {
			m.Dir = index.dirs[m.Name]
		}
		if c.claims(m) {
			return true
		}
		touched[m.Name] = true
	}
	for name, needs := range index.needs {
		if slices.ContainsFunc(needs, func(n string) bool { return touched[n] }) && c.claims(Module{Name: name, Dir: index.dirs[name]}) {
			return true
		}
	}
	return false
}

func (c *Claims) claims(m Module) bool {
	switch {
	case c.named[m.Name]:
		return true // dracut takes what is both named and omitted
	case c.omitted[m.Name]:
		return false
	case c.mentioned[m.Name]:
		return true
	}
	return within(m.Dir, c.folders) ||
		within(m.Dir, c.searched) && (!c.hostOnly || c.Loaded == nil || c.Loaded(m.Name))
}

// within reports whether a folder is one of others, or below one.
func within(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return dir == folder || strings.HasPrefix(dir, folder+"/")
	})
}
