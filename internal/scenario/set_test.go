package scenario

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	kernel     = "6.1.0-56-amd64"
	acme       = "../../testdata/acme"
	objects    = "usr/lib/linux-objects/acme/" + kernel
	signatures = "usr/lib/linux-signatures/acme/" + kernel
	folder     = "usr/lib/modules/" + kernel
	conf       = "usr/lib/modprobe.d/acme.conf"
)

// A set is what koweld places for one version of the packages: names below the
// root, and the sha256 of what is in them without its compression. The file conf
// is there before, by an admin's hand, so that it is part of every set.
type set map[string]string

// A declared module is one of a manifest.
type declared struct {
	name, form, install, compress string
}

// What the versions declare. From one to the next a module keeps its name with
// other bytes, or gets another name; one goes away, and one moves. Nothing but
// conf is the same file in two of them.
var versions = map[string][]declared{
	"1.0": {
		{"acme", acmeForm, "kernel/acme/acme.ko", "none"},
		{"acme_aux", auxForm, "kernel/acme/acme_aux.ko", "xz"},
		{"plain", plainForm, "updates/plain.ko", "none"},
	},
	"2.0": { // plain is signed by another
		{"acme", acmeForm, "kernel/acme/acme.ko", "zstd"},
		{"plain", plainForm, "updates/plain.ko", "none"},
	},
	"3.0": {
		{"acme", acmeForm, "kernel/acme/acme.ko", "xz"},
		{"acme_aux", auxForm, "kernel/acme/acme_aux.ko", "none"},
		{"plain", plainForm, "kernel/acme/plain.ko", "none"},
	},
	// Its own objects do not give what it declares; those of another version would. (A
	// file that is there already, and is what is declared, would not be formed anew.)
	"4.0": {
		{"acme", acmeForm, "kernel/acme/acme.ko", "zstd"},
		{"plain", plainForm, "updates/plain.ko", "zstd"},
	},
}

const (
	acmeForm  = "{recipe: acme.recipe, inputs: [core.o, glue.o, acme.mod.o]}"
	auxForm   = "{recipe: acme_aux.recipe, inputs: [acme_aux.o, acme_aux.mod.o]}"
	plainForm = "{whole: plain.ko}"
)

var (
	versionLine = regexp.MustCompile(`version ([0-9.]+)`)
	sumLine     = regexp.MustCompile(`(?m)^([0-9a-f]{64})  (\w+)\.ko$`)
	imageLines  = regexp.MustCompile(`(?s)- name: (\w+)\n.*?(image: \{[^}]*\})`)
	suffixes    = map[string]string{"none": "", "xz": ".xz", "zstd": ".zst"}
)

// confOf is the file that a version places beside its modules; "original" is the
// admin's.
func confOf(version string) string { return "options acme gentle=1 # " + version + "\n" }

// hasConf reports whether a version places it.
func hasConf(version string) bool { return version != "3.0" }

// makeSets computes what must be placed: kbuild's modules as sign-file signed
// them, by testdata/acme, and plain signed anew by openssl.
func (l *lab) makeSets(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(acme, "SHA256SUMS"))
	require.NoError(t, err)
	sums := map[string]string{}
	for _, m := range sumLine.FindAllStringSubmatch(string(text), -1) {
		sums[m[2]] = m[1]
	}
	require.Len(t, sums, 3)
	l.signAgain(t)
	again, err := os.ReadFile(filepath.Join(l.dir, "plain.ko"))
	require.NoError(t, err)

	l.sets = map[string]set{"none": {conf: sum([]byte(confOf("original")))}}
	for version, modules := range versions {
		s := set{conf: sum([]byte(confOf("original")))}
		if hasConf(version) {
			s[conf] = sum([]byte(confOf(version)))
		}
		for _, m := range modules {
			name := folder + "/" + m.install + suffixes[m.compress]
			s[name] = sums[m.name]
			if m.name == "plain" && version == "2.0" {
				s[name] = sum(again)
			}
		}
		l.sets[version] = s
	}
}

