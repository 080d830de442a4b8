package quirks

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"pault.ag/go/debian/version"

	"koweld/manifest"
)

// conditions are the keys of conditions.
var conditions = []string{
	"all", "any", "not", "os", "arch", "layout", "package", "path", "owner", "diversion", "relation", "fips", "kernel", "dpkg",
}

// condition reads one condition. What is wrong is reported, and gives one that is
// never evaluated.
func (p *parser) condition(v manifest.Value) Condition {
	f := v.Fields(conditions...)
	keys := f.Of(conditions...)
	if len(keys) != 1 {
		if !f.Suspect() {
			v.Errorf("join conditions with all or any", "a condition has one key, and this one has %d", len(keys))
		}
		return All{}
	}
	c := f.Get(keys[0])
	switch keys[0] {
	case "all":
		return All(p.each(c.List()))
	case "any":
		return Any(p.each(c.List()))
	case "not":
		return Not{p.condition(c)}
	case "os":
		return p.os(c)
	case "arch":
		return ArchIs{p.words(c, osName, "the name of an architecture"), p.ownArch}
	case "layout":
		return p.layout(c)
	case "package":
		return p.packageIs(c)
	case "path":
		return p.pathIs(c)
	case "owner":
		return p.owner(c)
	case "diversion":
		return p.diversion(c)
	case "relation":
		return p.relation(c)
	case "fips":
		return FIPSIs(c.Bool(true))
	case "kernel":
		return p.kernel(c)
	}
	g := c.Fields("version")
	return DpkgIs{p.versions(g.Need("version"))}
}

func (p *parser) each(all []manifest.Value) []Condition {
	var out []Condition
	for _, e := range all {
		out = append(out, p.condition(e))
	}
	return out
}

// words are one or more names of a known form.
func (p *parser) words(v manifest.Value, form interface{ MatchString(string) bool }, what string) []string {
	var all []string
	for _, e := range v.OneOrMore() {
		s, ok := e.Text()
		if ok && !form.MatchString(s) {
			e.Errorf("", "%s is not %s", s, what)
		}
		all = append(all, s)
	}
	return all
}

// choices are one or more of a few words.
func choices[S ~string](v manifest.Value, words []string) []S {
	var all []S
	for _, e := range v.OneOrMore() {
		all = append(all, S(e.OneOf("", words...)))
	}
	return all
}

func (p *parser) os(v manifest.Value) Condition {
	f := v.Fields("id", "release", "from", "to")
	c := OSIs{
		ID:      f.Get("id").Name(osName, "an ID of os-release(5)"),
		Release: p.words(f.Get("release"), release, releaseRule),
		From:    p.words(f.Get("from"), release, releaseRule),
		To:      p.words(f.Get("to"), release, releaseRule),
	}
	if len(f.Of("id", "release", "from", "to")) == 0 && !f.Suspect() {
		v.Errorf("", "one of id, release, from and to is missing")
	}
	return c
}

// topFolders are those that a merged /usr makes one with their twin.
var topFolders = []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libo32", "/libx32"}

func (p *parser) layout(v manifest.Value) Condition {
	f := v.Fields("dir", "is")
	if dir := f.Get("dir"); dir.Is() {
		return LayoutIs{dir.OneOf("", topFolders...), choices[string](f.Need("is"), TopLayouts)}
	}
	return LayoutIs{"", choices[string](f.Need("is"), slices.DeleteFunc(slices.Clone(Layouts), func(s string) bool { return s == converting }))}
}

func (p *parser) packageIs(v manifest.Value) Condition {
	f := v.Fields("name", "arch", "view", "state", "version")
	c := PackageIs{
		Name: f.Need("name").Name(pkgName, packageRule),
		Arch: f.Get("arch").Name(osName, "the name of an architecture"),
		View: View(f.Get("view").OneOf(string(Installed), Views...)),
	}
	if s := f.Get("state"); s.Is() {
		c.Status = choices[string](s, Statuses)
		if c.View != Installed {
			s.Errorf("", "a state is one of dpkg's: it is known of the view installed only")
		}
	}
	if r := f.Get("version"); r.Is() {
		c.Version = p.versions(r)
	}
	return c
}

