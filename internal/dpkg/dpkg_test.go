package dpkg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/internal/dpkg"
	"koweld/internal/tool"
)

func TestParseSearch(t *testing.T) {
	tests := []struct {
		name, out string
		want      map[string][]string
	}{
		{"nothing", "", map[string][]string{}},
		{"one", "kmod: /sbin/depmod\n", map[string][]string{"/sbin/depmod": {"kmod"}}},
		{"without a newline", "kmod: /sbin/depmod", map[string][]string{"/sbin/depmod": {"kmod"}}},
		{"two owners", "base-files, dpkg: /etc/dpkg\n", map[string][]string{"/etc/dpkg": {"base-files", "dpkg"}}},
		{"architectures", "libc6:amd64, libc6:i386: /usr/share/doc/libc6\n", map[string][]string{"/usr/share/doc/libc6": {"libc6"}}},
		{"odd paths", "a: /with space\nb: /with: /colon\nc: /comma, d: /x\n", map[string][]string{
			"/with space": {"a"}, "/with: /colon": {"b"}, "/comma, d: /x": {"c"},
		}},
		{"a diversion", "diversion by dash from: /bin/sh\ndiversion by dash to: /bin/sh.distrib\ndash: /bin/sh\n", map[string][]string{"/bin/sh": {"dash"}}},
		{"a local diversion", "local diversion from: /bin/sh\nlocal diversion to: /bin/sh.distrib\n", map[string][]string{}},
		{"a package with such a name", "diversion: /x\nlocal: /y\n", map[string][]string{"/x": {"diversion"}, "/y": {"local"}}},
		{"something else", "no path here\n\n: \n", map[string][]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string][]string{}
			dpkg.ParseSearch(tt.out, got)
			assert.Equal(t, tt.want, got)
		})
	}
}

func FuzzParseSearch(f *testing.F) {
	f.Add("libc6:amd64, libc6:i386: /lib/x\ndiversion by a from: /b\n")
	f.Add("a, : /\n: /\n,: /x")
	f.Fuzz(func(t *testing.T, out string) {
		owners := map[string][]string{}
		dpkg.ParseSearch(out, owners)
		for file, pkgs := range owners {
			require.True(t, strings.HasPrefix(file, "/"))
			require.Contains(t, out, file)
			require.NotEmpty(t, pkgs)
			for _, pkg := range pkgs {
				require.NotContains(t, pkg, ":")
			}
		}
	})
}

// admin makes a database of the packages, each "status version" with files.
type pkg struct {
	name, arch, status, version string
	files                       []string
	more                        string // further fields
}

func admin(t *testing.T, pkgs ...pkg) *dpkg.DB {
	t.Helper()
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("SKIP: the database is not read, dpkg-query is not installed")
	}
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "info"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "updates"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "info/format"), []byte("1\n"), 0o644))
	var status strings.Builder
	for _, p := range pkgs {
		fmt.Fprintf(&status, "Package: %s\nStatus: %s\nArchitecture: %s\nMaintainer: nobody <n@example.org>\nDescription: x\nVersion: %s\n", p.name, p.status, p.arch, p.version)
		list := p.name
		if p.arch != "all" {
			status.WriteString("Multi-Arch: same\n")
			list += ":" + p.arch
		}
		status.WriteString(p.more + "\n")
		files := strings.Join(append([]string{"/."}, p.files...), "\n") + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "info", list+".list"), []byte(files), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "status"), []byte(status.String()), 0o644))
	// diversions: from, to, package (":" is local), a line each.
	diversions := "/lib/d/diverted.ko\n/lib/d/diverted.ko.distrib\ndiverter\n/lib/d/local.ko\n/lib/d/local.ko.old\n:\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "diversions"), []byte(diversions), 0o644))
	return &dpkg.DB{Tool: tool.Exec{Environ: tool.Environ(os.Environ())}, AdminDir: dir}
}

const installed = "install ok installed"

func TestOwners(t *testing.T) {
	odd := []string{"/lib/m/a*.ko", "/lib/m/a?.ko", "/lib/m/[ab].ko", `/lib/m/back\slash.ko`, "/lib/m/with space.ko", "/lib/m/ü.ko"}
	db := admin(
		t,
		pkg{name: "one", arch: "amd64", status: installed, version: "1", files: []string{"/lib", "/lib/m", "/lib/m/same.ko", "/lib/m/one.ko", "/lib/d/diverted.ko"}},
		pkg{name: "one", arch: "i386", status: installed, version: "1", files: []string{"/lib", "/lib/m", "/lib/m/same.ko"}},
		pkg{name: "two", arch: "all", status: installed, version: "2", files: []string{"/lib", "/lib/m", "/lib/m/ab.ko", "/lib/m/b.ko"}},
		pkg{name: "odd", arch: "all", status: installed, version: "3", files: append([]string{"/lib", "/lib/m"}, odd...)},
		pkg{name: "diverter", arch: "all", status: installed, version: "3", files: []string{"/lib", "/lib/d"}},
	)
	want := map[string][]string{
		"/lib/m": {"one", "two", "odd"}, "/lib/m/same.ko": {"one"}, "/lib/m/ab.ko": {"two"}, "/lib/d/diverted.ko": {"one"},
	}
	for _, name := range odd {
		want[name] = []string{"odd"}
	}
	paths := []string{"/lib/m/none.ko", "/lib/m/*.ko", "/lib/m/none[.ko", "/lib/d/local.ko", "/lib/m/ab.ko"}
	for name := range want {
		paths = append(paths, name)
	}
	got, err := db.Owners(t.Context(), paths)
	require.NoError(t, err)
	for name := range want {
		assert.ElementsMatch(t, want[name], got[name], name)
	}
	assert.Len(t, got, len(want))

	got, err = db.Owners(t.Context(), []string{"/none"})
	require.NoError(t, err)
	assert.Empty(t, got)
	got, err = db.Owners(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, got)

	many := []string{"/lib/m/one.ko"}
	for i := range 2500 {
		many = append(many, fmt.Sprintf("/lib/none/%d", i))
	}
	got, err = db.Owners(t.Context(), append(many, "/lib/m/ab.ko"))
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{"/lib/m/one.ko": {"one"}, "/lib/m/ab.ko": {"two"}}, got)
}