// signAgain signs plain.ko under a key that is thrown away: the file as the
// kernel's sign-file makes it in the lab's folder, its signature and its
// certificate beside.
func (l *lab) signAgain(t *testing.T) {
	dir := l.dir
	output(t, "openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "36500",
		"-subj", "/CN=scenario (key thrown away)", "-keyout", dir+"/key.pem", "-out", dir+"/again.pem")
	image := filepath.Join(acme, "package", objects, "plain.ko")
	cms := []byte(output(t, "openssl", "cms", "-sign", "-binary", "-noattr", "-nocerts", "-md", "sha256",
		"-signer", dir+"/again.pem", "-inkey", dir+"/key.pem", "-outform", "DER", "-in", image))
	data, err := os.ReadFile(image)
	require.NoError(t, err)
	// struct module_signature (include/linux/module_signature.h): PKCS#7 is 2.
	trailer := append([]byte{0, 0, 2, 0, 0, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(cms)))...)
	signed := bytes.Join([][]byte{data, cms, trailer, []byte("~Module signature appended~\n")}, nil)
	require.NoError(t, os.WriteFile(dir+"/plain.ko.sig", cms, 0o644))
	require.NoError(t, os.WriteFile(dir+"/plain.ko", signed, 0o644))
}

// manifestOf is the manifest of a version.
func (l *lab) manifestOf(t *testing.T, version string) string {
	text, err := os.ReadFile(filepath.Join(acme, "package/usr/share/koweld/manifests", packages["modules"]+".yaml"))
	require.NoError(t, err)
	images := map[string]string{}
	for _, m := range imageLines.FindAllStringSubmatch(string(text), -1) {
		images[m[1]] = m[2]
	}
	certificates := []string{"signer.pem"}
	if version == "2.0" {
		certificates = append(certificates, "again.pem")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "koweld: 1\npackage: %s\nkernel: %s\nobjects: /%s\nsignatures: /%s\nsigners:\n", packages["modules"], kernel, objects, signatures)
	for _, name := range certificates {
		at := filepath.Join(acme, "package", signatures, name)
		if name == "again.pem" {
			at = filepath.Join(l.dir, name)
		}
		der := output(t, "openssl", "x509", "-in", at, "-outform", "DER")
		fmt.Fprintf(&b, "  - {certificate: %s, sha256: %s}\n", name, sum([]byte(der)))
	}
	b.WriteString("modules:\n")
	for _, m := range versions[version] {
		fmt.Fprintf(&b, "  - name: %s\n    form: [%s]\n    %s\n    install: %s\n    compress: %s\n", m.name, m.form, images[m.name], m.install, m.compress)
	}
	if hasConf(version) {
		fmt.Fprintf(&b, "files:\n  - {source: /usr/share/acme/acme.conf, install: /%s, mode: \"0644\"}\n", conf)
	}
	b.WriteString("after: {depmod: true, initramfs: never}\n")
	return b.String()
}

// contents remembers what is in compressed files, by the sum of the file.
type contents struct {
	mu   sync.Mutex
	sums map[string]string
}

// of is the sha256 of a module without its compression, by the program that is
// for that; of another file, that of its bytes.
func (c *contents) of(name string, data []byte) (string, error) {
	var program string
	switch {
	case strings.HasSuffix(name, ".ko.xz"):
		program = "xz"
	case strings.HasSuffix(name, ".ko.zst"):
		program = "zstd"
	default:
		return sum(data), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := program + sum(data)
	if c.sums[key] == "" {
		cmd := exec.Command(program, "-dc")
		cmd.Stdin = bytes.NewReader(data)
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%s of %s: %v", program, name, err)
		}
		if c.sums == nil {
			c.sums = map[string]string{}
		}
		c.sums[key] = sum(out)
	}
	return c.sums[key], nil
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}
