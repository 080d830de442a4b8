package crash_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/divert"
	"koweld/internal/crash"
	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/unit"
)

const (
	victim = "/usr/bin/tool"
	theirs = "the file that is diverted"
)

// diversion is what an admin wants of a name that has a file.
type diversion struct {
	name    string
	want    divert.Want
	before  []divert.Want // what is so already
	prepare func(h *host)
	mount   string // a folder that is a file system of its own
	link    bool   // the file is a link
}

var diverted = []diversion{
	{name: "add", want: divert.Want{From: victim, To: victim + ".real"}},
	{name: "add without a move", want: divert.Want{From: victim, To: victim + ".real", NoMove: true}},
	{name: "add across file systems", want: divert.Want{From: victim, To: "/opt/tool"}, mount: "/opt"},
	{name: "add to a link across file systems", want: divert.Want{From: victim, To: "/opt/tool"}, mount: "/opt", link: true},
	{
		name: "remove", want: divert.Want{From: victim, Absent: true},
		before: []divert.Want{{From: victim, To: victim + ".real"}},
	},
	{
		name: "remove and save", want: divert.Want{From: victim, Absent: true, Save: true},
		before:  []divert.Want{{From: victim, To: victim + ".real"}},
		prepare: func(h *host) { h.write(victim, "an intruder", 0o755) },
	},
	{
		name: "remove across file systems and save", want: divert.Want{From: victim, Absent: true, Save: true},
		before:  []divert.Want{{From: victim, To: "/opt/tool"}},
		prepare: func(h *host) { h.write(victim, "an intruder", 0o755) },
		mount:   "/opt",
	},
	{
		name: "replace", want: divert.Want{
			From: victim, To: victim + ".acme", Package: "acme",
			Instead: &divert.Diversion{From: victim, To: victim + ".real"},
		},
		before: []divert.Want{{From: victim, To: victim + ".real"}},
	},
}

func (s diversion) subject(t *testing.T, merged bool) crash.Subject {
	h := &host{t, faultfs.NewDisk(), packings[0]}
	h.mkdir("/usr/bin")
	h.mkdir("/var/lib/dpkg/info")
	if merged {
		require.NoError(t, h.Symlink("usr/bin", "/bin"))
	} else {
		h.mkdir("/bin")
	}
	if s.mount != "" {
		h.mkdir(s.mount)
		require.NoError(t, h.Mount(s.mount))
	}
	h.write(victim+".other", theirs, 0o755)
	if s.link {
		require.NoError(t, h.Symlink(victim+".other", victim))
	} else {
		require.NoError(t, h.Rename(victim+".other", victim))
	}
	_, err := diverting(h).Divert(t.Context(), s.before, unit.Options{})
	require.NoError(t, err)
	if s.prepare != nil {
		s.prepare(h)
	}
	h.SyncAll()
	return crash.Subject{
		Start: h.Disk, Limit: 16, Check: s.check,
		Run: func(fsx fsys.FS) error {
			_, err := diverting(fsx).Divert(context.Background(), []divert.Want{s.want}, unit.Options{})
			return err
		},
		Recover: func(fsx fsys.FS) (ended int, err error) {
			sys := diverting(fsx)
			sys.Observe = func(e unit.Event) {
				if e.Kind == unit.Recovered {
					ended++
				}
			}
			_, err = sys.Recover(context.Background(), unit.Options{})
			return ended, err
		},
	}
}

// diverting is a koweld with a dpkg-divert.
func diverting(fsx fsys.FS) *unit.System {
	sys := system(fsx)
	sys.Tool = crash.Dpkg{Depmod: crash.Depmod{FS: fsx}}
	return sys
}

// check makes sure that the file is somewhere, whole, at each instant.
func (s diversion) check(d *faultfs.Disk) error {
	for _, e := range d.All() {
		if s.link && e.Mode&fs.ModeSymlink != 0 && string(e.Data) == victim+".other" || !s.link && e.IsRegular() && string(e.Data) == theirs {
			return nil
		}
	}
	return errors.New("the file that is diverted is lost")
}

// A diversion is broken at each of its calls, those of dpkg-divert too: the file
// is never lost, and there is the old state or the new one.
func TestKilledDiversions(t *testing.T) {
	for _, s := range diverted {
		for _, layout := range []string{"split", "merged"} {
			t.Run(s.name+"/"+layout, func(t *testing.T) {
				t.Parallel()
				p := crash.New(t, s.subject(t, layout == "merged"))
				t.Log("kill:", p.Kill())
				t.Log("power:", p.Power())
				t.Log("failures:", p.Failures())
				t.Log("recoveries:", p.Recoveries())
			})
		}
	}
}
