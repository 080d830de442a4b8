package dpkg_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/dpkg"
	"koweld/internal/tool"
)

func TestClosure(t *testing.T) {
	in := func(name, more string) pkg {
		return pkg{name: name, arch: "all", status: installed, version: "2", more: more}
	}
	const loose, exact = "loose", "exact"
	tests := []struct {
		name    string
		depends string // fields of the package
		there   []pkg
		want    map[string]string // of the others that are there; none is ""
	}{
		{"nothing", "", []pkg{in("a", "")}, map[string]string{"a": ""}},
		{"depends", "Depends: a, b (= 2), c (>= 1)\n", []pkg{in("a", ""), in("b", ""), in("c", "")}, map[string]string{"a": loose, "b": exact, "c": loose}},
		{"pre-depends", "Pre-Depends: a (= 2)\n", []pkg{in("a", "")}, map[string]string{"a": exact}},
		{"recommends", "Recommends: a (= 2)\n", []pkg{in("a", "")}, map[string]string{"a": ""}},
		{"through another", "Depends: a (= 2)\n", []pkg{in("a", "Depends: b (= 2), c\n"), in("b", ""), in("c", "")}, map[string]string{"b": exact, "c": loose}},
		{"exactly through a loose one", "Depends: a\n", []pkg{in("a", "Depends: b (= 2)\n"), in("b", "")}, map[string]string{"a": loose, "b": loose}},
		{"in two ways, the loose first", "Depends: a, b (= 2)\n", []pkg{in("a", "Depends: c\n"), in("b", "Depends: c (= 2)\n"), in("c", "Depends: d (= 2)\n"), in("d", "")}, map[string]string{"c": exact, "d": exact}},
		{"in a circle", "Depends: a (= 2)\n", []pkg{in("a", "Depends: modules (= 2)\n")}, map[string]string{"a": exact}},
		{"another version", "Depends: a (= 1)\n", []pkg{in("a", "")}, map[string]string{"a": ""}},
		{"a range", "Depends: a (>= 2), a (<< 3)\n", []pkg{in("a", "")}, map[string]string{"a": loose}},
		{"a range and the version", "Depends: a (>= 2), a (= 2)\n", []pkg{in("a", "")}, map[string]string{"a": exact}},
		{"alternatives", "Depends: a (= 2) | b (= 2) | c (= 2)\n", []pkg{in("b", ""), in("c", "")}, map[string]string{"b": exact, "c": exact}},
		{"a loose alternative", "Depends: a (= 2) | b\n", []pkg{in("a", "")}, map[string]string{"a": loose}},
		{"provided", "Depends: a\n", []pkg{in("b", "Provides: a\n"), in("c", "")}, map[string]string{"b": loose, "c": ""}},
		{"provided in the version", "Depends: a (= 7)\n", []pkg{in("b", "Provides: a (= 7)\n"), in("c", "Provides: a (= 6)\n")}, map[string]string{"b": exact, "c": ""}},
		{"essential", "", []pkg{in("a", "Essential: yes\nDepends: b (= 2)\n"), in("b", "")}, map[string]string{"a": loose, "b": loose}},
		{
			"what is gone", "Depends: a, b\n", []pkg{
				{name: "a", arch: "all", status: "deinstall ok config-files", version: "2", more: "Depends: c\n"},
				in("c", ""),
				{name: "b", arch: "all", status: "install reinstreq half-installed", version: "2"},
			}, map[string]string{"a": "", "b": "", "c": ""},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := admin(t, append(tt.there, pkg{name: "modules", arch: "all", status: "install ok unpacked", version: "2", more: tt.depends})...)
			c, err := db.Closure(t.Context(), "modules")
			require.NoError(t, err)
			require.True(t, c.Exact("modules"))
			for name, want := range tt.want {
				got := map[[2]bool]string{{true, true}: exact, {true, false}: loose}[[2]bool{c.Has(name), c.Exact(name)}]
				assert.Equal(t, want, got, name)
			}
		})
	}
}

func TestClosureOfAPackageThatIsNotThere(t *testing.T) {
	db := admin(t, pkg{name: "removed", arch: "all", status: "deinstall ok config-files", version: "4", more: "Depends: a\n"})
	for _, name := range []string{"removed", "none"} {
		c, err := db.Closure(t.Context(), name)
		require.NoError(t, err, name)
		assert.Nil(t, c, name)
	}
}

func TestErrorsOfClosureAreTold(t *testing.T) {
	cause := &tool.FailedError{Cmd: tool.Cmd{Path: "dpkg-query"}, Code: 2, Output: "dpkg-query: error: parsing file"}
	db := &dpkg.DB{Tool: fails{err: cause}}
	_, err := db.Closure(t.Context(), "acme")
	assert.EqualError(t, err, "cannot ask dpkg what acme depends on: "+cause.Error())
	assert.ErrorIs(t, err, cause)
	db.Tool = fails{res: tool.Result{Stdout: []byte("acme\tall\tinstalled\t1\tno\t\ta (= 1\n")}}
	_, err = db.Closure(t.Context(), "acme")
	assert.ErrorContains(t, err, "cannot read what acme depends on: ")
}
