package manifest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"koweld/internal/dpkg"
)

// moduleFolders hold the modules of all kernels, in both spellings.
var moduleFolders = []string{"/lib/modules", "/usr/lib/modules"}

// moduleSuffixes are those of files that depmod indexes (kmod,
// libkmod-internal: kmod_exts).
var moduleSuffixes = []string{".ko", ".ko.gz", ".ko.xz", ".ko.zst"}

// closedFolders are where no file is placed: they are the kernel's, of one
// boot, or koweld's own.
var closedFolders = []string{"/proc", "/sys", "/dev", "/run", "/var/lib/koweld"}

// octal is a mode: nothing beyond the permission bits.
var octal = regexp.MustCompile(`^0?[0-7]{3}$`)

func (d *decoder) placed(v *value, objects string) File {
	const mode = 0o644
	m := d.fields(v, "source", "install", "beside", "mode")
	f := File{Pos: v.pos, Mode: mode}
	if s := m.need("source"); s != nil {
		f.Source, _ = d.input(s, objects)
	}
	f.Install = d.fileInstall(m.need("install"))
	if s := m.get("beside"); s != nil {
		f.Beside, _ = d.absolute(s)
		for _, name := range []string{f.Beside, f.Install} {
			if name != "" && (dpkg.Twin(name) == "" || !strings.HasPrefix(name, "/usr/")) {
				d.errorf(s, "give both as /usr/lib/x, say", "%s is not spelt below /usr, or has no other spelling", name)
			}
		}
	}
	if s := m.get("mode"); s != nil {
		f.Mode = d.mode(s)
	}
	return f
}

func (d *decoder) fileInstall(v *value) string {
	s, ok := d.absolute(v)
	if !ok {
		return ""
	}
	for _, dir := range closedFolders {
		if isIn(s, dir) {
			d.errorf(v, "", "no file is placed in %s", dir)
			return ""
		}
	}
	for _, dir := range moduleFolders {
		if isIn(s, dir) && IsModuleFile(s) {
			d.errorf(v, "declare it in modules", "%s is the place of a module", s)
			return ""
		}
	}
	return s
}

// IsModuleFile tells by its name whether depmod takes a file for a module.
func IsModuleFile(name string) bool {
	return slices.ContainsFunc(moduleSuffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// mode is a string such as "0644".
func (d *decoder) mode(v *value) uint32 {
	if v.kind == integer {
		d.errorf(v, `put it in quotes: "`+v.text+`"`, "must be a string, and is an integer: YAML reads %s in its own way", v.text)
		return 0
	}
	s, ok := d.word(v)
	if !ok {
		return 0
	}
	if !octal.MatchString(s) {
		d.errorf(v, "", `must be octal permission bits such as "0644", without setuid, setgid and sticky, and is %s`, s)
		return 0
	}
	n, _ := strconv.ParseUint(s, 8, 32) // octal has at most nine bits of digits
	return uint32(n)
}
