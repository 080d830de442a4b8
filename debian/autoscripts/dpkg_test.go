package autoscripts_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// installed writes dpkg's database: a package is "name arch status file...".
func (r *root) installed(packages ...[]string) {
	r.t.Helper()
	status := ""
	for _, p := range packages {
		status += fmt.Sprintf("Package: %s\nStatus: deinstall ok %s\nArchitecture: %s\nVersion: 1\nMaintainer: n <n@example.org>\nDescription: x\n", p[0], p[2], p[1])
		switch p[2] {
		case "triggers-pending":
			status += "Triggers-Pending: x\n"
		case "triggers-awaited":
			status += "Triggers-Awaited: other\n"
		}
		list := p[0]
		if p[1] != "all" {
			status += "Multi-Arch: same\n"
			list += ":" + p[1]
		}
		status += "\n"
		r.put("/var/lib/dpkg/info/"+list+".list", strings.Join(append([]string{"/."}, p[3:]...), "\n")+"\n")
	}
	r.put("/var/lib/dpkg/status", status)
	r.put("/var/lib/dpkg/info/format", "1\n")
	r.put("/var/lib/dpkg/arch", "amd64\ni386\n")
	require.NoError(r.t, os.MkdirAll(r.at("/var/lib/dpkg/updates"), 0o755))
}

