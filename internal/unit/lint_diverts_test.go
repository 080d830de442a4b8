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

const (
	sbinTool = "/usr/sbin/acme-tool"
	other    = "other-tools"
)

// diverting is the manifest of testdata/acme with diversions.
func (s *scene) diverting(t *testing.T, diverts string) *manifest.Manifest {
	t.Helper()
	name := unit.ManifestDir + "/" + modulesPkg + ".yaml"
	text, err := os.ReadFile(s.host(name))
	require.NoError(t, err)
	s.write(name, string(text)+"\ndiverts:\n"+diverts)
	m, err := s.sound().Load(modulesPkg)
	require.NoError(t, err)
	return m
}

func TestLintLooksAtDiversions(t *testing.T) {
	const tool = "  - {id: tool, from: " + sbinTool + "}\n"
	tests := []struct {
		name    string
		diverts string
		ships   []string // what the package itself has
		others  []debian
		change  func(s *scene)
		want    []string
	}{
		{"nothing", tool, []string{sbinTool}, []debian{{name: other, version: "1", files: []string{sbinTool}}}, nil, nil},
		{"not shipped", tool, nil, nil, nil, []string{"error: " + modulesPkg + " does not ship " + sbinTool + ", and diverts it for a file of its own"}},
		{
			"shipped by the other spelling", tool,
			[]string{"/sbin/acme-tool"},
			nil, nil,
			[]string{"error: " + modulesPkg + " ships /sbin/acme-tool, and diverts " + sbinTool + ": dpkg compares names as strings"},
		},
		{
			"shipped after all", "  - {id: tool, from: " + sbinTool + ", ship: false}\n",
			[]string{sbinTool},
			nil, nil,
			[]string{"error: " + modulesPkg + " ships " + sbinTool + ", and says that it does not"},
		},
		{"without a file", "  - {id: tool, from: " + sbinTool + ", ship: false}\n", nil, nil, nil, nil},
		{
			"target of another", tool,
			[]string{sbinTool},
			[]debian{{name: other, version: "1", files: []string{"/sbin/acme-tool.distrib"}}},
			nil,
			[]string{"error: " + other + " ships /sbin/acme-tool.distrib"},
		},
		{
			"target of its own", tool,
			[]string{sbinTool, sbinTool + ".distrib"},
			nil, nil,
			[]string{"error: " + modulesPkg + " ships " + sbinTool + ".distrib"},
		},
		{
			"folder of the target", "  - {id: tool, from: " + sbinTool + ", to: /usr/lib/acme/tool}\n",
			[]string{sbinTool},
			nil, nil,
			[]string{"error: neither " + modulesPkg + " nor an essential package ships the folder /usr/lib/acme"},
		},
		{"folder of the target, shipped", "  - {id: tool, from: " + sbinTool + ", to: /usr/lib/acme/tool}\n", []string{sbinTool, "/usr/lib/acme"}, nil, nil, nil},
		{
			"a conffile", "  - {id: tool, from: /usr/share/tool.conf, ship: false}\n", nil,
			[]debian{{name: other, version: "1", files: []string{"/usr/share/tool.conf"}, conffile: "/usr/share/tool.conf"}},
			nil,
			[]string{"error: /usr/share/tool.conf is a conffile of " + other},
		},
		{
			"lost", "  - {id: tool, from: " + sbinTool + ", move: never}\n",
			[]string{sbinTool},
			nil, nil,
			[]string{"warning: a file that lies at " + sbinTool + " when " + modulesPkg + " is installed is lost"},
		},
		{
			"versions to come",
			"  - {id: tool, from: " + sbinTool + ", since: 1-1}\n  - {id: b, from: /usr/bin/b, until: \"2\"}\n",
			[]string{sbinTool},
			nil, nil,
			[]string{"error: since 1-1 is later than 1", "error: until 2 is later than 1"},
		},
		{"versions of the past", "  - {id: tool, from: " + sbinTool + ", since: \"1\"}\n  - {id: b, from: /usr/bin/b, until: 1~rc1}\n", []string{sbinTool}, nil, nil, nil},
		{
			"shipped and no longer diverted", "  - {id: b, from: " + sbinTool + ", until: \"1\"}\n",
			[]string{sbinTool},
			nil, nil,
			[]string{"warning: " + modulesPkg + " ships " + sbinTool + ", which it no longer diverts: the file of another package stays at " + sbinTool + ".distrib"},
		},
		{"followed by another", "  - {id: a, from: /sbin/acme-tool, until: \"1\"}\n  - {id: tool, from: " + sbinTool + ", since: \"1\"}\n", []string{sbinTool}, nil, nil, nil},
		{
			"the same by another manifest", tool,
			[]string{sbinTool},
			nil,
			func(s *scene) {
				s.write(unit.ManifestDir+"/other-kmod.yaml", "koweld: 1\npackage: other-kmod\nkernel: '6.1'\nfiles: [{source: /a, install: /opt/a}]\ndiverts: [{id: x, from: "+sbinTool+", to: /usr/share/x}]\n")
			},
			[]string{"error: " + sbinTool + " is in a diversion of the manifest of other-kmod"},
		},
		{
			"the same on this system", tool,
			[]string{sbinTool},
			nil,
			func(s *scene) {
				s.write("/var/lib/dpkg/diversions", "/sbin/acme-tool\n/sbin/acme-tool.real\nguard\n")
			},
			[]string{"error: /sbin/acme-tool is in the diversion of /sbin/acme-tool to /sbin/acme-tool.real by guard"},
		},
		{
			"its own on this system", tool,
			[]string{sbinTool},
			nil,
			func(s *scene) {
				s.write("/var/lib/dpkg/diversions", sbinTool+"\n"+sbinTool+".distrib\n"+modulesPkg+"\n")
			},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newAcme(t)
			m := s.diverting(t, tt.diverts)
			if tt.change != nil {
				tt.change(s)
			}
			sys := s.debians(t, append([]debian{
				{name: modulesPkg, version: "1", files: append(s.all(objectsDir), append(s.all(signaturesDir), tt.ships...)...)},
			}, tt.others...)...)
			assert.Equal(t, tt.want, s.findings(t, sys, m))
		})
	}
}