// versions are bounds, in the order of the document.
func (p *parser) versions(v manifest.Value) VersionRange {
	f := v.Fields(VersionOps...)
	var r VersionRange
	for _, op := range f.Of(VersionOps...) {
		s := f.Get(op)
		text, ok := s.Word()
		if !ok {
			continue
		}
		if _, err := version.Parse(text); err != nil {
			s.Errorf("", "%s is no version", text)
			continue
		}
		r = append(r, VersionBound{op, text})
	}
	if v.Is() && len(r) == 0 && !f.Suspect() && len(f.Of(VersionOps...)) == 0 {
		v.Errorf("", "one of %s is missing", either(VersionOps))
	}
	return r
}

func (p *parser) pathIs(v manifest.Value) Condition {
	f := v.Fields("path", "is", "sha256", "mode")
	c := PathIs{Path: p.name(f.Need("path")), Is: choices[Kind](f.Get("is"), Kinds)}
	for _, e := range f.Get("sha256").OneOrMore() {
		c.SHA256 = append(c.SHA256, e.Digest())
	}
	if m := f.Get("mode"); m.Is() {
		c.Mode = p.mode(m)
	}
	if len(f.Of("is", "sha256", "mode")) == 0 && !f.Suspect() {
		v.Errorf("", "one of is, sha256 and mode is missing")
	}
	return c
}

// mode is a string such as "0644".
func (p *parser) mode(v manifest.Value) *uint32 {
	s, ok := v.Word()
	if !ok {
		return nil
	}
	n, err := strconv.ParseUint(s, 8, 12)
	if err != nil || len(s) < 3 {
		v.Errorf("", `%s is no mode such as "0644"`, s)
		return nil
	}
	mode := uint32(n)
	return &mode
}

// name is a path that dpkg can record.
func (p *parser) name(v manifest.Value) string {
	const longest = 1022 // dpkg reads lines of its diversions into 1024 bytes
	s, ok := v.Path()
	switch {
	case !ok:
		return ""
	case s == "/":
		v.Errorf("", "it is the root")
		return ""
	case len(s) > longest:
		v.Errorf("", "longer than %d bytes", longest)
		return ""
	}
	return path.Clean(s)
}

func (p *parser) owner(v manifest.Value) Condition {
	f := v.Fields("path", "is")
	c := OwnerIs{Path: p.name(f.Need("path"))}
	for _, e := range f.Need("is").OneOrMore() {
		s, ok := e.Text()
		switch {
		case !ok:
			continue
		case s == ownSelf:
			if p.pkg == "" {
				e.Errorf("", "the document names no package")
			}
			s = p.pkg
		case !pkgName.MatchString(s):
			e.Errorf(manifest.Nearest(s, ownerWords), "%s is not %s, and none of %s", s, packageRule, strings.Join(ownerWords, ", "))
		}
		c.Is = append(c.Is, s)
	}
	return c
}

var (
	ownerWords     = []string{nobody, anybody, anyUndiverted, ownSelf}
	diversionWords = []string{nobody, anybody, ours, local, target}
)

func (p *parser) diversion(v manifest.Value) Condition {
	f := v.Fields("path", "is", "to")
	c := DiversionIs{Path: p.name(f.Need("path"))}
	for _, e := range f.Need("is").OneOrMore() {
		s, ok := e.Text()
		pkg, named := strings.CutPrefix(s, holderPackage)
		switch {
		case !ok:
			continue
		case named && !pkgName.MatchString(pkg):
			e.Errorf("", "%s is not %s", pkg, packageRule)
		case !named && !slices.Contains(diversionWords, s):
			e.Errorf(manifest.Nearest(s, diversionWords), "must be one of %s, package:NAME", strings.Join(diversionWords, ", "))
		}
		c.Is = append(c.Is, s)
	}
	if to := f.Get("to"); to.Is() {
		c.To = p.name(to)
	}
	return c
}

func (p *parser) relation(v manifest.Value) Condition {
	f := v.Fields("of", "is")
	return RelationIs{p.pair(f.Need("of")), choices[Relation](f.Need("is"), Relations)}
}

func (p *parser) pair(v manifest.Value) Pair {
	all := v.List()
	if len(all) != 2 {
		if all != nil {
			v.Errorf("", "two names are compared, and these are %d", len(all))
		}
		return Pair{}
	}
	return Pair{p.name(all[0]), p.name(all[1])}
}

func (p *parser) kernel(v manifest.Value) Condition {
	f := v.Fields("view", "version")
	which := f.Get("view").OneOf("running", "running", "installed")
	return KernelIs{which == "installed", p.versions(f.Need("version"))}
}
