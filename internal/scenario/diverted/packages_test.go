package diverted

import "koweld/divert"

const (
	halt   = "/usr/sbin/halt"
	data   = "/usr/share/tool/data"
	plugin = "/usr/lib/tool/plugin.so"
)

// The packages, with the folders that dh_koweld makes. The tool's file goes from /sbin to /usr/sbin in version 2. acme
// diverts since version 2, and no longer in 4; 0.5 did it by hand, under the aliased
// name alone.
var (
	tool = map[string]deb{
		"1": {name: "tool", version: "1", files: []string{"/sbin/halt", data, plugin}},
		"2": {name: "tool", version: "2", files: []string{halt, data, plugin}},
		"3": {name: "tool", version: "3", files: []string{halt, data, plugin}},
	}
	acme = map[string]deb{
		"0.5": {
			name: "acme", version: "0.5", files: []string{"/sbin/halt"},
			preinst: `if [ "$1" = install ] || [ "$1" = upgrade ]; then
	dpkg-divert --quiet --package acme --rename --divert /sbin/halt.real --add /sbin/halt
fi
`,
			postrm: `if [ "$1" = remove ] || [ "$1" = abort-install ] || [ "$1" = disappear ]; then
	dpkg-divert --quiet --package acme --rename --divert /sbin/halt.real --remove /sbin/halt
fi
`,
		},
		"0.1": {name: "acme", version: "0.1", files: []string{"/usr/share/acme"}},
		"2":   {name: "acme", version: "2", files: []string{"/usr/share/acme", halt, plugin, "/usr/lib/acme/", "/usr/share/tool/"}, diverts: diverts},
		"3":   {name: "acme", version: "3", files: []string{"/usr/share/acme", halt, plugin, "/usr/lib/acme/", "/usr/share/tool/"}, diverts: diverts},
		"4":   {name: "acme", version: "4", files: []string{"/usr/share/acme"}, diverts: past},
	}
	byHand = map[string][]divert.Diversion{"acme_0.5": {{From: "/sbin/halt", To: "/sbin/halt.real", Package: "acme"}}}

	// owner has a file that others ship by mistake.
	owner = deb{name: "owner", version: "1", files: []string{"/usr/share/zz"}}
	// rival takes the place of acme.
	rival = deb{name: "rival", version: "1", files: []string{"/usr/share/rival"}, fields: []string{"Conflicts: acme", "Replaces: acme", "Provides: acme"}}
	// heir takes all files of veil. One that has a file at a name that it diverts never
	// disappears: that of the heir goes elsewhere.
	veil = deb{name: "veil", version: "1", files: []string{"/usr/share/veil", "/usr/share/tool/"}, diverts: "  - {id: data, from: /usr/share/tool/data, ship: false}\n"}
	heir = deb{name: "heir", version: "1", files: []string{"/usr/share/veil", "/usr/share/tool/"}, fields: []string{"Replaces: veil"}}
)

const (
	diverts = `
  - {id: halt, from: /usr/sbin/halt, to: /usr/sbin/halt.real, since: "2"}
  - {id: data, from: /usr/share/tool/data, ship: false, since: "2"}
  - {id: plugin, from: /usr/lib/tool/plugin.so, to: /usr/lib/acme/plugin.so, since: "2"}
  - {id: old, from: /sbin/halt, to: /sbin/halt.real, since: "0.5", until: "2"}
`
	past = `
  - {id: halt, from: /usr/sbin/halt, to: /usr/sbin/halt.real, since: "2", until: "4"}
  - {id: data, from: /usr/share/tool/data, ship: false, since: "2", until: "4"}
  - {id: plugin, from: /usr/lib/tool/plugin.so, to: /usr/lib/acme/plugin.so, since: "2", until: "4"}
  - {id: old, from: /sbin/halt, to: /sbin/halt.real, since: "0.5", until: "2"}
`
)

// broken is the package with a file of another: its unpacking fails.
func broken(d deb) deb {
	d.files = append([]string{"/usr/share/zz"}, d.files...)
	return d
}
