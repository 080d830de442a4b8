package quirks

import (
	"slices"
	"strings"
)

// OSIs compares the operating system; each part that is given must match.
type OSIs struct {
	ID      string
	Release []string // codenames or versions
	// From and To are the releases of an upgrade that is under way.
	From, To []string
}

func (c OSIs) String() string {
	var parts []string
	if c.ID != "" {
		parts = append(parts, "the system is "+c.ID)
	}
	if c.Release != nil {
		parts = append(parts, "the release is "+either(c.Release))
	}
	if c.From != nil {
		parts = append(parts, "it is being upgraded from "+either(c.From))
	}
	if c.To != nil {
		parts = append(parts, "it is being upgraded to "+either(c.To))
	}
	return strings.Join(parts, ", ")
}

func (c OSIs) eval(e *evaluation) Reason {
	r := Reason{Text: c.String(), Is: True}
	if c.ID != "" || c.Release != nil {
		os := e.OS.Value
		is := (c.ID == "" || c.ID == os.ID) &&
			(c.Release == nil || oneOf(c.Release, os.Codename) || oneOf(c.Release, os.Version))
		r = r.and(leaf(c, e.OS, is, strings.TrimSpace(os.ID+" "+os.Codename+" "+os.Version)))
	}
	if c.From != nil || c.To != nil {
		u, found := e.Upgrade.Value, "no upgrade of the release is under way"
		if u != (Upgrade{}) {
			found = "an upgrade from " + u.From + " to " + u.To
		}
		is := (c.From == nil || oneOf(c.From, u.From)) && (c.To == nil || oneOf(c.To, u.To))
		r = r.and(leaf(c, e.Upgrade, is && u != (Upgrade{}), found))
	}
	return r
}

// and joins two reasons of one leaf.
func (r Reason) and(o Reason) Reason {
	found := slices.DeleteFunc([]string{r.Found, o.Found}, func(s string) bool { return s == "" })
	r.Is, r.Found = r.Is.and(o.Is), strings.Join(found, ", ")
	if r.Why == "" {
		r.Why = o.Why
	}
	if r.Is != Unknown {
		r.Why = ""
	}
	return r
}

func (c OSIs) need(n *Needs) { n.OS = true }

// ArchIs compares the architecture: that of dpkg, or that which a quirk for each
// architecture is for.
type ArchIs struct {
	Arch []string
	Own  string // of such a quirk
}

func (c ArchIs) String() string { return "the architecture is " + either(c.Arch) }

func (c ArchIs) eval(e *evaluation) Reason {
	arch := e.Arch
	if c.Own != "" {
		arch = Known(c.Own)
	}
	return leaf(c, arch, oneOf(c.Arch, arch.Value), arch.Value)
}

func (c ArchIs) need(*Needs) {}

// LayoutIs compares how /usr lies, or one top folder.
type LayoutIs struct {
	Dir string // e.g. /lib; "" for the whole
	Is  []string
}

func (c LayoutIs) String() string {
	if c.Dir == "" {
		return "/usr is " + either(c.Is)
	}
	return c.Dir + " is " + either(c.Is)
}

func (c LayoutIs) eval(e *evaluation) Reason {
	if c.Dir == "" {
		return leaf(c, e.Layout, oneOf(c.Is, e.Layout.Value.Usr), e.Layout.Value.Usr)
	}
	have, known := e.Layout.Value.Tops[strings.TrimPrefix(c.Dir, "/")]
	if e.Layout.Known && !known {
		return Reason{Text: c.String(), Why: "it was not looked at"}
	}
	return leaf(c, e.Layout, oneOf(c.Is, have), have)
}

func (c LayoutIs) need(*Needs) {}

// FIPSIs compares whether the kernel runs in FIPS mode.
type FIPSIs bool

func (c FIPSIs) String() string {
	if c {
		return "the kernel is in FIPS mode"
	}
	return "the kernel is not in FIPS mode"
}

func (c FIPSIs) eval(e *evaluation) Reason {
	found := "it is not"
	if e.FIPS.Value {
		found = "it is"
	}
	return leaf(c, e.FIPS, e.FIPS.Value == bool(c), found)
}

func (c FIPSIs) need(n *Needs) { n.FIPS = true }

// KernelIs compares the release of the running kernel, or of any that is
// installed.
type KernelIs struct {
	Installed bool
	Version   VersionRange
}

func (c KernelIs) String() string {
	which := "the running kernel is"
	if c.Installed {
		which = "an installed kernel is"
	}
	return which + " " + c.Version.String()
}

func (c KernelIs) eval(e *evaluation) Reason {
	kernels := e.Kernels
	if !c.Installed {
		kernels = Fact[[]string]{Value: []string{e.Running.Value}, Known: e.Running.Known, Why: e.Running.Why}
	}
	found := "there is none"
	if len(kernels.Value) > 0 {
		found = strings.Join(kernels.Value, ", ")
	}
	r := leaf(c, kernels, false, found)
	for _, k := range kernels.Value {
		if kernels.Known {
			r.Is = r.Is.or(c.Version.has(k))
		}
	}
	if r.Is == Unknown && r.Why == "" {
		r.Found, r.Why = "", found+" is no version that can be compared"
	}
	return r
}

func (c KernelIs) need(n *Needs) { n.Kernels = true }

// DpkgIs compares the version of dpkg.
type DpkgIs struct{ Version VersionRange }

func (c DpkgIs) String() string { return "dpkg is " + c.Version.String() }

func (c DpkgIs) eval(e *evaluation) Reason {
	r := leaf(c, e.Dpkg, false, e.Dpkg.Value)
	if e.Dpkg.Known {
		if r.Is = c.Version.has(e.Dpkg.Value); r.Is == Unknown {
			r.Found, r.Why = "", e.Dpkg.Value+" is no version"
		}
	}
	return r
}

func (c DpkgIs) need(n *Needs) { n.Dpkg = true }
