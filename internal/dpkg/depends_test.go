package dpkg_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/dpkg"
	"koweld/internal/tool"
)

func TestInstances(t *testing.T) {
	db := admin(
		t,
		pkg{name: "both", arch: "amd64", status: installed, version: "1:5-1"},
		pkg{name: "both", arch: "i386", status: "install ok unpacked", version: "1:6-1"},
		pkg{name: "removed", arch: "all", status: "deinstall ok config-files", version: "4"},
		pkg{name: "broken", arch: "all", status: "install reinstreq half-installed", version: "4"},
	)
	for name, want := range map[string][]dpkg.Instance{
		"both":      {{"amd64", "installed", "1:5-1"}, {"i386", "unpacked", "1:6-1"}},
		"both:i386": {{"i386", "unpacked", "1:6-1"}},
		"removed":   {{"all", "config-files", "4"}},
		"broken":    {{"all", "half-installed", "4"}},
		"none":      nil,
	} {
		got, err := db.Instances(t.Context(), name)
		require.NoError(t, err, name)
		assert.ElementsMatch(t, want, got, name)
	}
}

func TestInstancesWithFiles(t *testing.T) {
	for status, want := range map[string]bool{
		"installed": true, "unpacked": true, "half-configured": true, "triggers-awaited": true, "triggers-pending": true,
		"half-installed": true, "config-files": false, "not-installed": false, "": false,
	} {
		assert.Equal(t, want, dpkg.Instance{Status: status}.HasFiles(), status)
	}
}

func TestDependsAreThoseOfThePackageThatIsThere(t *testing.T) {
	db := admin(
		t,
		pkg{name: "modules", arch: "all", status: "install ok half-configured", version: "2", more: "Pre-Depends: dpkg (>= 1.19)\nDepends: objects (= 2), signatures (= 2) | signatures-all,\n kmod:any\n"},
		pkg{name: "half", arch: "all", status: "install reinstreq half-installed", version: "4", more: "Depends: objects\n"},
		pkg{name: "removed", arch: "all", status: "deinstall ok config-files", version: "4", more: "Depends: objects\n"},
		pkg{name: "free", arch: "all", status: installed, version: "4"},
	)
	for name, want := range map[string]string{
		"modules": "dpkg (>= 1.19), objects (= 2), signatures (= 2) | signatures-all, kmod:any",
		"half":    "objects", "removed": "", "free": "", "none": "",
	} {
		deps, err := db.Depends(t.Context(), name)
		require.NoError(t, err, name)
		assert.Equal(t, want, deps.String(), name)
	}
}

