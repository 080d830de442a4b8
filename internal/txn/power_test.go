package txn_test

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/internal/crash"
	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/tool"
	"koweld/internal/txn"
)

// A diskSetting varies the disk on which the scenario runs.
type diskSetting struct {
	name       string
	noExchange bool
	noIndex    bool // depmod never ran for the kernel
	noJournal  bool // nor did koweld
	lostDepmod bool // when the run is recovered
	batch      int  // of the manager
	varApart   bool // /var is a file system of its own
}

var diskSettings = []diskSetting{
	{name: "with RENAME_EXCHANGE"},
	{name: "without RENAME_EXCHANGE", noExchange: true},
	{name: "the first run", noJournal: true, noIndex: true},
	{name: "without depmod at recovery", lostDepmod: true},
	{name: "in one batch, var apart", batch: 4, varApart: true},
	{name: "in two batches, the first run", batch: 1, varApart: true, noJournal: true, noIndex: true, noExchange: true},
}

// newDisk is the tree of the scenario on a disk.
func newDisk(t *testing.T, how diskSetting) *faultfs.Disk {
	d := faultfs.NewDisk()
	d.NoExchange = how.noExchange
	if how.varApart {
		require.NoError(t, d.Mkdir("/var", 0o755))
		require.NoError(t, d.Mount("/var"))
	}
	write := func(name, text string, perm fs.FileMode) {
		_, err := fsys.MkdirAll(d, path.Dir(name), 0o755)
		require.NoError(t, err)
		f, err := d.Create(name, perm)
		require.NoError(t, err)
		_, err = f.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, f.SetMtime(oldTime))
		require.NoError(t, f.Close())
	}
	for name, file := range oldTree {
		mode, text, _ := strings.Cut(file, " ")
		var perm fs.FileMode
		_, err := fmt.Sscanf(mode, "%o", &perm)
		require.NoError(t, err)
		write(name, text, perm)
	}
	if !how.noJournal {
		require.NoError(t, d.Mkdir(journal, 0o755))
	}
	if !how.noIndex {
		_, err := crash.Depmod{FS: d}.Run(t.Context(), tool.Cmd{Path: "depmod", Args: []string{"-b", "/", kernel}})
		require.NoError(t, err)
	}
	d.SyncAll()
	return d
}

// subject is the scenario for a proof.
func subject(t *testing.T, how diskSetting) crash.Subject {
	start := newDisk(t, how)
	ops := plan(t, start, 0, 0)
	return crash.Subject{
		Start:   start,
		Limit:   64,
		Kernels: []string{kernel},
		Run: func(fsx fsys.FS) error {
			m := &txn.Manager{FS: fsx, Tool: crash.Depmod{FS: fsx}, Dir: journal, Batch: how.batch}
			return play(t.Context(), m, ops)
		},
		Recover: func(fsx fsys.FS) (int, error) {
			m := &txn.Manager{FS: fsx, Tool: crash.Depmod{FS: fsx}, Dir: journal}
			if how.lostDepmod {
				m.Tool = &depmod{lost: true}
			}
			done, err := m.Recover(context.Background())
			return len(done), err
		},
	}
}

// The power goes at each call: of the run, of what takes a failed run back,
// and of the recovery of a run that was killed.
func TestKilledByPowerCuts(t *testing.T) {
	modes := []struct {
		name string
		run  func(*crash.Proof) crash.Count
	}{
		{"run", (*crash.Proof).Power},
		{"kill", (*crash.Proof).Kill},
		{"failure", (*crash.Proof).Failures},
		{"recovery", (*crash.Proof).Recoveries},
	}
	for _, how := range diskSettings {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			p := crash.New(t, subject(t, how))
			for _, mode := range modes {
				t.Run(mode.name, func(t *testing.T) { t.Log(mode.run(p.For(t))) })
			}
		})
	}
}

// What is removed without a journal goes for good, file by file, before the
// last operation, the record, does: so a power cut leaves the record as long as
// it leaves anything of what it tells of.
func TestKilledByPowerCutsInPlace(t *testing.T) {
	const record = "/var/lib/koweld/packages/acme.json"
	removed := []string{folder + "/updates/gone.ko", folder + "/kernel/old.ko", "/etc/acme.conf", record}
	d := newDisk(t, diskSettings[0])
	_, err := fsys.MkdirAll(d, path.Dir(record), 0o755)
	require.NoError(t, err)
	f, err := d.Create(record, 0o644)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	d.SyncAll()
	var ops []txn.Op
	for _, name := range removed {
		info, err := d.Lstat(name)
		require.NoError(t, err)
		ops = append(ops, txn.Op{Kind: txn.Remove, Path: name, Was: txn.See(info)})
	}
	dirs := []string{folder + "/updates", path.Dir(record), "/none/at/all"}
	for _, dir := range dirs {
		ops = append(ops, txn.Op{Kind: txn.Rmdir, Path: dir})
	}
	left := func(cut *faultfs.Disk, names []string) (there []string) {
		for _, name := range names {
			if _, err := cut.Lstat(name); err == nil {
				there = append(there, name)
			}
		}
		return there
	}
	x := faultfs.New(d, faultfs.Fault{})
	var cuts faultfs.Cuts
	cuts.Limit = 64
	x.After = func(c faultfs.Call) {
		for cut := range cuts.Of(d) {
			if there := left(cut, removed); len(there) > 0 {
				require.Contains(t, there, record, "after %v", c)
			}
		}
	}
	m := &txn.Manager{FS: x, Tool: crash.Depmod{FS: x}, Dir: journal}
	warnings, err := m.RemoveInPlace(t.Context(), "acme", ops)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Greater(t, cuts.Seen(), len(removed))
	after := faultfs.Cuts{Limit: 64}
	for cut := range after.Of(d) {
		require.Empty(t, left(cut, append(removed, dirs...)))
	}
}
