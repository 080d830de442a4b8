package diverted

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The scripts run in each shell that may be /bin/sh.
func TestEachShell(t *testing.T) {
	for _, shell := range []string{"/bin/dash", "/bin/busybox sh", "/bin/bash --posix"} {
		t.Run(strings.Fields(filepath.Base(shell))[0], func(t *testing.T) {
			if _, err := os.Stat(strings.Fields(shell)[0]); err != nil {
				t.Skipf("SKIP: the scripts do not run in it: %v", err)
			}
			s := newScene(t, release{name: "host"}, "merged")
			in := func(d deb) deb { d.shell = shell; return d }
			s.install(tool["1"])
			before := s.snapshot()
			s.install(in(acme["0.5"]))
			s.install(in(acme["2"]))
			s.judge()
			s.failing("after acme 4 preinst upgrade", func() {
				code, _ := s.tryInstall(in(acme["4"]))
				require.NotZero(t, code)
			})
			s.judge()
			s.install(in(acme["4"]))
			s.judge()
			s.must("--purge", "acme")
			assert.Equal(t, before, s.snapshot())
			s.install(in(acme["3"]))
			s.put(data, "an intruder")
			s.must("--purge", "acme")
			assert.Equal(t, "an intruder", s.get(data+".koweld-saved-1"))
			s.failing("after acme 2 preinst install", func() {
				code, _ := s.tryInstall(in(acme["2"]))
				require.NotZero(t, code)
			})
			s.must("--purge", "acme")
			assert.Equal(t, tool["1"].text(data), s.get(data))
		})
	}
}

// A preinst and a postrm have no others (Policy 6.5).
func TestOnlyEssentialPackages(t *testing.T) {
	theLab(t)
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

// Where a file cannot have two names, as on another device, it is copied.
func TestAFileSystemWithoutLinks(t *testing.T) {
	merged(t, func(t *testing.T, s *scene) {
		at := filepath.Join(s.dir, "bin/ln")
		require.NoError(t, os.Remove(at))
		s.program(at, "#!/bin/sh\necho 'ln: Operation not permitted' >&2\nexit 1\n")
		s.put(data+"x", "the admin's")
		require.NoError(t, os.Symlink("data", s.host(data+"l")))
		s.install(tool["1"])
		before := s.snapshot()
		s.install(acme["2"])
		s.install(one("from: " + data + "x"))
		d := one("from: " + data + "l")
		d.name, d.files = "two", []string{"/usr/share/two"}
		s.install(d)
		assert.Equal(t, "the admin's", s.get(data+"x.distrib"))
		assert.Equal(t, "-> data", s.files()[data+"l.distrib"])
		s.must("--purge", "one", "two")
		s.must("--purge", "acme")
		assert.Equal(t, before, s.snapshot())
		s.failing("after acme 2 preinst install", func() {
			code, _ := s.tryInstall(acme["2"])
			require.NotZero(t, code)
		})
		assert.Equal(t, before, s.snapshot())
	})
}
