package quirks

import (
	"fmt"
	"slices"
	"strings"
)

// View is which version of a package is meant.
type View string

// The views.
const (
	// Installed is what dpkg has now.
	Installed View = "installed"
	// Incoming is what the transaction that begins now brings.
	Incoming View = "incoming"
	// Candidate is what an upgrader has marked.
	Candidate View = "candidate"
	// Effective is the incoming version, else the candidate, else the installed
	// one: what will be there.
	Effective View = "effective"
)

// Views lists them.
var Views = []string{string(Installed), string(Incoming), string(Candidate), string(Effective)}

// PackageIs compares a package. Without a status or a version it is true if
// there are files of it.
type PackageIs struct {
	Name    string
	Arch    string // "" for any
	View    View
	Status  []string // of [Installed] only
	Version VersionRange
}

func (c PackageIs) String() string {
	name := c.Name
	if c.Arch != "" {
		name += ":" + c.Arch
	}
	text := map[View]string{
		Installed: " is there", Incoming: " is being installed", Candidate: " is going to be installed", Effective: " will be there",
	}[c.View]
	if len(c.Status) > 0 {
		text = " is " + either(c.Status)
	}
	if len(c.Version) > 0 {
		text += " in a version " + c.Version.String()
	}
	return name + text
}

func (c PackageIs) need(n *Needs) { n.pkg(c.Name) }

// present is a version of a package that is there or will be.
type present struct {
	arch, version, status string
	// by says by which view it is known.
	by View
}

func (p present) String() string {
	text := p.version
	if text == "" {
		return "it is " + p.status
	}
	if p.by == Installed {
		return text + ", " + p.status
	}
	return text + ", " + string(p.by)
}

func (c PackageIs) eval(e *evaluation) Reason {
	all, known, why := e.view(c.Name, c.View)
	if !known {
		return Reason{Text: c.String(), Why: why}
	}
	all = slices.DeleteFunc(all, func(p present) bool { return c.Arch != "" && p.arch != c.Arch && p.arch != "" })
	if len(c.Status) > 0 && len(all) == 0 {
		all = []present{{status: "not-installed", by: Installed}}
	}
	var found []string
	is := False
	for _, p := range all {
		is = is.or(c.matches(p))
		found = append(found, p.String())
	}
	r := Reason{Text: c.String(), Is: is, Found: strings.Join(found, "; ")}
	if len(all) == 0 {
		r.Found = map[View]string{Incoming: "it is not", Candidate: "it is not"}[c.View]
		if r.Found == "" {
			r.Found = "it is not there"
		}
	}
	if is == Unknown {
		r.Why = fmt.Sprintf("which version it has is not certain (%s)", r.Found)
		r.Found = ""
	}
	return r
}

// matches compares one version. Of a package that was being unpacked when dpkg
// died nobody knows which it is.
func (c PackageIs) matches(p present) Truth {
	is := True
	switch {
	case len(c.Status) > 0:
		is = truth(slices.Contains(c.Status, p.status))
	case p.by == Installed:
		is = truth(Instance{Status: p.status}.hasFiles())
	}
	switch {
	case len(c.Version) == 0 || is == False:
		return is
	case p.by == Installed && p.status == "half-installed":
		return Unknown
	case p.version == "":
		return False
	}
	return is.and(c.Version.has(p.version))
}

// view are the versions of a package that a view has.
func (e *evaluation) view(pkg string, v View) (all []present, known bool, why string) {
	switch v {
	case Incoming:
		return changed(e.Incoming, pkg, v, "no transaction was told")
	case Candidate:
		return changed(e.Candidate, pkg, v, "no upgrader has told")
	}
	f := e.Packages[pkg]
	for _, i := range f.Value {
		all = append(all, present{i.Arch, i.Version, i.Status, Installed})
	}
	if v == Effective {
		incoming, candidate := e.Incoming.of(pkg), e.Candidate.of(pkg)
		for _, c := range candidate {
			all = e.overlay(all, c, Candidate)
		}
		for _, c := range incoming {
			all = e.overlay(all, c, Incoming)
		}
		// A change of any architecture says all; else the others are dpkg's.
		for _, c := range slices.Concat(incoming, candidate) {
			if c.Arch == "" {
				return all, true, ""
			}
		}
	}
	return all, f.Known, f.why()
}

func changed(c Changes, pkg string, by View, why string) ([]present, bool, string) {
	var all []present
	of := c.of(pkg)
	for _, e := range of {
		if e.Version != "" {
			all = append(all, present{e.Arch, e.Version, "", by})
		}
	}
	return all, c.Complete || len(of) > 0, why
}

// overlay replaces the instances that a change is of.
func (e *evaluation) overlay(all []present, c Change, by View) []present {
	all = slices.DeleteFunc(all, func(p present) bool {
		return c.Arch == "" || p.arch == "" || e.native(p.arch) == e.native(c.Arch)
	})
	if c.Version != "" {
		all = append(all, present{c.Arch, c.Version, "", by})
	}
	return all
}

// native is the architecture that dpkg takes a package of all for.
func (e *evaluation) native(arch string) string {
	if arch == "all" {
		return e.Arch.Value
	}
	return arch
}
