package scenario

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mount mounts until the test ends, or skips it.
func (s *scene) mount(from, to, kind string, flags uintptr, data string) {
	s.t.Helper()
	if err := unix.Mount(from, to, kind, flags, data); err != nil {
		s.t.Skipf("a mount on the root is not tested, it needs CAP_SYS_ADMIN: %v", err)
	}
	s.t.Cleanup(func() { require.NoError(s.t, unix.Unmount(to, 0)) })
}

// TestOverlay has a root whose files are copied up as they are changed.
func TestOverlay(t *testing.T) {
	eachCase(t, func(s *scene) {
		lower, upper, work := filepath.Join(s.dir, "lower"), filepath.Join(s.dir, "upper"), filepath.Join(s.dir, "work")
		require.NoError(s.t, os.Rename(s.root, lower))
		for _, name := range []string{s.root, upper, work} {
			require.NoError(s.t, os.Mkdir(name, 0o755))
		}
		s.mount("overlay", s.root, "overlay", 0, "lowerdir="+lower+",upperdir="+upper+",workdir="+work)
		s.base = s.tree()
		s.lives()
	})
}

// TestSeparateVar has what koweld keeps on another file system than what it
// places.
func TestSeparateVar(t *testing.T) {
	eachCase(t, func(s *scene) {
		old, at := filepath.Join(s.dir, "var"), filepath.Join(s.root, "var")
		require.NoError(s.t, os.Rename(at, old))
		require.NoError(s.t, os.Mkdir(at, 0o755))
		s.mount("none", at, "tmpfs", 0, "mode=755")
		output(s.t, "cp", "-aT", old, at)
		s.base = s.tree()
		s.lives()
	})
}

// TestAbsoluteLinks has a root whose /lib is an absolute link, which leads whoever
// does not resolve it in the root to the host.
func TestAbsoluteLinks(t *testing.T) {
	eachCase(t, func(s *scene) {
		host := func() []string {
			var names []string
			for _, pattern := range []string{"/" + folder, "/" + folder + "/*", "/" + conf, "/" + stateDir + "/*"} {
				found, err := filepath.Glob(pattern)
				require.NoError(s.t, err)
				names = append(names, found...)
			}
			return names
		}
		before := host()
		link := func(to string) {
			at := filepath.Join(s.root, "lib")
			require.NoError(s.t, os.Remove(at))
			require.NoError(s.t, os.Symlink(to, at))
		}
		refusal := []string{"koweld: error: cannot", "follow the link /lib out of the root"}
		link("/usr/lib")
		s.fails(install("1.0"), refusal...)
		s.holds("none", "refused")
		link("usr/lib")
		s.must(configureAll...)
		s.holds("1.0", "with a relative link")

		for _, words := range [][]string{install("2.0"), named("--remove", "modules")} {
			link("/usr/lib")
			s.fails(words, refusal...)
			link("usr/lib") // else this test would look at the host
			s.holds("1.0", words[0]+" is refused")
		}
		s.must(configureAll...)
		s.verifies("with a relative link")

		// The shell, which is alone, does no better than to leave all and say so.
		s.koweldGoes("--purge", "koweld")
		elsewhere := filepath.Join(s.dir, "elsewhere")
		output(s.t, "cp", "-a", filepath.Join(s.root, "usr/lib"), elsewhere)
		link(elsewhere)
		said := s.must(named("--purge", "modules", "signatures", "objects")...)
		assert.Contains(s.t, said, "leads out of "+s.root)
		output(s.t, "diff", "-r", filepath.Join(s.root, "usr/lib/modules"), filepath.Join(elsewhere, "modules"))
		link("usr/lib")
		s.koweldComes()
		s.verifies("what the shell left")
		code, said := s.call("remove", packages["modules"])
		assert.Zero(s.t, code, said)
		s.asBefore("purged")
		assert.Equal(s.t, before, host(), "what is on the host")
	})
}