// A folder that koweld made and that a package has by now stays, by whichever
// name the package has it.
func TestPostrmKeepsFoldersOfPackages(t *testing.T) {
	tests := []struct {
		name       string
		before     []string
		made, owns string // owns: by another package
		stays      bool
	}{
		{"the same name", merged, "/opt/acme", "/opt/acme", true},
		{"another folder", merged, "/opt/acme", "/opt/acmes", false},
		{"what lies within it", merged, "/opt/acme", "/opt/acme/x", false},
		{"/lib for /usr/lib", merged, "/usr/lib/acme", "/lib/acme", true},
		{"/usr/lib for /lib", merged, "/lib/acme", "/usr/lib/acme", true},
		{"/lib and /usr/lib are two", []string{"lib/", "usr/lib/"}, "/usr/lib/acme", "/lib/acme", false},
		{"/usr/lib and /lib are two", []string{"lib/", "usr/lib/"}, "/lib/acme", "/usr/lib/acme", false},
		{"a pattern", merged, `/opt/[ab]?*\`, `/opt/[ab]?*\`, true},
		{"not a pattern", merged, "/opt/[ab]?*", "/opt/axx", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachShell(t, func(t *testing.T, shell []string) {
				r, want := newRoot(t, tt.before...), newRoot(t, tt.before...)
				for _, r := range []*root{r, want} {
					require.NoError(t, os.MkdirAll(r.at("/opt"), 0o755))
					r.installed([]string{"other", "all", "installed", "/opt", tt.owns})
				}
				r.place(tt.made+"/deep/x", "x")
				r.recorded()
				if tt.stays {
					require.NoError(t, os.Mkdir(want.at(tt.made), 0o755))
				}
				assert.Equal(t, result{}, newMachine(t, shell).run(r, script(t, "postrm", pkg), "remove"))
				sameTree(t, snapshot(t, want.dir), snapshot(t, r.dir))
			})
		})
	}
}

// Multi-Arch: same: the last one takes the files with it.
func TestPostrmOfOneArchitecture(t *testing.T) {
	for status, there := range map[string]bool{
		"installed": true, "triggers-pending": true, "triggers-awaited": true, "half-configured": true, "unpacked": true,
		"half-installed": true, "config-files": false, "not-installed": false,
	} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			eachShell(t, func(t *testing.T, shell []string) {
				r := newRoot(t, merged...)
				r.installed(
					[]string{pkg, "amd64", "half-installed"}, []string{pkg, "i386", status},
					[]string{pkg + "-dbg", "i386", "installed"}, []string{"other", "i386", "installed"},
				)
				without := snapshot(t, r.dir)
				r.place(acme, "acme")
				r.recorded()
				with := snapshot(t, r.dir)
				assert.Equal(t, result{}, newMachine(t, shell).run(r, script(t, "postrm", pkg), "remove"))
				if there {
					sameTree(t, with, snapshot(t, r.dir))
				} else {
					sameTree(t, without, snapshot(t, r.dir))
				}
			})
		})
	}
}

// dpkg itself calls the scripts: a package for each architecture and one for
// all, installed with koweld and removed without.
func TestDpkgCallsTheScripts(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Skip("SKIP: dpkg does not call the scripts, it is not installed")
	}
	r := newRoot(t, merged...)
	r.installed()
	own := func() map[string]string {
		tree := snapshot(t, r.dir)
		for name := range tree {
			if strings.HasPrefix(name, "/var/lib/dpkg/") {
				delete(tree, name)
			}
		}
		return tree
	}
	before := own()
	m := newMachine(t, []string{"/bin/sh"})
	call := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), dpkg, append([]string{
			"--root=" + r.dir, "--force-script-chrootless", "--force-not-root", "--force-bad-path", "--log=/dev/null",
		}, args...)...)
		cmd.Env = []string{"PATH=" + m.bin, "LC_ALL=C"}
		if args[0] == "-i" {
			cmd.Env[0] += ":" + os.Getenv("PATH")
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "dpkg %q: %s", args, out)
		return string(out)
	}
	const all, same = "acme-all", "acme-same"
	m.fake("koweld", "")
	call("-i", deb(t, all, "all"), deb(t, same, "amd64"), deb(t, same, "i386"))
	assert.Equal(t, "koweld maintscript postinst acme-all configure \n"+
		strings.Repeat("koweld maintscript postinst acme-same configure \n", 2), m.logged())
	m.without("koweld")

	packages := own()
	for _, name := range []string{all, same} {
		r.put("/opt/"+name, "placed")
		r.put(state+"/packages/"+name+".json", "{}")
		r.put(state+"/packages/"+name+".sha256", digest("placed")+"  /opt/"+name+"\x00")
	}
	both := own()
	removing := "the postrm of " + all + " takes its modules back"
	assert.Contains(t, call("-r", all), removing)
	assert.NoFileExists(t, r.at("/opt/"+all))
	assert.FileExists(t, r.at("/opt/"+same))
	call("-P", same+":i386")
	assert.FileExists(t, r.at("/opt/"+same))
	call("-P", same+":amd64")
	require.NoError(t, os.Remove(r.at("/opt")))
	sameTree(t, before, own())
	call("-P", all)
	sameTree(t, before, own())
	assert.Empty(t, call("--audit"))
	assert.NotEqual(t, packages, both)
}

// deb builds a package of nothing but the scripts.
func deb(t *testing.T, name, arch string) string {
	t.Helper()
	dir := t.TempDir()
	control := filepath.Join(dir, "DEBIAN")
	require.NoError(t, os.Mkdir(control, 0o755))
	multi := ""
	if arch != "all" {
		multi = "Multi-Arch: same\n"
	}
	text := fmt.Sprintf("Package: %s\nVersion: 1\nArchitecture: %s\n%sMaintainer: n <n@example.org>\nDescription: x\n", name, arch, multi)
	require.NoError(t, os.WriteFile(filepath.Join(control, "control"), []byte(text), 0o644))
	for _, s := range []string{"postinst", "prerm", "postrm"} {
		require.NoError(t, os.Rename(script(t, s, name), filepath.Join(control, s)))
	}
	require.NoError(t, os.Chmod(dir, 0o755))
	out, err := exec.CommandContext(t.Context(), "dpkg-deb", "--root-owner-group", "-b", dir, dir+".deb").CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Cleanup(func() { _ = os.Remove(dir + ".deb") })
	return dir + ".deb"
}

// lintian knows what a maintainer script must not do.
func TestLintian(t *testing.T) {
	lintian, err := exec.LookPath("lintian")
	if err != nil {
		t.Skip("SKIP: the snippets are not checked as maintainer scripts, lintian is not installed")
	}
	out, err := exec.CommandContext(t.Context(), lintian, "--allow-root", "--no-user-dirs", "--fail-on", "none",
		"--info", "--display-info", "--pedantic", "--no-tag-display-limit", deb(t, "acme-all", "all")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "no-copyright-file", "lintian did not look at the package")
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "N:") {
			continue
		}
		for _, s := range []string{"[postinst", "[prerm", "[postrm", "-maintainer-script", "maintscript"} {
			assert.NotContains(t, line, s)
		}
	}
}

// The postrm may run when nothing but Essential packages is there.
func TestOnlyEssentialPackages(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("SKIP: it is not known what is Essential, dpkg-query is not installed")
	}
	var names []string
	for _, name := range essential {
		names = append(names, "/bin/"+name, "/usr/bin/"+name)
	}
	// One of the two names is nobody's, which is an error for dpkg-query.
	out, _ := exec.CommandContext(t.Context(), "dpkg-query", append([]string{"-S"}, names...)...).Output()
	owner := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		pkg, at, _ := strings.Cut(strings.TrimSpace(line), ": ")
		owner[filepath.Base(at)] = pkg
	}
	for _, name := range essential {
		require.NotEmpty(t, owner[name], name)
		out, err := exec.CommandContext(t.Context(), "dpkg-query", "-W", "-f", "${Essential}", owner[name]).Output()
		require.NoError(t, err, name)
		assert.Equal(t, "yes", string(out), "%s is of %s", name, owner[name])
	}
}
