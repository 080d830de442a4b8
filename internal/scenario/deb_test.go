package scenario

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// packages are the names of packages by what the tables call them.
var packages = map[string]string{
	"koweld":     "koweld",
	"objects":    "linux-objects-acme-" + kernel,
	"signatures": "linux-signatures-acme-" + kernel,
	"modules":    "linux-modules-acme-" + kernel,
	"second":     "linux-modules-second-" + kernel, // of the same objects and signatures
	"user":       "acme-user",                      // the userspace of the modules, where they are a stream
	// Others that do something to these.
	"owner":    "acme-owner",    // has a file that modules of the flavour "clash" ship too
	"breaker":  "acme-breaker",  // breaks modules below 3.0
	"rival":    "acme-rival",    // conflicts with modules and replaces it
	"heir":     "acme-heir",     // takes the place of signatures, with the same files
	"usurper":  "acme-usurper",  // replaces signatures and has nothing
	"overlord": "acme-overlord", // has all files of modules
}

// A deb is a package to be built.
type deb struct {
	short    string // see packages
	version  string
	flavour  string   // "" or what is different
	arch     string   // "" is amd64
	fields   []string // of the control file
	files    map[string]string
	links    map[string]string
	triggers string
	scripts  bool
}

// key names it, as "modules-1.0" or "modules-1.0-clash".
func (d deb) key() string {
	key := d.short + "-" + d.version
	if d.flavour != "" {
		key += "-" + d.flavour
	}
	return key
}

const clash = "usr/share/acme/clash"

// packAll builds every package.
func (l *lab) packAll(t *testing.T) {
	for _, d := range l.debsOf(t) {
		l.debs[d.key()] = l.pack(t, d)
		for _, names := range []map[string]string{d.files, d.links} {
			for name := range names {
				for ; name != "."; name = path.Dir(name) {
					l.shipped[name] = true
				}
			}
		}
	}
}

func (l *lab) debsOf(t *testing.T) []deb {
	debs := []deb{
		{
			short: "koweld", version: "1.0", scripts: true,
			links:    map[string]string{"usr/bin/koweld": l.koweld},
			triggers: ownTriggers(t),
		},
		{short: "owner", version: "1.0", files: map[string]string{clash: "owner\n"}},
		{short: "breaker", version: "1.0", scripts: true, fields: []string{"Breaks: " + packages["modules"] + " (<< 3.0)"}},
		{
			short: "rival", version: "1.0", scripts: true,
			fields: []string{"Conflicts: " + packages["modules"], "Replaces: " + packages["modules"]},
		},
		{
			short: "usurper", version: "1.0", scripts: true,
			fields: []string{"Conflicts: " + packages["signatures"], "Replaces: " + packages["signatures"]},
		},
		{
			short: "heir", version: "1.0", scripts: true,
			fields: []string{"Conflicts: " + packages["signatures"], "Replaces: " + packages["signatures"], "Provides: " + packages["signatures"]},
			files:  l.signaturesOf(t, "1.0"),
		},
		{
			short: "overlord", version: "1.0", scripts: true,
			fields: []string{"Replaces: " + packages["modules"]},
			files:  l.filesOf(t, "1.0"),
		},
		{
			short: "second", version: "1.0", scripts: true,
			files: map[string]string{"usr/share/koweld/manifests/" + packages["second"] + ".yaml": l.secondManifest(t)},
		},
	}
	debs = append(debs, streams(l, t)...)
	for _, arch := range []string{"amd64", "i386"} {
		debs = append(debs, deb{
			short: "modules", version: "1.0", flavour: "same-" + arch, arch: arch, scripts: true,
			fields: []string{"Multi-Arch: same"},
			files:  l.filesOf(t, "1.0"),
		})
	}
	for version := range versions {
		modules := deb{
			short: "modules", version: version, scripts: true,
			fields:   []string{"Depends: koweld, " + packages["objects"] + ", " + packages["signatures"]},
			files:    l.filesOf(t, version),
			triggers: "interest-noawait /" + objects + "\ninterest-noawait /" + signatures + "\n",
		}
		clashing := modules
		clashing.flavour = "clash"
		clashing.files = l.filesOf(t, version)
		clashing.files[clash] = "modules\n"
		debs = append(
			debs, modules, clashing,
			deb{short: "objects", version: version, files: objectsOf(t, version)},
			deb{short: "signatures", version: version, files: l.signaturesOf(t, version)},
		)
	}
	return debs
}

