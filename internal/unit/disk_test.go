package unit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/internal/fsys/faultfs"
	"koweld/internal/fsys/realfs"
	"koweld/internal/txn"
	"koweld/internal/unit"
)

// These tests run on real file systems that are full, or that break. The judge
// is the tree: a run that fails leaves every byte as it was, or an open journal
// that repair ends.

// one and two are two versions of a package: what is in both changes, one
// thing goes and one comes. The modules are of several blocks.
var (
	one = []item{
		{path: "updates/one.ko", module: true, text: strings.Repeat("1", 20000), compress: "none"},
		{path: "kernel/drivers/acme/two.ko", module: true, text: "old", compress: "gzip"},
		{path: "updates/gone.ko", module: true, text: "gone", compress: "none"},
		{path: "/var/lib/acme/a.conf", text: strings.Repeat("a", 5000), mode: 0o644},
	}
	two = []item{
		{path: "updates/one.ko", module: true, text: strings.Repeat("2", 30000), compress: "none"},
		{path: "kernel/drivers/acme/two.ko", module: true, text: "new", compress: "gzip"},
		{path: "kernel/drivers/three.ko", module: true, text: "three", compress: "none"},
		{path: "/var/lib/acme/a.conf", text: strings.Repeat("b", 9000), mode: 0o600},
	}
)

// The manifests, which are there before a disk is full.
const (
	manifestOne = "/in/acme/1.yaml"
	manifestTwo = "/in/acme/2.yaml"
)

// A diskRun is a run on a scene that prepare has made.
type diskRun struct {
	name    string
	prepare func(s *scene)
	run     func(s *scene, sys *unit.System) error
	// always: it succeeds however little room there is.
	always bool
}

func nothing(*scene) {}

// originals puts files of nobody where one's will be.
func originals(s *scene) {
	s.write("/lib/modules/"+kernel+"/updates/one.ko", strings.Repeat("o", 6000))
	s.write("/var/lib/acme/a.conf", "by hand")
	require.NoError(s.t, index(s.dir))
}

func installOne(s *scene) { require.NoError(s.t, s.install(s.sound(), manifestOne)) }

var diskRuns = []diskRun{
	{
		name: "install", prepare: nothing,
		run: func(s *scene, sys *unit.System) error { return s.install(sys, manifestOne) },
	},
	{
		name: "install over originals", prepare: originals,
		run: func(s *scene, sys *unit.System) error { return s.install(sys, manifestOne) },
	},
	{
		name: "upgrade", prepare: installOne,
		run: func(s *scene, sys *unit.System) error { return s.install(sys, manifestTwo) },
	},
	{
		name: "repair",
		prepare: func(s *scene) {
			installOne(s)
			require.NoError(s.t, os.Remove(s.host(one[2].target())))
			s.write(one[0].target(), strings.Repeat("changed", 1000))
		},
		run: func(s *scene, sys *unit.System) error {
			_, err := sys.Repair(s.ctx(), nil, unit.Options{})
			return err
		},
	},
	{
		name: "remove", prepare: installOne, always: true,
		run: func(s *scene, sys *unit.System) error { return s.remove(sys, "acme") },
	},
	{
		name: "remove with originals",
		prepare: func(s *scene) {
			originals(s)
			installOne(s)
		},
		run: func(s *scene, sys *unit.System) error { return s.remove(sys, "acme") },
	},
}

// A disk is a volume on a folder of a scene.
type disk struct {
	name   string
	folder string
	blocks int
}

// The whole root is the commonest case: one disk, and it is full.
var disks = []disk{
	{"modules", "/lib/modules", 128},
	{"state", unit.StateDir, 128},
	{"root", "/", 256},
}

// newDiskScene makes a scene with a volume in it.
func newDiskScene(t testing.TB, kind realfs.Kind, d disk) (*scene, *realfs.Volume) {
	dir := filepath.Join(t.TempDir(), "root")
	require.NoError(t, os.Mkdir(dir, 0o755))
	v := realfs.New(t, kind, filepath.Join(dir, d.folder), d.blocks, 256)
	s := newScene(t, dir, false)
	t.Cleanup(s.close)
	require.NoError(t, os.MkdirAll(s.host("/var/lib/acme"), 0o755))
	require.NoError(t, index(s.dir))
	require.Equal(t, manifestOne, s.declare("acme", "1", one))
	require.Equal(t, manifestTwo, s.declare("acme", "2", two))
	return s, v
}

// diskTree is the tree without what fills the disk.
func (s *scene) diskTree() []string {
	return slices.DeleteFunc(s.tree(), func(line string) bool {
		name, _, _ := strings.Cut(line, " ")
		return realfs.IsBallast(name)
	})
}

// A fill leaves so many blocks, or inodes, of a volume free.
type fill struct {
	of    string
	leave func(v *realfs.Volume, n int)
}

