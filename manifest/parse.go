package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
)

// Version is the version of the schema that this package reads.
const Version = 1

// Parse decodes, validates and expands the document in data. It is pure;
// file is for messages.
//
// The error is an [ErrorList] of all that is wrong, or a [*NeedsError] if the
// manifest says that it needs a newer koweld.
func Parse(file string, data []byte, vars Vars) (*Manifest, error) {
	d := &decoder{file: file, vars: newVariables(vars), seen: map[fieldAt]bool{}}
	root, errs := readYAML(data)
	for _, e := range errs {
		d.add(e)
	}
	if len(errs) > 0 {
		return nil, d.failed()
	}
	v := &value{node: &root, index: notInList}
	if d.otherVersion(v) {
		return nil, d.failed()
	}
	if err := newer(file, v); err != nil {
		return nil, err
	}
	m := d.manifest(v, vars.Dir)
	if len(d.errs) > 0 {
		return nil, d.failed()
	}
	sum := sha256.Sum256(data)
	m.File, m.SHA256 = file, hex.EncodeToString(sum[:])
	return m, nil
}

func (d *decoder) failed() error {
	d.errs.sort()
	return d.errs
}

// packageName: Policy 5.6.7, which is 5.6.1.
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

const packageRule = "the name of a Debian package (Policy 5.6.7)"

// kernelRelease is a file name and a word of depmod's command line; 64 bytes
// are __NEW_UTS_LEN of linux/utsname.h.
var kernelRelease = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+~_-]{0,63}$`)

func (d *decoder) manifest(v *value, dir string) *Manifest {
	f := d.fields(v, "koweld", "package", "replaces", "provides", "userspace", "kernel", "needs", "vars", "objects", "signatures",
		"signers", "linker", "defaults", "modules", "files", "inputs", "after", "diverts", "quirks")
	d.emptyUntilLater(f.get("quirks"))

	m := &Manifest{Version: d.version(f.need("koweld"))}
	kernel := f.need("kernel")
	d.declare(f.get("vars"), kernel)
	m.Kernel = d.name(kernel, kernelRelease, "the release of a kernel")
	m.Package = d.name(f.need("package"), packageName, packageRule)
	m.Replaces = d.replaces(f.get("replaces"), m.Package)
	m.Provides = d.provides(f.get("provides"))
	m.Userspace = d.userspace(f.get("userspace"))
	m.Needs = d.needs(f.get("needs"))
	m.Objects = d.folder(f, "objects", dir)
	m.Signatures = d.folder(f, "signatures", dir)
	m.Linker = d.linker(f.get("linker"), m.Objects)
	m.After = d.after(f.get("after"))

	def := d.defaults(f.get("defaults"), m.Objects)
	before := len(d.errs)
	modules, files := d.elements(f.get("modules")), d.elements(f.get("files"))
	if f.v != nil && len(modules)+len(files) == 0 && len(d.errs) == before {
		d.errorf(f.v, "", "nothing to place: there is neither a module nor a file")
	}
	signers := f.get("signers")
	if signers == nil && len(modules) > 0 {
		signers = f.need("signers")
	}
	m.Signers = d.signers(signers, m.Signatures)
	m.Modules = d.modules(modules, m, def)
	for _, v := range files {
		m.Files = append(m.Files, d.placed(v, m.Objects))
	}
	d.places(m, modules, files)
	m.Diverts = d.diverts(f.get("diverts"))
	d.placesOfDiverts(m, f.get("diverts"))
	m.Inputs = d.knownInputs(f.get("inputs"), m)
	return m
}

// version reads the key koweld. Another number than ours has been refused
// before the document is decoded.
func (d *decoder) version(v *value) int {
	if v == nil || !d.is(v, integer) {
		return 0
	}
	return Version
}

// otherVersion refuses a document of which no more than the version can be
// read.
func (d *decoder) otherVersion(v *value) bool {
	own := v.member("koweld")
	if own == nil || own.kind != integer || own.text == strconv.Itoa(Version) {
		return false
	}
	d.errorf(own, "", "the manifest is of version %s, and this koweld reads version %d", own.text, Version)
	return true
}

// emptyUntilLater accepts the empty list for a reserved key.
func (d *decoder) emptyUntilLater(v *value) {
	if v != nil && (v.kind != list || len(v.items) > 0) {
		d.errorf(v, "it may be an empty list", "reserved for a later koweld")
	}
}

// replaces are the packages that own stands in for.
func (d *decoder) replaces(v *value, own string) []string {
	var names []string
	first := map[string]Pos{}
	for _, e := range d.elements(v) {
		name := d.name(e, packageName, packageRule)
		if name != "" && name == own {
			d.errorf(e, "leave it out: a package may always take over its own", "%s is the package itself", name)
		}
		d.once(first, e, name, "package")
		names = append(names, name)
	}
	return names
}

// name is a string of a known form.
func (d *decoder) name(v *value, form *regexp.Regexp, what string) string {
	s, ok := d.string(v)
	if ok && !form.MatchString(s) {
		d.errorf(v, "", "%s is not %s", s, what)
	}
	return s
}

func (d *decoder) signers(v *value, folder string) []Signer {
	var signers []Signer
	certificate, digest := map[string]Pos{}, map[string]Pos{}
	for _, e := range d.filled(v) {
		m := d.fields(e, "certificate", "sha256")
		s := Signer{Pos: e.pos}
		c, sum := m.need("certificate"), m.need("sha256")
		s.Certificate, _ = d.input(c, folder)
		s.SHA256 = d.digest(sum)
		d.once(certificate, c, s.Certificate, "certificate")
		d.once(digest, sum, s.SHA256, "fingerprint")
		signers = append(signers, s)
	}
	return signers
}

// once refuses a word that has been in first before; "" is none.
func (d *decoder) once(first map[string]Pos, v *value, word, what string) {
	if word == "" {
		return
	}
	if pos, twice := first[word]; twice {
		d.errorf(v, "", "the %s %s is there twice; first at %d:%d", what, word, pos.Line, pos.Column)
		return
	}
	first[word] = v.pos
}

func (d *decoder) after(v *value) After {
	m := d.fields(v, "depmod", "initramfs")
	return After{
		Depmod: d.bool(m.get("depmod"), true),
		Initramfs: Initramfs(d.oneOf(m.get("initramfs"), string(InitramfsAuto),
			string(InitramfsAuto), string(InitramfsNever), string(InitramfsYes))),
	}
}
