package crash_test

import (
	"errors"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/store"
	"koweld/internal/unit"
)

// holding are the calls of a run that changes something while it has the lock.
func holding(calls []faultfs.Call) (held []faultfs.Call) {
	locked := false
	for _, c := range calls {
		if c.Op == faultfs.Lock {
			locked = true
		}
		if c.Op == faultfs.Close && c.Path == unit.StateDir+"/lock" {
			break
		}
		if locked && c.Op.Changes() {
			held = append(held, c)
		}
	}
	return held
}

// newPair is a host with two versions of a package, neither installed, and the
// calls that install the first.
func newPair(t *testing.T) (*faultfs.Disk, []faultfs.Call) {
	h := newHost(t, packings[0])
	h.declare("old", []int{1, 2, 3}, "old", 0o600)
	h.declare("new", []int{2, 3, 4}, "new", 0o640)
	start := h.index()
	x := faultfs.New(start.Clone(), faultfs.Fault{})
	require.NoError(t, install("old")(system(x)))
	calls := holding(x.Calls())
	require.Greater(t, len(calls), 30)
	return start, calls
}

// requireInstalled makes sure that the second version is there and nothing of
// the first.
func requireInstalled(t *testing.T, d *faultfs.Disk, where string) {
	t.Helper()
	_, err := repair(d)
	require.NoError(t, err, where)
	var found []string
	for name := range d.All() {
		base := path.Base(name)
		require.False(t, strings.HasPrefix(base, ".weld") || strings.HasSuffix(base, ".journal"), "%s is there after %s", name, where)
		if strings.HasPrefix(name, modules) && strings.HasSuffix(name, ".ko") {
			found = append(found, base)
		}
	}
	require.Equal(t, []string{"m2.ko", "m3.ko", "m4.ko", "other.ko"}, found, where)
	text, err := fsys.ReadFile(d, "/etc/acme/acme.conf", 10)
	require.NoError(t, err)
	require.Equal(t, "new", string(text), where)
}

// While one koweld has the lock, be it about to die, another one is refused
// and changes nothing. Once the first is dead the other goes on.
func TestKilledHolderOfTheLock(t *testing.T) {
	start, calls := newPair(t)
	for _, c := range calls {
		d := start.Clone()
		x := faultfs.New(d, faultfs.Kill(c.N))
		x.After = func(at faultfs.Call) {
			if at.N != c.N {
				return
			}
			before := d.Digest()
			var locked *store.LockedError
			require.ErrorAs(t, install("new")(system(d)), &locked, c.String())
			require.Equal(t, before, d.Digest(), "the second koweld changed something at %v", c)
		}
		_ = install("old")(system(x))
		require.NoError(t, install("new")(system(d)), c.String())
		requireInstalled(t, d, c.String())
	}
	t.Logf("%d crash points, 0 violations", len(calls))
}

// One that waits for the lock goes on when its holder dies.
func TestKilledWhileAnotherWaits(t *testing.T) {
	start, calls := newPair(t)
	for _, n := range []int{0, len(calls) / 3, len(calls) / 2, len(calls) - 5} {
		c := calls[n]
		d := start.Clone()
		tried := make(chan struct{})
		once := sync.OnceFunc(func() { close(tried) })
		second := faultfs.New(d, faultfs.Fault{})
		second.After = func(at faultfs.Call) {
			if at.Op == faultfs.Lock && errors.Is(at.Err, unix.EWOULDBLOCK) {
				once()
			}
		}
		ended := make(chan error, 1)
		first := faultfs.New(d, faultfs.Kill(c.N))
		first.After = func(at faultfs.Call) {
			if at.N == c.N {
				go func() {
					sys := system(second)
					sys.Wait = -1 // for ever
					ended <- install("new")(sys)
				}()
				<-tried
			}
		}
		_ = install("old")(system(first))
		assert.NoError(t, <-ended, c.String())
		requireInstalled(t, d, c.String())
	}
}