func TestVersion(t *testing.T) {
	db := admin(
		t,
		pkg{name: "done", arch: "all", status: installed, version: "1:2.3-4~bpo12+1"},
		pkg{name: "unpacked", arch: "all", status: "install ok unpacked", version: "2"},
		pkg{name: "half", arch: "all", status: "install ok half-configured", version: "3"},
		pkg{name: "removed", arch: "all", status: "deinstall ok config-files", version: "4", files: []string{"/etc/x"}},
		pkg{name: "both", arch: "amd64", status: installed, version: "5"},
		pkg{name: "both", arch: "i386", status: installed, version: "5"},
	)
	for name, want := range map[string]string{
		"done": "1:2.3-4~bpo12+1", "unpacked": "2", "half": "3", "both": "5", "removed": "", "none": "",
	} {
		v, ok, err := db.Version(t.Context(), name)
		require.NoError(t, err, name)
		assert.Equal(t, want != "", ok, name)
		if ok {
			assert.Equal(t, want, v.String(), name)
		}
	}
}

// fails is a dpkg-query that fails.
type fails struct {
	tool.Runner
	res tool.Result
	err error
}

func (f fails) Run(context.Context, tool.Cmd) (tool.Result, error) { return f.res, f.err }

func TestErrorsOfDpkgQueryAreTold(t *testing.T) {
	for _, cause := range []error{
		&tool.FailedError{Cmd: tool.Cmd{Path: "dpkg-query"}, Code: 2, Output: "dpkg-query: error: parsing file"},
		&tool.FailedError{Cmd: tool.Cmd{Path: "dpkg-query"}, Code: -1, Signal: "killed"},
		&tool.MissingError{Name: "dpkg-query"},
	} {
		db := &dpkg.DB{Tool: fails{err: cause}}
		_, err := db.Owners(t.Context(), []string{"/x"})
		assert.EqualError(t, err, "cannot ask dpkg who owns a file: "+cause.Error())
		assert.True(t, errors.Is(err, cause))
		_, _, err = db.Version(t.Context(), "acme")
		assert.EqualError(t, err, "cannot ask dpkg for the version of acme: "+cause.Error())
		assert.True(t, errors.Is(err, cause))
	}
	_, _, err := (&dpkg.DB{Tool: fails{res: tool.Result{Stdout: []byte("installed a b\n")}}}).Version(t.Context(), "acme")
	assert.ErrorContains(t, err, `cannot read version "a b" of acme: `)
}

func TestTwin(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"short", "/lib/modules/6.1/a.ko", "/usr/lib/modules/6.1/a.ko"},
		{"long", "/usr/lib/modules/6.1/a.ko", "/lib/modules/6.1/a.ko"},
		{"programs", "/bin/sh", "/usr/bin/sh"},
		{"another library folder", "/usr/lib64/ld.so", "/lib64/ld.so"},
		{"the folder itself", "/lib", ""},
		{"the folder itself in /usr", "/usr/lib", ""},
		{"one that begins so", "/library/x", ""},
		{"one that begins so in /usr", "/usr/libexec/x", ""},
		{"elsewhere", "/etc/modprobe.d/a.conf", ""},
		{"elsewhere in /usr", "/usr/share/a", ""},
		{"/usr twice", "/usr/usr/lib/a", ""},
		{"root", "/", ""},
		{"/usr", "/usr", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, dpkg.Twin(tt.in)) })
	}
}

func TestTwinOfTwinIsIdentity(t *testing.T) {
	part := rapid.SampledFrom([]string{"usr", "lib", "lib64", "bin", "sbin", "modules", "a.ko", "etc"})
	rapid.Check(t, func(t *rapid.T) {
		name := "/" + strings.Join(rapid.SliceOfN(part, 0, 5).Draw(t, "path"), "/")
		twin := dpkg.Twin(name)
		if twin == "" {
			return
		}
		require.NotEqual(t, name, twin)
		require.Equal(t, name, dpkg.Twin(twin))
	})
}