// Without dpkg the root is the tree of the package.
func TestLintLooksAtDiversionsInATree(t *testing.T) {
	s, _ := newAcme(t)
	m := s.diverting(t, "  - {id: tool, from: "+sbinTool+", to: /usr/lib/tool/x}\n")
	assert.Equal(t, []string{
		"error: " + modulesPkg + " does not ship " + sbinTool + ", and diverts it for a file of its own",
		"error: neither " + modulesPkg + " nor an essential package ships the folder /usr/lib/tool",
	}, s.findings(t, s.sound(), m))
	s.write(sbinTool, "tool")
	require.NoError(t, os.Mkdir(s.host("/usr/lib/tool"), 0o755))
	assert.Empty(t, s.findings(t, s.sound(), m))
}

func TestDeclaredDiversions(t *testing.T) {
	s, _ := newAcme(t)
	m := s.diverting(t, "  - {id: tool, from: "+sbinTool+"}\n  - {id: x, from: /usr/share/x/x, to: /usr/lib/acme/x}\n  - {id: y, from: /usr/bin/y, until: \"1\"}\n")
	d := unit.Declares(m)
	assert.Equal(t, []unit.DivertedName{{From: sbinTool, To: sbinTool + ".distrib"}, {From: "/usr/share/x/x", To: "/usr/lib/acme/x", Folder: "/usr/lib/acme"}}, d.Diverts)
	require.NotNil(t, d.Scripts)
	for _, script := range []string{d.Scripts.Preinst, d.Scripts.Postinst, d.Scripts.Postrm} {
		assert.True(t, strings.Contains(script, "dpkg-divert --quiet --package "+modulesPkg+" --no-rename --divert "))
	}
	plain, err := s.sound().Load(modulesPkg)
	require.NoError(t, err)
	plain.Diverts = nil
	assert.Nil(t, unit.Declares(plain).Scripts)
	assert.NotNil(t, unit.Declares(plain).Diverts)
}
