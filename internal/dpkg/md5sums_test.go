package dpkg_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/dpkg"
)

func TestMD5Sums(t *testing.T) {
	const sum = "0123456789abcdef0123456789abcdef"
	db := admin(
		t,
		pkg{name: "one", arch: "amd64", status: installed, version: "1"},
		pkg{name: "bare", arch: "all", status: installed, version: "1"},
		pkg{name: "gone", arch: "all", status: "deinstall ok config-files", version: "1"},
	)
	text := sum + "  lib/x\n" + sum + "  usr/with  blanks\n" + sum + "  ./dotted\nnoise\n123  short\n"
	require.NoError(t, os.WriteFile(filepath.Join(db.AdminDir, "info/one:amd64.md5sums"), []byte(text), 0o644))
	sums, err := db.MD5Sums(t.Context(), "one")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"/lib/x": sum, "/usr/with  blanks": sum, "/dotted": sum}, sums)
	for _, name := range []string{"bare", "gone", "unknown"} {
		sums, err := db.MD5Sums(t.Context(), name)
		require.NoError(t, err, name)
		assert.Empty(t, sums, name)
	}
}

func TestInstancesOf(t *testing.T) {
	db := admin(
		t,
		pkg{name: "one", arch: "amd64", status: installed, version: "1"},
		pkg{name: "one", arch: "i386", status: "install ok unpacked", version: "2"},
		pkg{name: "half", arch: "all", status: "install ok half-installed", version: "1"},
	)
	all, err := db.InstancesOf(t.Context(), []string{"one", "half", "unknown"})
	require.NoError(t, err)
	assert.Equal(t, map[string][]dpkg.Instance{
		"one":  {{Arch: "amd64", Status: "installed", Version: "1"}, {Arch: "i386", Status: "unpacked", Version: "2"}},
		"half": {{Arch: "all", Status: "half-installed", Version: "1"}},
	}, all)
	none, err := db.InstancesOf(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, none, "no names are none, and not all")
}

func TestForeign(t *testing.T) {
	db := admin(t)
	none, err := db.Foreign(t.Context())
	require.NoError(t, err)
	assert.Empty(t, none)
	require.NoError(t, os.WriteFile(filepath.Join(db.AdminDir, "arch"), []byte("amd64\ni386\narmhf\n"), 0o644))
	all, err := db.Foreign(t.Context())
	require.NoError(t, err)
	assert.Contains(t, all, "i386")
	assert.Contains(t, all, "armhf")
}
