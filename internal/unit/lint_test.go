package unit_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/unit"
	"koweld/manifest"
)

// findings are those of a lint, as "severity: text".
func (s *scene) findings(t *testing.T, sys *unit.System, m *manifest.Manifest) []string {
	for i := range m.Files { // acme.conf, which is warned about in lint_findings.txtar
		m.Files[i].Install = strings.Replace(m.Files[i].Install, "acme.conf", "acme-"+m.Kernel+".conf", 1)
	}
	t.Helper()
	require.NoError(t, os.MkdirAll(s.host(scratch), 0o755))
	before := s.tree()
	r, err := sys.Lint(t.Context(), m, scratch, nil)
	require.NoError(t, err)
	assert.Equal(t, before, s.tree(), "nothing is changed")
	var all []string
	for _, f := range r.Findings {
		// There is no linker here.
		if !strings.Contains(f.Text, "cannot find program ld.bfd") {
			all = append(all, string(f.Severity)+": "+f.Text)
		}
	}
	return all
}

func TestLintAsksWhoseTheInputsAre(t *testing.T) {
	const first = objectsDir + "acme.mod.o (also 9 other files)"
	tests := []struct {
		name    string
		depends string
		change  func(pkgs []debian)
		want    []string
	}{
		{"of packages that it depends on exactly", objectsPkg + " (= 1), " + signaturesPkg + " (= 1)", nil, nil},
		{
			"of one that it does not depend on", signaturesPkg + " (= 1)", nil,
			[]string{"error: " + first + " is of package " + objectsPkg + " 1, and " + modulesPkg + " does not depend on it"},
		},
		{
			"of one in any version", objectsPkg + ", " + signaturesPkg + " (= 1)", nil,
			[]string{"warning: " + first + " is of package " + objectsPkg + " 1, and " + modulesPkg + " depends on no exact version of it"},
		},
		{
			"of itself", signaturesPkg + " (= 1)", func(pkgs []debian) { pkgs[0].files, pkgs[1].files = pkgs[1].files, nil }, nil,
		},
		{
			"of nobody", objectsPkg + " (= 1), " + signaturesPkg + " (= 1)", func(pkgs []debian) { pkgs[1].files = nil },
			[]string{"error: no package ships " + first},
		},
		{
			"of a package that dpkg does not know", "", func(pkgs []debian) { pkgs[0].name = "another" }, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, m := newAcme(t)
			pkgs := []debian{
				{name: modulesPkg, version: "1", depends: tt.depends},
				{name: objectsPkg, version: "1", files: s.all(objectsDir)},
				{name: signaturesPkg, version: "1", files: s.all(signaturesDir)},
			}
			if tt.change != nil {
				tt.change(pkgs)
			}
			assert.Equal(t, tt.want, s.findings(t, s.debians(t, pkgs...), m))
		})
	}
}

func TestLintFindsNamesakes(t *testing.T) {
	const in = " is in the kernel already: /lib/modules/6.1.0-56-amd64/"
	tests := []struct {
		name  string
		files map[string]string // below the kernel's modules
		want  []string
	}{
		{"none", map[string]string{"kernel/other.ko": "", "updates/acme.ko.old": "", "modules.order": "kernel/other.ko\n"}, nil},
		{"outranked by ours", map[string]string{"kernel/plain.ko.xz": ""}, []string{"warning: module plain" + in + "kernel/plain.ko.xz"}},
		{"that outranks ours", map[string]string{"updates/acme_aux.ko": ""}, []string{"error: module acme_aux" + in + "updates/acme_aux.ko"}},
		{"of the same rank in updates", map[string]string{"updates/dkms/plain.ko": ""}, []string{"error: module plain" + in + "updates/dkms/plain.ko"}},
		{"of the same rank elsewhere", map[string]string{"extra/acme-aux.ko.gz": ""}, []string{"error: module acme_aux" + in + "extra/acme-aux.ko.gz"}},
		{"at the target", map[string]string{"kernel/acme/acme.ko": "", "modules.order": "kernel/acme/acme.ko\nkernel/acme/acme_aux.ko\n"}, nil},
		{"beside the target", map[string]string{"kernel/acme/acme_aux.ko": ""}, []string{"error: module acme_aux" + in + "kernel/acme/acme_aux.ko"}},
		{"in a list", map[string]string{"modules.order": "kernel/x/acme.ko\n"}, []string{"error: module acme" + in + "kernel/x/acme.ko of its modules.order"}},
		{"in a list and there", map[string]string{"modules.order": "kernel/x/acme.ko\n", "kernel/x/acme.ko.zst": ""}, []string{"error: module acme" + in + "kernel/x/acme.ko.zst"}},
		{"built in", map[string]string{"modules.builtin": "kernel/x/plain.ko\n"}, []string{"error: module plain" + in + "kernel/x/plain.ko of its modules.builtin"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, m := newAcme(t)
			for name, text := range tt.files {
				s.write("/usr/lib/modules/"+m.Kernel+"/"+name, text)
			}
			assert.Equal(t, tt.want, s.findings(t, s.sound(), m))
		})
	}
}
