package unit_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys/faultfs"
	"koweld/internal/fsys/realfs"
	"koweld/internal/unit"
)

// TestKilledRemovingFromAFullDisk ends a removal, for which there is no room
// for a journal, at each of its calls. While anything of the package is left its
// record is there, and the next removal, on a disk as full, ends as one that
// was not disturbed.
func TestKilledRemovingFromAFullDisk(t *testing.T) {
	record := unit.StateDir + "/packages/acme.json"
	for at, killed := 1, true; killed; at++ {
		s, v := newDiskScene(t, realfs.Tmpfs, disks[2])
		before := s.diskTree()
		installOne(s)
		installed := s.diskTree()
		v.Leave(0)

		x := faultfs.New(s.fs, faultfs.Kill(at))
		sys := s.sound()
		sys.FS = x
		sys.Tool = &tools{dir: s.dir, step: x.Step}
		err := s.remove(sys, "acme")
		killed = err != nil
		if killed {
			require.ErrorIs(t, err, faultfs.ErrKilled)
		}
		left := s.diskTree()
		for _, i := range one {
			if _, err := os.Lstat(s.host(i.target())); err == nil {
				assert.FileExists(t, s.host(record), "killed at call %d", at)
			}
		}
		for _, line := range left {
			if strings.Contains(line, ".ko") {
				assert.Contains(t, installed, line, "killed at call %d", at)
			}
		}
		require.NoError(t, s.remove(s.sound(), "acme"), "killed at call %d", at)
		require.Equal(t, before, s.diskTree(), "killed at call %d", at)
		v.Unmount()
		s.close()
	}
}

// TestAFullDiskKeepsWhatSomebodyChanged removes a package of which a file was
// changed: to keep the change takes room, so nothing is done.
func TestAFullDiskKeepsWhatSomebodyChanged(t *testing.T) {
	s, v := newDiskScene(t, realfs.Tmpfs, disks[2])
	installOne(s)
	s.write("/var/lib/acme/a.conf", "mine")
	old := s.diskTree()
	v.Leave(0)
	require.Error(t, s.remove(s.sound(), "acme"))
	assert.Equal(t, old, s.diskTree())
	v.Empty()
	require.NoError(t, s.remove(s.sound(), "acme"))
	assert.True(t, slices.ContainsFunc(s.diskTree(), func(line string) bool {
		return strings.HasPrefix(line, unit.StateDir+"/saved/acme/var/lib/acme/a.conf.changed ")
	}))
}
