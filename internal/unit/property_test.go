package unit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"koweld/internal/fsys/faultfs"
	"koweld/internal/txn"
	"koweld/internal/unit"
)

// spots are where units place things, in folders that are there and that are
// not, and beneath one another.
var spots = []item{
	{path: "/etc/acme/a.conf"},
	{path: "/etc/acme/deep/er/b.conf"},
	{path: "/usr/lib/modprobe.d/acme.conf"},
	{path: "/var/acme"},
	{path: "updates/one.ko", module: true},
	{path: "kernel/drivers/acme/two.ko", module: true},
	{path: "kernel/drivers/three.ko", module: true},
}

// texts are few, so that a file may be what it replaces.
var texts = rapid.SampledFrom([]string{"", "a", "b", "a longer text"})

// draw draws what a manifest declares: at least one thing.
func draw(t *rapid.T, label string) []item {
	items := rapid.Custom(func(t *rapid.T) []item {
		var items []item
		for _, i := range spots {
			if !rapid.Bool().Draw(t, "has "+i.path) {
				continue
			}
			i.text = texts.Draw(t, "text")
			i.mode = rapid.SampledFrom([]uint32{0o644, 0o600, 0o755}).Draw(t, "mode")
			i.compress = rapid.SampledFrom([]string{"none", "none", "gzip", "zstd"}).Draw(t, "compress")
			items = append(items, i)
		}
		return items
	})
	return items.Filter(func(items []item) bool { return len(items) > 0 }).Draw(t, label)
}

// populate puts files of nobody where units will place theirs.
func (s *scene) populate(t *rapid.T) {
	for _, i := range spots {
		i.compress = rapid.SampledFrom([]string{"none", "gzip"}).Draw(t, "suffix")
		host := s.host(i.target())
		switch rapid.SampledFrom([]string{"nothing", "folder", "file"}).Draw(t, "at "+i.target()) {
		case "folder":
			require.NoError(t, os.MkdirAll(filepath.Dir(host), 0o750))
		case "file":
			text := texts.Draw(t, "text")
			if i.module && rapid.Bool().Draw(t, "a module") {
				i.text = text
				text = i.image()
			}
			s.write(i.target(), text)
			mode := rapid.SampledFrom([]uint32{0o644, 0o600, 0o444, 0o755, 0o000}).Draw(t, "mode")
			if os.Geteuid() == 0 {
				require.NoError(t, os.Chown(host, rapid.IntRange(0, 3).Draw(t, "uid"), rapid.IntRange(0, 3).Draw(t, "gid")))
			} else {
				mode |= 0o400 // or it could not be saved
			}
			if note := rapid.SampledFrom([]string{"", "x", "by hand"}).Draw(t, "note"); note != "" {
				if err := unix.Setxattr(host, attribute, []byte(note), 0); err != nil {
					require.ErrorIs(t, err, unix.ENOTSUP)
				}
			}
			require.NoError(t, os.Chmod(host, os.FileMode(mode)))
			stamp := time.Unix(rapid.Int64Range(0, 2e9).Draw(t, "mtime"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
			require.NoError(t, os.Chtimes(host, stamp, stamp))
		}
	}
	require.NoError(t, index(s.dir))
}

// tempDir is a folder in memory if there is one that keeps what is tested here.
func tempDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "koweld-unit-")
	if err != nil || unix.Setxattr(dir, attribute, []byte("x"), 0) != nil {
		_ = os.Remove(dir)
		return t.TempDir()
	}
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// check runs a property on scenes of its own.
func check(t *testing.T, property func(*rapid.T, *scene)) {
	dir := tempDir(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		root := filepath.Join(dir, fmt.Sprint(n))
		s := newScene(t, root, rapid.Bool().Draw(t, "merged"))
		defer os.RemoveAll(root)
		defer s.close()
		s.populate(t)
		property(t, s)
	})
}

func (s *scene) install(sys *unit.System, manifest string) error {
	_, err := sys.Install(s.ctx(), []string{manifest}, unit.Options{})
	return err
}

func (s *scene) remove(sys *unit.System, pkg string) error {
	_, err := sys.Remove(s.ctx(), []string{pkg}, unit.Options{})
	return err
}

// verified fails unless verify finds nothing.
func (s *scene) verified() {
	all, err := s.sound().Verify(context.Background(), nil)
	require.NoError(s.t, err)
	for _, v := range all {
		require.Empty(s.t, v.Differences)
	}
}

func TestInstallThenRemoveIsIdentity(t *testing.T) {
	check(t, func(t *rapid.T, s *scene) {
		before := s.tree()
		path := s.declare("acme", "1", draw(t, "unit"))
		require.NoError(t, s.install(s.sound(), path))
		s.verified()
		require.NoError(t, s.remove(s.sound(), "acme"))
		assert.Equal(t, before, s.tree())
	})
}

func TestUpgradeThenRemoveIsIdentity(t *testing.T) {
	check(t, func(t *rapid.T, s *scene) {
		before := s.tree()
		for n := range rapid.IntRange(2, 3).Draw(t, "versions") {
			items := draw(t, "unit")
			require.NoError(t, s.install(s.sound(), s.declare("acme", fmt.Sprint(n), items)))
			s.verified()
			for _, i := range items {
				assert.FileExists(t, s.host(i.target()))
			}
		}
		require.NoError(t, s.remove(s.sound(), "acme"))
		assert.Equal(t, before, s.tree())
	})
}

