package crash_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/internal/crash"
	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/unit"
	"koweld/quirks"
)

const (
	quirkFile = unit.AdminQuirksDir + "/mine.yaml"
	stale     = "/usr/lib/stale"
	mirrored  = "/usr/lib/mirrored"
)

// aQuirk keeps a diversion and a second name of a file while there is /etc/on, and
// removes a file when there is /etc/end.
const aQuirk = `koweld: 1
quirks:
  - id: mine
    title: A quirk
    keep:
      when: {path: {path: /etc/on, is: file}}
      do:
        - divert: {from: ` + victim + `, to: ` + victim + `.real}
        - mirror: {from: ` + mirrored + `, to: ` + mirrored + `.too}
        - message: {text: it is on}
    cleanup:
      - id: stale
        when: {path: {path: /etc/end, is: file}}
        do: [remove_stale: {path: ` + stale + `, keep: ` + mirrored + `, verify: false}]
`

// quirkRun is a run of reconcile on a system.
type quirkRun struct {
	name   string
	merged bool
	// before is done to a system with the quirk and three files.
	before func(h *host)
}

var quirkRuns = []quirkRun{
	{"take back", true, func(h *host) {
		h.write("/etc/on", "", 0o644)
		h.reconcile()
		require.NoError(h.t, h.Unlink("/etc/on"))
	}},
	{"take back by the record", false, func(h *host) {
		h.write("/etc/on", "", 0o644)
		h.reconcile()
		require.NoError(h.t, h.Unlink(quirkFile))
	}},
	{"clean up", true, func(h *host) { h.write("/etc/end", "", 0o644) }},
	{"hold and clean up", false, func(h *host) {
		h.write("/etc/on", "", 0o644)
		h.write("/etc/end", "", 0o644)
	}},
}

func reconcile(fsx fsys.FS) error {
	sys := diverting(fsx)
	sys.Epoch = then // the time of a record
	_, err := sys.Reconcile(context.Background(), unit.Occasion{Stage: quirks.Manual}, unit.Options{})
	return err
}

func (h *host) reconcile() { require.NoError(h.t, reconcile(h)) }

func (r quirkRun) subject(t *testing.T) crash.Subject {
	h := &host{t, faultfs.NewDisk(), packings[0]}
	h.mkdir("/usr/bin")
	h.mkdir("/var/lib/dpkg/info")
	if r.merged {
		require.NoError(t, h.Symlink("usr/bin", "/bin"))
	} else {
		h.mkdir("/bin")
	}
	h.write(victim, theirs, 0o755)
	h.write(mirrored, "the good one", 0o644)
	h.write(stale, "of no use any more", 0o644)
	h.write(quirkFile, aQuirk, 0o644)
	r.before(h)
	h.SyncAll()
	return crash.Subject{
		Start: h.Disk, Limit: 16, Run: reconcile,
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
		Check: func(d *faultfs.Disk) error {
			lost := map[string]bool{theirs: true, "the good one": true}
			for _, e := range d.All() {
				delete(lost, string(e.Data))
			}
			if len(lost) > 0 {
				return errors.New("a file is lost")
			}
			return nil
		},
	}
}

// Reconcile is broken at each of its calls, those of dpkg-divert too: diversions,
// files and the record are those of before or those of afterwards.
func TestKilledReconcile(t *testing.T) {
	for _, r := range quirkRuns {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			p := crash.New(t, r.subject(t))
			t.Log("kill:", p.Kill())
			t.Log("power:", p.Power())
			t.Log("failures:", p.Failures())
			t.Log("recoveries:", p.Recoveries())
		})
	}
}
