package dpkg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/dpkg"
)

// told is what apt 2.6 has told a hook, in testdata/apthook: it installs, upgrades and
// removes toy packages in a system below /srv/system.
func told(t testing.TB, name string) []byte {
	data, err := os.ReadFile(filepath.Join("testdata/apthook", name))
	require.NoError(t, err)
	return data
}

func TestParseAptHookOfApt(t *testing.T) {
	tests := map[string][]dpkg.AptChange{
		"install": {
			{Package: "aa", New: "1", NewArch: "all", Do: dpkg.AptUnpack, File: "/srv/system/aa_1_all.deb"},
			{Package: "bb", New: "1", NewArch: "amd64", Do: dpkg.AptUnpack, File: "/srv/system/bb_1_amd64.deb"},
			{Package: "aa", New: "1", NewArch: "all", Do: dpkg.AptConfigure},
			{Package: "bb", New: "1", NewArch: "amd64", Do: dpkg.AptConfigure},
		},
		"upgrade": {
			{Package: "aa", Old: "1", OldArch: "all", New: "2", NewArch: "all", Do: dpkg.AptUnpack, File: "/srv/system/aa_2_all.deb"},
			{Package: "aa", Old: "1", OldArch: "all", New: "2", NewArch: "all", Do: dpkg.AptConfigure},
		},
		"remove": {{Package: "bb", Old: "1", OldArch: "amd64", Do: dpkg.AptRemove}},
	}
	for name, want := range tests {
		h, err := dpkg.ParseAptHook(told(t, name))
		require.NoError(t, err, name)
		assert.Equal(t, 3, h.Version)
		assert.Equal(t, want, h.Changes, name)
		assert.Equal(t, "/srv/system/root", h.Config["Dir"])
		assert.Equal(t, "/srv/system/hook.sh a b", h.Config["DPkg::Pre-Install-Pkgs::"])
	}
}

func TestParseAptHook(t *testing.T) {
	const head = "VERSION 3\nAPT=\n\n"
	tests := []struct {
		name string
		data string
		want []dpkg.AptChange // nil if it is wrong
		says string
	}{
		{"version 2", "VERSION 2\n\naa 1 < 2 /x y.deb\nbb 1 > - **REMOVE**\n", []dpkg.AptChange{
			{Package: "aa", Old: "1", New: "2", Do: dpkg.AptUnpack, File: "/x y.deb"}, {Package: "bb", Old: "1", Do: dpkg.AptRemove},
		}, ""},
		{"a downgrade", head + "aa 2 all none > 1 all none /x.deb\n", []dpkg.AptChange{
			{Package: "aa", Old: "2", OldArch: "all", New: "1", NewArch: "all", Do: dpkg.AptUnpack, File: "/x.deb"},
		}, ""},
		{"no packages", head, []dpkg.AptChange{}, ""},
		{"nothing", "", nil, "line 0: it ends before the packages"},
		{"version 1", "/var/cache/apt/archives/x.deb\n", nil, "line 1: it is neither of version 2 nor of version 3"},
		{"version 4", "VERSION 4\n\n", nil, "line 1"},
		{"cut off in the configuration", "VERSION 3\nAPT=\n", nil, "line 2: it ends before the packages"},
		{"cut off in a package", head + "aa 1 all none <\n", nil, "line 4: it has 5 words instead of 9"},
		{"version 2 that says 3", head + "aa 1 < 2 /x.deb\n", nil, "words instead of 9"},
		{"no comparison", head + "aa 1 all none ? 2 all none /x.deb\n", nil, `"?" stands where versions are compared`},
		{"no file", head + "aa 1 all none < 2 all none x.deb\n", nil, `"x.deb" is no file`},
		{"an error of apt's", head + "aa 1 all none < 2 all none **ERROR**\n", nil, `"**ERROR**" is no file`},
		{"removed to a version", head + "aa 1 all none < 2 all none **REMOVE**\n", nil, "its new version does not fit"},
		{"unpacked to nothing", head + "aa 1 all none > - - none /x.deb\n", nil, "its new version does not fit"},
		{"no package", head + "a/b 1 all none < 2 all none /x.deb\n", nil, `"a/b" is no name of a package`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := dpkg.ParseAptHook([]byte(tt.data))
			if tt.want == nil {
				var wrong *dpkg.AptHookError
				require.ErrorAs(t, err, &wrong)
				assert.Contains(t, err.Error(), tt.says)
				assert.NotEmpty(t, wrong.Hint())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, append([]dpkg.AptChange{}, h.Changes...))
		})
	}
}

func FuzzParseAptHook(f *testing.F) {
	for _, name := range []string{"install", "upgrade", "remove"} {
		f.Add(string(told(f, name)))
	}
	f.Add("VERSION 2\nA%20b=%zz%4\n\naa 1 < 2 /x y.deb\n")
	f.Fuzz(func(t *testing.T, data string) {
		h, err := dpkg.ParseAptHook([]byte(data))
		if err != nil {
			return
		}
		_, packages, _ := strings.Cut(data, "\n\n")
		assert.LessOrEqual(t, len(h.Changes), strings.Count(packages, "\n")+1)
		for _, c := range h.Changes {
			assert.True(t, dpkg.IsPackageName(c.Package))
			assert.Equal(t, c.Do == dpkg.AptRemove, c.New == "")
			assert.Equal(t, c.Do == dpkg.AptUnpack, c.File != "")
		}
	})
}
