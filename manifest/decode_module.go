package manifest

import (
	"path"
	"regexp"
	"strings"
)

const (
	maxImage = 1 << 30 // bytes of an image
	maxSteps = 3       // levels of ld -r within a link
)

// moduleName is what kbuild makes of KBUILD_MODNAME's source: the name of a
// file that modprobe finds again.
var moduleName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// modprobeName is the name as modprobe compares it: kmod's
// underscores() (libkmod-util.c) makes - and _ the same.
func modprobeName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// defaults is what a module has that does not say otherwise.
type defaults struct {
	compress   Compression
	installDir *value
	form       *value
}

func (d *decoder) defaults(v *value, objects string) defaults {
	m := d.fields(v, "compress", "install-dir", "form")
	def := defaults{
		compress:   d.compression(m.get("compress"), None),
		installDir: m.get("install-dir"),
		form:       m.get("form"),
	}
	// A default is right or wrong even if no module uses it.
	d.withName("${name}", func() {
		d.relative(def.installDir, "the kernel's module folder")
		d.forms(def.form, objects)
	})
	return def
}

func (d *decoder) compression(v *value, otherwise Compression) Compression {
	return Compression(d.oneOf(v, string(otherwise), string(None), string(Gzip), string(XZ), string(Zstd)))
}

func (d *decoder) module(v *value, top *Manifest, def defaults) Module {
	f := d.fields(v, "name", "form", "image", "signature", "install", "compress")
	m := Module{Pos: v.pos}
	m.Name = d.moduleName(f.need("name"))
	d.withName(m.Name, func() {
		form := f.get("form")
		if form == nil {
			form = def.form
		}
		if form == nil {
			form = f.need("form")
		}
		m.Form = d.forms(form, top.Objects)
		m.Install = d.install(f, m.Name, def)
		m.Signature = path.Join(top.Signatures, m.Name+".ko.sig")
		if sig := f.get("signature"); sig != nil {
			m.Signature, _ = d.input(sig, top.Signatures)
		}
	})
	m.Image = d.image(f.need("image"))
	m.Compress = d.compression(f.get("compress"), def.compress)
	return m
}

func (d *decoder) moduleName(v *value) string {
	s, ok := d.string(v)
	if !ok {
		return ""
	}
	if !moduleName.MatchString(s) {
		base, isFile := strings.CutSuffix(s, ".ko")
		if !isFile || !moduleName.MatchString(base) {
			base = ""
		}
		d.errorf(v, didYouMean(base), "the name %s has other characters than letters, digits, - and _", s)
		return ""
	}
	return s
}

// install is where the module lies below the kernel's module folder.
func (d *decoder) install(f fields, name string, def defaults) string {
	const base = "the kernel's module folder"
	v := f.get("install")
	if v == nil && def.installDir != nil {
		dir, ok := d.relative(def.installDir, base)
		if !ok || name == "" {
			return ""
		}
		return dir + "/" + name + ".ko"
	}
	if v == nil {
		v = f.need("install")
	}
	s, ok := d.relative(v, base)
	if !ok {
		return ""
	}
	own, isModule := strings.CutSuffix(path.Base(s), ".ko")
	switch {
	case !isModule:
		d.errorf(v, "compress adds its own suffix", "the path %s does not end in .ko", s)
	case name != "" && modprobeName(own) != modprobeName(name):
		d.errorf(v, "modprobe knows a module by its file's name", "the file %s.ko is not that of module %s", own, name)
	}
	return s
}

func (d *decoder) image(v *value) Image {
	m := d.fields(v, "sha256", "size")
	image := Image{SHA256: d.digest(m.need("sha256"))}
	size := m.need("size")
	if image.Size = d.size(size, maxImage, "an image"); size != nil && image.Size == 0 {
		d.notSize(size) // unless it has been reported
	}
	return image
}

func (d *decoder) notSize(v *value) {
	d.errorf(v, "", "must be a positive decimal number, and is %s", v.text)
}

// size is a number of bytes, in decimal; most is how many what may have.
func (d *decoder) size(v *value, most int64, what string) int64 {
	if v == nil || !d.is(v, integer) {
		return 0
	}
	var n int64
	for i, c := range v.text {
		if c < '0' || c > '9' || c == '0' && i == 0 && len(v.text) > 1 {
			d.notSize(v)
			return 0
		}
		if n = n*10 + int64(c-'0'); n > most {
			d.errorf(v, "", "%s bytes are more than %s may have (%d)", v.text, what, most)
			return 0
		}
	}
	return n
}

func (d *decoder) modules(vs []*value, top *Manifest, def defaults) []Module {
	var modules []Module
	first := map[string]Pos{}
	for _, v := range vs {
		m := d.module(v, top, def)
		modules = append(modules, m)
		if m.Name == "" {
			continue
		}
		name, at := modprobeName(m.Name), v.member("name")
		if pos, twice := first[name]; twice {
			hint := ""
			if name != m.Name {
				hint = "- and _ are the same to modprobe"
			}
			d.errorf(at, hint, "another module has this name, at %d:%d", pos.Line, pos.Column)
			continue
		}
		first[name] = at.pos
	}
	return modules
}