var fills = []fill{
	{"blocks", (*realfs.Volume).Leave},
	{"inodes", (*realfs.Volume).LeaveInodes},
}

// beyond is how many runs in a row succeed before a sweep ends.
func beyond() int {
	if fullWidth() {
		return 5
	}
	return 1
}

// TestFullDisk gives each run no room at all, then one block more, and so on
// until it has enough and more.
func TestFullDisk(t *testing.T) {
	for _, kind := range []realfs.Kind{realfs.Tmpfs, realfs.Ext4} {
		for _, d := range disks {
			if kind == realfs.Ext4 && d.name != "root" && !fullWidth() {
				continue
			}
			for _, f := range fills {
				for _, r := range diskRuns {
					t.Run(fmt.Sprintf("%s/%s/%s/%s", kind, d.name, f.of, r.name), func(t *testing.T) {
						sweep(t, kind, d, f, r)
					})
				}
			}
		}
	}
}

func sweep(t *testing.T, kind realfs.Kind, d disk, f fill, r diskRun) {
	failed, opened, enough := 0, 0, -1
	var s *scene
	var v *realfs.Volume
	for n, succeeded := 0, 0; succeeded < beyond(); n++ {
		require.Less(t, n, d.blocks, "it never succeeds")
		if s == nil {
			s, v = newDiskScene(t, kind, d)
			r.prepare(s)
		}
		old := s.diskTree()
		f.leave(v, n)
		sys := s.sound()
		sys.FS = s.fs
		err := r.run(s, sys)
		var open *txn.OpenError
		switch {
		case err == nil:
			if enough < 0 {
				enough = n
			}
			succeeded++
			s.verified()
			v.Unmount()
			s = nil
			continue
		case errors.As(err, &open):
			opened++
			v.Empty()
			s.repaired(breakage{old: old, run: func(sys *unit.System) error { return r.run(s, sys) }})
		default:
			failed++
			require.Equal(t, old, s.diskTree(), "%d %s are free: %v", n, f.of, err)
		}
		if r.always {
			t.Errorf("%d %s are free: %v", n, f.of, err)
		}
		succeeded = 0
	}
	t.Logf("%d taken back, %d left open and repaired; enough are %d %s", failed, opened, enough, f.of)
}

// TestBrokenDisk makes a file system read-only under a run, at many of its
// calls, as ext4 does when it meets an error. Mounted again it is repaired.
func TestBrokenDisk(t *testing.T) {
	for _, d := range disks {
		if d.name != "root" && !fullWidth() {
			continue
		}
		for _, r := range diskRuns {
			t.Run(d.name+"/"+r.name, func(t *testing.T) {
				failed, opened, damaged := 0, 0, 0
				for at, broken := 1, true; broken; at += brokenStep() {
					var err error
					broken, err = breakDisk(t, d, r, at)
					var open *txn.OpenError
					switch {
					case errors.Is(err, errDamaged):
						damaged++
					case errors.As(err, &open):
						opened++
					case err != nil:
						failed++
					}
				}
				t.Logf("%d taken back, %d left open and repaired, %d file systems damaged", failed, opened, damaged)
				require.Less(t, damaged, 1+(failed+opened)/10)
			})
		}
	}
}

// errDamaged says that a file system cannot be read any more: there is nothing that
// koweld could repair.
var errDamaged = errors.New("the file system is damaged")

// breakDisk breaks a disk after one call of a run, mounts it again and repairs.
// broken is false if the run ended before; err is how it ended.
func breakDisk(t *testing.T, d disk, r diskRun, at int) (broken bool, err error) {
	s, v := newDiskScene(t, realfs.Ext4, d)
	defer v.Unmount()
	r.prepare(s)
	old := s.diskTree()
	v.Sync() // it loses what is not
	x := faultfs.New(s.fs, faultfs.Fault{})
	x.After = func(c faultfs.Call) {
		if c.N == at {
			broken = true
			v.Break()
		}
	}
	sys := s.sound()
	sys.FS = x
	err = r.run(s, sys)
	var open *txn.OpenError
	if err != nil && !errors.As(err, &open) {
		require.Equal(t, withoutState(old), withoutState(s.diskTree()), "broken after call %d: %v", at, err)
	}
	s.close()
	if broken {
		v.Again()
		if !v.IsWhole() {
			return true, errDamaged
		}
	}
	again := newScene(t, s.dir, false)
	defer again.close()
	again.repaired(breakage{old: old, run: func(sys *unit.System) error { return r.run(again, sys) }})
	return broken, err
}

// brokenStep is how many calls lie between two at which a disk breaks.
func brokenStep() int {
	if fullWidth() {
		return 7
	}
	return 23
}

func fullWidth() bool { return os.Getenv("KOWELD_TEST") == "full" }