// ownTriggers are those of koweld's package, as dpkg-deb takes them.
func ownTriggers(t *testing.T) string {
	text, err := os.ReadFile("../../debian/koweld.triggers")
	require.NoError(t, err)
	return string(text)
}

// filesOf is what the package of modules ships.
func (l *lab) filesOf(t *testing.T, version string) map[string]string {
	files := map[string]string{"usr/share/koweld/manifests/" + packages["modules"] + ".yaml": l.manifestOf(t, version)}
	if hasConf(version) {
		files["usr/share/acme/acme.conf"] = confOf(version)
	}
	return files
}

// objectsOf is what the package of objects ships: those of testdata/acme. In 4.0
// one bit of the code is turned over.
func objectsOf(t *testing.T, version string) map[string]string {
	files := readFolder(t, objects)
	if version == "4.0" {
		core := []byte(files[objects+"/core.o"])
		core[0x40] ^= 1 // the first byte after the ELF header: .text
		files[objects+"/core.o"] = string(core)
	}
	return files
}

// signaturesOf is what the package of signatures ships.
func (l *lab) signaturesOf(t *testing.T, version string) map[string]string {
	files := readFolder(t, signatures)
	if version == "2.0" {
		for _, name := range []string{"plain.ko.sig", "again.pem"} {
			data, err := os.ReadFile(filepath.Join(l.dir, name))
			require.NoError(t, err)
			files[signatures+"/"+name] = string(data)
		}
	}
	return files
}

// readFolder reads what testdata/acme ships in a folder.
func readFolder(t *testing.T, folder string) map[string]string {
	files := map[string]string{}
	names, err := filepath.Glob(filepath.Join(acme, "package", folder, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		files[folder+"/"+filepath.Base(name)] = string(data)
	}
	return files
}

// pack builds a package and returns the path of the .deb.
func (l *lab) pack(t *testing.T, d deb) string {
	tree := filepath.Join(l.dir, "packing", d.key())
	write := func(name, text string, mode os.FileMode) {
		name = filepath.Join(tree, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), mode))
		require.NoError(t, os.Chmod(name, mode))
	}
	name := packages[d.short]
	control := []string{
		"Package: " + name, "Version: " + d.version, "Architecture: " + cmp.Or(d.arch, "amd64"),
		"Maintainer: Nobody <nobody@example.org>", "Description: for tests of koweld",
	}
	write("DEBIAN/control", strings.Join(append(control, d.fields...), "\n")+"\n", 0o644)
	if d.triggers != "" {
		write("DEBIAN/triggers", d.triggers, 0o644)
	}
	if d.scripts {
		for _, script := range []string{"preinst", "postinst", "prerm", "postrm"} {
			write("DEBIAN/"+script, scriptOf(t, script, d), 0o755)
		}
	}
	for name, text := range d.files {
		write(name, text, 0o644)
	}
	for name, target := range d.links {
		name = filepath.Join(tree, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.Symlink(target, name))
	}
	to := filepath.Join(l.dir, d.key()+".deb")
	// gzip: dpkg-deb of bullseye knows no zstd.
	output(t, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, to)
	return to
}

// debWord makes the path of a package of a word such as "+modules-1.0".
func (l *lab) debWord(word string) (string, error) {
	key, isDeb := strings.CutPrefix(word, "+")
	if !isDeb {
		return word, nil
	}
	path, ok := l.debs[key]
	if !ok {
		return "", fmt.Errorf("there is no package %s", key)
	}
	return path, nil
}