func TestDriftThenRepairThenRemoveIsIdentity(t *testing.T) {
	check(t, func(t *rapid.T, s *scene) {
		before := s.tree()
		items := draw(t, "unit")
		path := s.declare("acme", "1", items)
		require.NoError(t, s.install(s.sound(), path))
		for _, i := range items {
			host := s.host(i.target())
			switch rapid.SampledFrom([]string{"nothing", "mode", "gone", "time"}).Draw(t, "drift") {
			case "mode":
				require.NoError(t, os.Chmod(host, 0o640))
			case "gone":
				require.NoError(t, os.Remove(host))
			case "time":
				require.NoError(t, os.Chtimes(host, time.Time{}, time.Unix(1, 0)))
			}
		}
		_, err := s.sound().Repair(s.ctx(), nil, unit.Options{})
		require.NoError(t, err)
		s.verified()
		require.NoError(t, s.remove(s.sound(), "acme"))
		assert.Equal(t, before, s.tree())
	})
}

// changes returns the calls that changed something, but for the lock.
func changes(x *faultfs.FS) []string {
	var all []string
	for _, c := range x.Calls() {
		if c.Op.Changes() && c.Err == nil && c.Path != "/var/lib/koweld/lock" {
			all = append(all, c.String())
		}
	}
	return all
}

func TestTwiceIsOnce(t *testing.T) {
	check(t, func(t *rapid.T, s *scene) {
		path := s.declare("acme", "1", draw(t, "unit"))
		require.NoError(t, s.install(s.sound(), path))
		for name, run := range map[string]func(sys *unit.System) error{
			"install": func(sys *unit.System) error { return s.install(sys, path) },
			"repair": func(sys *unit.System) error {
				_, err := sys.Repair(s.ctx(), nil, unit.Options{})
				return err
			},
			"dry run": func(sys *unit.System) error {
				_, err := sys.Remove(s.ctx(), []string{"acme"}, unit.Options{DryRun: true})
				return err
			},
		} {
			sys, x := s.system(faultfs.Fault{})
			require.NoError(t, run(sys), name)
			assert.Empty(t, changes(x), name)
		}
		require.NoError(t, s.remove(s.sound(), "acme"))
		sys, x := s.system(faultfs.Fault{})
		require.NoError(t, s.remove(sys, "acme"))
		for _, c := range changes(x) {
			assert.Contains(t, c, " /var/lib/koweld", "only the folder of the lock comes and goes")
		}
	})
}

// A breakage is a scene, a run on it, and the call at which it meets a fault.
type breakage struct {
	old []string // the tree before the run
	run func(*unit.System) error
	at  int
}

// drawBreakage draws an install, an upgrade or a removal. Few runs have more
// than 400 calls; one that ends before its fault is a run without.
func (s *scene) drawBreakage(t *rapid.T) breakage {
	one := s.declare("acme", "1", draw(t, "first"))
	two := s.declare("acme", "2", draw(t, "second"))
	b := breakage{run: func(sys *unit.System) error { return s.install(sys, two) }}
	if rapid.Bool().Draw(t, "upgrade") {
		require.NoError(t, s.install(s.sound(), one))
		if rapid.Bool().Draw(t, "removal") {
			b.run = func(sys *unit.System) error { return s.remove(sys, "acme") }
		}
	}
	b.old = s.tree()
	b.at = rapid.IntRange(1, 400).Draw(t, "call")
	return b
}

// repaired repairs and checks that the scene is the whole old set or the whole
// new one.
func (s *scene) repaired(b breakage) {
	_, err := s.sound().Repair(s.ctx(), nil, unit.Options{})
	require.NoError(s.t, err)
	s.verified()
	if is := s.tree(); !slices.Equal(b.old, is) {
		// Then it is the new set: the same run has nothing to do.
		require.NoError(s.t, b.run(s.sound()))
		assert.Equal(s.t, is, s.tree())
	}
}

func TestKilledAnywhereIsWholeAfterRepair(t *testing.T) {
	check(t, func(t *rapid.T, s *scene) {
		b := s.drawBreakage(t)
		sys, _ := s.system(faultfs.Kill(b.at))
		if err := b.run(sys); err != nil {
			require.ErrorIs(t, err, faultfs.ErrKilled)
		}
		s.repaired(b)
	})
}

// withoutState leaves koweld's own folders out of a listing, and not what lies in
// them: a device that fails may keep an empty one.
func withoutState(tree []string) []string {
	return slices.DeleteFunc(slices.Clone(tree), func(line string) bool {
		return strings.HasPrefix(line, unit.StateDir) && strings.Contains(line, " 40755 ")
	})
}

func TestFailingAnywhereIsTakenBack(t *testing.T) {
	check(t, func(t *rapid.T, s *scene) {
		b := s.drawBreakage(t)
		fault := rapid.SampledFrom([]func(int, unix.Errno) faultfs.Fault{faultfs.Error, faultfs.Dead}).Draw(t, "fault")
		errno := rapid.SampledFrom([]unix.Errno{unix.EIO, unix.ENOSPC, unix.EROFS}).Draw(t, "errno")
		sys, _ := s.system(fault(b.at, errno))
		err := b.run(sys)
		var open *txn.OpenError
		switch {
		case err == nil:
			s.verified()
		case !errors.As(err, &open):
			require.Equal(t, withoutState(b.old), withoutState(s.tree()), "%v", err)
		}
		s.repaired(b)
	})
}