func TestUnmet(t *testing.T) {
	const wanted = "objects-1 (= 2.0)"
	there := pkg{name: "objects-1", arch: "amd64", status: installed, version: "2.0"}
	in := func(status, version string) pkg {
		p := there
		p.status, p.version = status, version
		return p
	}
	of := func(arch string, p pkg) pkg { p.arch = arch; return p }
	provider := func(status, provides string) pkg {
		return pkg{name: "other", arch: "all", status: status, version: "9", more: "Provides: x, " + provides + "\n"}
	}
	unmet := func(relation, version, have, status, text string) []dpkg.Unmet {
		return []dpkg.Unmet{{Package: "objects-1", Relation: relation, Version: version, Have: have, Status: status, Text: text}}
	}
	none := unmet("=", "2.0", "", "", wanted)
	tests := []struct {
		name    string
		depends string
		there   []pkg
		want    []dpkg.Unmet
	}{
		{"the version", wanted, []pkg{there}, nil},
		{"only unpacked", wanted, []pkg{in("install ok unpacked", "2.0")}, nil},
		{"another version", wanted, []pkg{in(installed, "1.0")}, unmet("=", "2.0", "1.0", "installed", wanted)},
		{"another version, unpacked", wanted, []pkg{in("install ok unpacked", "3.0")}, unmet("=", "2.0", "3.0", "unpacked", wanted)},
		{"none", wanted, nil, none},
		{"removed", wanted, []pkg{in("deinstall ok config-files", "2.0")}, unmet("=", "2.0", "", "config-files", wanted)},
		{"broken", wanted, []pkg{in("install reinstreq half-installed", "2.0")}, unmet("=", "2.0", "", "half-installed", wanted)},
		{"one architecture of two", wanted, []pkg{in(installed, "1.0"), of("i386", there)}, nil},
		{"an epoch", wanted, []pkg{in(installed, "1:2.0")}, unmet("=", "2.0", "1:2.0", "installed", wanted)},
		{"a range", "objects-1 (>= 2.0~), objects-1 (<< 2.1~)", []pkg{there}, nil},
		{"beyond a range", "objects-1 (>= 2.0~), objects-1 (<< 2.1~)", []pkg{in(installed, "2.1")}, unmet("<<", "2.1~", "2.1", "installed", "objects-1 (<< 2.1~)")},
		{"any version", "objects-1", []pkg{in(installed, "1.0")}, nil},
		{"any version of none", "objects-1", nil, unmet("", "", "", "", "objects-1")},
		{"provided", "objects-1", []pkg{provider(installed, "objects-1")}, nil},
		{"provided by what is gone", "objects-1", []pkg{provider("deinstall ok config-files", "objects-1")}, unmet("", "", "", "", "objects-1")},
		{"provided in the version", wanted, []pkg{provider(installed, "objects-1 (= 2.0)")}, nil},
		{"provided in another version", wanted, []pkg{provider(installed, "objects-1 (= 1.0)")}, none},
		{"provided in no version", wanted, []pkg{provider(installed, "objects-1")}, none},
		{"one of that name's beginning", wanted, []pkg{provider(installed, "objects-10 (= 2.0)")}, none},
		{"the second alternative", "other-1 | objects-1 (= 2.0)", []pkg{there}, nil},
		{"the alternative that is there", "other-1 | objects-1 (= 2.0) | other-2", []pkg{in(installed, "1.0")}, unmet("=", "2.0", "1.0", "installed", "other-1 | objects-1 (= 2.0) | other-2")},
		{"the alternative that is there, beside one that was", "objects-1 (= 2.0) | other", []pkg{in(installed, "1.0"), provider("deinstall ok config-files", "y")}, unmet("=", "2.0", "1.0", "installed", "objects-1 (= 2.0) | other")},
		{"the first of two that are there", "objects-1 (= 2.0) | other (= 2.0)", []pkg{in(installed, "1.0"), provider(installed, "y")}, unmet("=", "2.0", "1.0", "installed", "objects-1 (= 2.0) | other (= 2.0)")},
		{"the first alternative", "objects-1 (= 2.0) | other-1", nil, unmet("=", "2.0", "", "", "objects-1 (= 2.0) | other-1")},
		{"nothing", "", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			modules := pkg{name: "modules", arch: "all", status: "install ok half-configured", version: "2.0"}
			if tt.depends != "" {
				modules.more = "Depends: " + tt.depends + "\n"
			}
			db := admin(t, append(tt.there, modules)...)
			got, err := db.Unmet(t.Context(), "modules")
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
	t.Run("several", func(t *testing.T) {
		db := admin(t, there, pkg{name: "modules", arch: "all", status: installed, version: "2.0", more: "Pre-Depends: z\nDepends: b, objects-1 (= 2.0), a (>= 1)\n"})
		got, err := db.Unmet(t.Context(), "modules")
		require.NoError(t, err)
		var names []string
		for _, u := range got {
			names = append(names, u.Text)
		}
		assert.Equal(t, []string{"z", "b", "a (>= 1)"}, names)
	})
	t.Run("of a package that is not there", func(t *testing.T) {
		got, err := admin(t).Unmet(t.Context(), "modules")
		require.NoError(t, err)
		assert.Empty(t, got)
	})
}

func TestErrorsOfDependsAreTold(t *testing.T) {
	cause := &tool.FailedError{Cmd: tool.Cmd{Path: "dpkg-query"}, Code: 2, Output: "dpkg-query: error: parsing file"}
	db := &dpkg.DB{Tool: fails{err: cause}}
	_, err := db.Instances(t.Context(), "acme")
	assert.EqualError(t, err, "cannot ask dpkg for the instances of acme: "+cause.Error())
	assert.True(t, errors.Is(err, cause))
	_, err = db.Unmet(t.Context(), "acme")
	assert.EqualError(t, err, "cannot ask dpkg what acme depends on: "+cause.Error())
	assert.True(t, errors.Is(err, cause))

	db.Tool = fails{res: tool.Result{Stdout: []byte("all\tinstalled\t1\ta (= 1\nno fields\n")}}
	_, err = db.Depends(t.Context(), "acme")
	assert.ErrorContains(t, err, "cannot read what acme depends on: ")
}
