package dpkg_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/dpkg"
)

func TestParsePackages(t *testing.T) {
	const sum = "0123456789abcdef0123456789abcdef"
	tests := []struct {
		name, out string
		want      map[string]dpkg.Package
	}{
		{"nothing", "", map[string]dpkg.Package{}},
		{"one", "=kmod\tinstalled\t\n\n", map[string]dpkg.Package{"kmod": {Status: "installed"}}},
		{"essential", "=dash\tinstalled\tyes\n\n=x\tinstalled\tno\n\n", map[string]dpkg.Package{"dash": {Status: "installed", Essential: true}, "x": {Status: "installed"}}},
		{"conffiles", "=a\tconfig-files\t\n /etc/a " + sum + "\n /etc/with blank " + sum + "\n /etc/old " + sum + " obsolete remove-on-upgrade\n /etc/new newconffile\n", map[string]dpkg.Package{
			"a": {Status: "config-files", Conffiles: []string{"/etc/a", "/etc/with blank", "/etc/old", "/etc/new"}},
		}},
		{"two architectures", "=a\tinstalled\t\n\n=a\tconfig-files\t\n /etc/a " + sum + "\n", map[string]dpkg.Package{
			"a": {Status: "installed", Conffiles: []string{"/etc/a"}},
		}},
		{"and the other way round", "=a\tconfig-files\t\n\n=a\tunpacked\t\n\n", map[string]dpkg.Package{"a": {Status: "unpacked"}}},
		{"something else", "noise\n=short\n /etc/a " + sum + "\n", map[string]dpkg.Package{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]dpkg.Package{}
			dpkg.ParsePackages(tt.out, got)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestPackages(t *testing.T) {
	const conffiles = "Conffiles:\n /etc/one 0123456789abcdef0123456789abcdef\n /etc/gone 0123456789abcdef0123456789abcdef obsolete\n"
	db := admin(
		t,
		pkg{name: "one", arch: "amd64", status: installed, version: "1", more: conffiles},
		pkg{name: "one", arch: "i386", status: "deinstall ok config-files", version: "1"},
		pkg{name: "vital", arch: "all", status: installed, version: "1", more: "Essential: yes\n"},
		pkg{name: "half", arch: "all", status: "install ok half-installed", version: "1"},
	)
	got, err := db.Packages(t.Context(), []string{"one", "vital", "half", "unknown", "no name", "", "*", "-x", "Upper_case"})
	require.NoError(t, err)
	assert.Equal(t, map[string]dpkg.Package{
		"one":   {Status: "installed", Conffiles: []string{"/etc/one", "/etc/gone"}},
		"vital": {Status: "installed", Essential: true},
		"half":  {Status: "half-installed"},
	}, got)
	assert.True(t, got["half"].HasFiles())
	for name, want := range map[string]bool{"a": true, "libc6": true, "A_b+c.d-e": true, "": false, ":": false, "a b": false, "a\n": false, "-a": false} {
		assert.Equal(t, want, dpkg.IsPackageName(name), "%q", name)
	}
	assert.False(t, got["unknown"].HasFiles())
	got, err = db.Packages(t.Context(), []string{"no name", ""})
	require.NoError(t, err)
	assert.Empty(t, got, "no name is not every name")
}

func FuzzParsePackages(f *testing.F) {
	f.Add("=dash\tinstalled\tyes\n\n=adduser\tinstalled\t\n /etc/adduser.conf 0123456789abcdef0123456789abcdef\n")
	f.Add("=a\tconfig-files\t\n /etc/a b 0123456789abcdef0123456789abcdef obsolete\n")
	f.Add("=\t\t\n / x\n")
	f.Fuzz(func(t *testing.T, out string) {
		all := map[string]dpkg.Package{}
		dpkg.ParsePackages(out, all)
		for name, p := range all {
			require.Contains(t, out, "="+name+"\t")
			for _, file := range p.Conffiles {
				require.True(t, strings.HasPrefix(file, "/"), file)
				require.Contains(t, out, file)
			}
		}
	})
}
