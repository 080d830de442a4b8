package txn_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/crash"
	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/txn"
)

// Each release leaves its journals here, in every state, with the tree each
// belongs to, for all later ones to recover. What is there is never written
// anew; -keep-journals is for a release that writes others, into a folder of
// its own.
var (
	keepJournals = flag.String("keep-journals", "", "write the journals of this koweld into a new `folder` of testdata")
	goldens      = []string{"journal-v1"}
)

// A file of a tree in testdata.
type goldenFile struct {
	Name  string      `json:"name"`
	Mode  fs.FileMode `json:"mode"`
	Ino   uint64      `json:"ino"`
	Mtime int64       `json:"mtime"` // nanoseconds since the epoch
	Text  string      `json:"text,omitempty"`
}

// instants are the runs whose trees are kept: to which of their calls they
// come, and whether they are taken back.
var instants = []struct {
	name   string
	undone bool
	at     func(records int, c faultfs.Call) bool
}{
	{"staging", true, func(records int, c faultfs.Call) bool {
		return records == 1 && c.Op == faultfs.Sync && path.Base(c.Path) == ".weld-1-6"
	}},
	{"switching", true, func(records int, c faultfs.Call) bool {
		return records == 2 && c.Op == faultfs.RenameNoReplace && path.Base(c.To) == "new.ko"
	}},
	{"indexed", true, func(records int, c faultfs.Call) bool { return records == 3 && c.Op == faultfs.Write }},
	{"switched", false, func(records int, c faultfs.Call) bool { return records == 3 && c.Op == faultfs.Unlink }},
}

func TestJournalsOfEachRelease(t *testing.T) {
	if *keepJournals != "" {
		writeGoldens(t, filepath.Join("testdata", *keepJournals))
	}
	for _, release := range goldens {
		dir := filepath.Join("testdata", release)
		before, after := listGolden(readGolden(t, dir, "before")), listGolden(readGolden(t, dir, "after"))
		for _, instant := range instants {
			t.Run(release+"/"+instant.name, func(t *testing.T) {
				d := readGolden(t, dir, instant.name)
				m := &txn.Manager{FS: d, Tool: crash.Depmod{FS: d}, Dir: journal}
				units, err := m.InFlight()
				require.NoError(t, err)
				assert.Equal(t, []string{"acme"}, units)
				done, err := m.Recover(t.Context())
				require.NoError(t, err)
				assert.Equal(t, []txn.Recovered{{Unit: "acme", Undone: instant.undone}}, done)
				want := after
				if instant.undone {
					want = before
				}
				assert.Equal(t, want, listGolden(d))
			})
		}
	}
}

// writeGoldens ends a run at each of the instants.
func writeGoldens(t *testing.T, dir string) {
	require.NoError(t, os.Mkdir(dir, 0o755), "those of a release stay as they are")
	s := subject(t, diskSettings[0])
	writeGolden(t, dir, "before", s.Start)
	d := s.Start.Clone()
	x := faultfs.New(d, faultfs.Fault{})
	require.NoError(t, s.Run(x))
	writeGolden(t, dir, "after", d)
	for _, instant := range instants {
		records, end := 0, 0
		for _, c := range x.Calls() {
			if c.Op == faultfs.Write && path.Dir(c.Path) == journal {
				records++
			}
			if end == 0 && instant.at(records, c) {
				end = c.N
			}
		}
		require.NotZero(t, end, instant.name)
		d := s.Start.Clone()
		require.Error(t, s.Run(faultfs.New(d, faultfs.Kill(end))))
		writeGolden(t, dir, instant.name, d)
	}
}

func writeGolden(t *testing.T, dir, name string, d *faultfs.Disk) {
	var b bytes.Buffer
	for name, e := range d.All() {
		line, err := json.Marshal(goldenFile{name, e.Mode, e.Ino, e.Mtime.UnixNano(), string(e.Data)})
		require.NoError(t, err)
		b.Write(append(line, '\n'))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".jsonl"), b.Bytes(), 0o644))
}

func readGolden(t *testing.T, dir, name string) *faultfs.Disk {
	data, err := os.ReadFile(filepath.Join(dir, name+".jsonl"))
	require.NoError(t, err)
	d := faultfs.NewDisk()
	for line := range bytes.Lines(data) {
		var f goldenFile
		require.NoError(t, json.Unmarshal(line, &f))
		if f.Name == "/" {
			continue
		}
		e := faultfs.Entry{Data: []byte(f.Text)}
		e.Info = fsys.Info{Ino: f.Ino, Mode: f.Mode, Mtime: time.Unix(0, f.Mtime)}
		require.NoError(t, d.Put(f.Name, e))
	}
	return d
}

// listGolden tells of each name what it is, and when it was written: but of a
// folder and of an index, which recovery writes anew.
func listGolden(d *faultfs.Disk) map[string]string {
	all := map[string]string{}
	for name, e := range d.All() {
		when := e.Mtime.UTC().Format(time.RFC3339Nano)
		if e.IsDir() || strings.HasPrefix(path.Base(name), "modules.") {
			when = ""
		}
		all[name] = e.Mode.String() + " " + when + " " + string(e.Data)
	}
	return all
}
