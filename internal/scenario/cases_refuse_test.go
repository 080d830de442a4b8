package scenario

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestExcludedInputs has dpkg leave out the objects, as admins of small disks do.
func TestExcludedInputs(t *testing.T) {
	eachCase(t, func(s *scene) {
		s.fails(append([]string{"--path-exclude=/usr/lib/linux-objects/*"}, install("1.0")...),
			"koweld: error: cannot", "/"+objects, packages["objects"])
		s.holds("none", "without objects")
		s.must("--install", "+objects-1.0")
		s.must(configureAll...)
		s.holds("1.0", "with objects")
		s.must(named("--purge", "modules", "signatures", "objects")...)
		s.asBefore("purged")
	})
}

// TestReadOnly configures on a /usr, or modules, that is mounted read-only.
func TestReadOnly(t *testing.T) {
	eachCase(t, func(s *scene) {
		for _, name := range []string{"usr", "usr/lib/modules"} {
			s.sub(name, func(s *scene) {
				at := filepath.Join(s.root, name)
				s.mount(at, at, "", unix.MS_BIND, "")
				remount := func(flags uintptr) {
					require.NoError(s.t, unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""))
				}
				before := "none"
				for _, version := range []string{"1.0", "2.0"} {
					s.must(unpack(version)...)
					remount(unix.MS_RDONLY)
					s.fails(configureAll, "koweld: error: cannot", "read-only file system")
					s.holds(before, "read-only")
					remount(0)
					s.must(configureAll...)
					s.holds(version, "writable again")
					s.verifies("writable again")
					before = version
				}
				s.must(named("--purge", "modules", "signatures", "objects")...)
				s.asBefore("purged")
			})
		}
	})
}
