package txn_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/crash"
	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/txn"
)

// syncsOf plays the scenario, in which four files are placed below / and one
// below /var, and counts what makes staged files, folders and file systems
// durable.
func syncsOf(t *testing.T, fsx fsys.FS, how diskSetting, d *faultfs.Disk) map[string]int {
	x := faultfs.New(fsx, faultfs.Fault{})
	m := &txn.Manager{FS: x, Tool: crash.Depmod{FS: x}, Dir: journal, Batch: how.batch}
	require.NoError(t, play(t.Context(), m, plan(t, d, 0, 0)))
	count := map[string]int{}
	open := 0
	for _, c := range x.Calls() {
		staged := strings.HasPrefix(path.Base(c.Path), ".weld-")
		switch {
		case c.Op == faultfs.SyncFS:
			count["volume "+c.Path]++
		case c.Op == faultfs.OpenVolume && c.Err == nil:
			open++
		case c.Op == faultfs.CloseVolume:
			open--
		case staged && (c.Op == faultfs.Sync || c.Op == faultfs.WriteOut):
			count[string(c.Op)]++
		case c.Op == faultfs.SyncDir && path.Dir(c.Path) != "/var/lib" && c.Path != journal:
			count["folders"]++
		}
	}
	assert.Zero(t, open, "volumes left open")
	return count
}

// A file system is made durable as a whole if enough is staged there, and
// before that each file is written out: so what has no place there is known.
func TestBatches(t *testing.T) {
	tests := []struct {
		name string
		how  diskSetting
		want map[string]int
	}{
		{"few", diskSetting{batch: 6}, map[string]int{"File.Sync": 5, "folders": 19}},
		{"few for the default", diskSetting{}, map[string]int{"File.Sync": 5, "folders": 19}},
		{"enough", diskSetting{batch: 5}, map[string]int{"File.WriteOut": 5, "volume " + folder: 3, "folders": 1}},
		{
			"enough on one of two",
			diskSetting{batch: 2, varApart: true},
			map[string]int{"File.WriteOut": 4, "File.Sync": 1, "volume " + folder: 3, "folders": 5},
		},
		{
			"enough on both",
			diskSetting{batch: 1, varApart: true},
			map[string]int{"File.WriteOut": 5, "volume " + folder: 3, "volume /var/lib/koweld/saved": 3, "folders": 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDisk(t, tt.how)
			assert.Equal(t, tt.want, syncsOf(t, d, tt.how, d))
		})
	}
}

// noVolumes is an older kernel, or a file system of which nothing is known.
type noVolumes struct{ fsys.FS }

func (noVolumes) OpenVolume(string) (fsys.Volume, error) { return nil, unix.EOPNOTSUPP }

func TestNoBatchWhereErrorsGoUnseen(t *testing.T) {
	how := diskSetting{batch: 1}
	d := newDisk(t, how)
	assert.Equal(t, map[string]int{"File.Sync": 5, "folders": 19}, syncsOf(t, noVolumes{d}, how, d))
}

// mounted gives each new file another device than its folder had.
type mounted struct{ fsys.FS }

func (m mounted) Create(name string, perm fs.FileMode) (fsys.File, error) {
	f, err := m.FS.Create(name, perm)
	return otherDevice{f}, err
}

type otherDevice struct{ fsys.File }

func (o otherDevice) Stat() (fsys.Info, error) {
	info, err := o.File.Stat()
	info.Dev += 1000
	return info, err
}

func TestAFolderOnAnotherDeviceThanBefore(t *testing.T) {
	d := newDisk(t, diskSettings[0])
	m := &txn.Manager{FS: mounted{d}, Tool: crash.Depmod{FS: d}, Dir: journal, Batch: 1}
	var changed *txn.ChangedError
	require.ErrorAs(t, play(t.Context(), m, plan(t, d, 0, 0)), &changed)
	units, err := m.InFlight()
	require.NoError(t, err)
	assert.Empty(t, units, "it is taken back")
}
