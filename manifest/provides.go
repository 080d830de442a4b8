package manifest

import "regexp"

// Provides says that a unit is one of several of which one is active at a time:
// a stream of a driver beside others for the same kernel.
type Provides struct {
	Group    string // what they have in common, e.g. nvidia
	Version  string // of what is provided, as its userspace has it; may be ""
	Priority int64  // the highest is active if nothing else decides
}

// groupName is also a file name.
var groupName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]{0,63}$`)

// providedVersion: Policy 5.6.12 without epoch and revision.
var providedVersion = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~]*$`)

// maxPriority bounds priorities.
const maxPriority = 1_000_000

func (d *decoder) provides(v *value) *Provides {
	m := d.fields(v, "group", "version", "priority")
	if m.v == nil {
		return nil
	}
	p := &Provides{Group: d.name(m.need("group"), groupName, "a name of lower-case letters, digits and +.-")}
	if version := m.get("version"); version != nil {
		p.Version = d.name(version, providedVersion, "an upstream version (Policy 5.6.12)")
	}
	if priority := m.get("priority"); priority != nil {
		p.Priority = d.decimal(priority, maxPriority, "%s is more than a priority may be (%d)")
	}
	return p
}

// userspace are the packages of the userspace that goes with the modules.
func (d *decoder) userspace(v *value) []string {
	var names []string
	first := map[string]Pos{}
	for _, e := range d.elements(v) {
		name := d.name(e, packageName, packageRule)
		d.once(first, e, name, "package")
		names = append(names, name)
	}
	return names
}
