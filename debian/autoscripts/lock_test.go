package autoscripts_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/store"
)

func (r *root) store() *store.Store {
	fsx, err := fsys.OpenRoot(r.dir)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { assert.NoError(r.t, fsx.Close()) })
	return &store.Store{FS: fsx, Dir: state}
}

// started is a script that runs while the test goes on.
type started struct {
	*exec.Cmd
	said strings.Builder
	done chan struct{}
}

func (m *machine) start(r *root, script string, args ...string) *started {
	m.t.Helper()
	s := &started{Cmd: m.command(r, script, args...), done: make(chan struct{})}
	s.Stderr = &s.said
	require.NoError(m.t, s.Start())
	go func() {
		defer close(s.done)
		_ = s.Wait()
	}()
	return s
}

// waits returns when the script waits for the lock on a file, as the kernel
// tells; false if it ended instead.
func (s *started) waits(t *testing.T, file string) bool {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	inode := fmt.Sprintf(":%d ", info.Sys().(*syscall.Stat_t).Ino)
	for {
		select {
		case <-s.done:
			return false
		default:
		}
		locks, err := os.ReadFile("/proc/locks")
		if err != nil || !strings.Contains(string(locks), inode) {
			t.Skipf("SKIP: it is not seen who waits for a lock, /proc/locks does not tell: %v", err)
		}
		for line := range strings.Lines(string(locks)) {
			if strings.Contains(line, "-> FLOCK") && strings.Contains(line, inode) {
				return true
			}
		}
	}
}

func TestPostrmWaitsForKoweld(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		r := newRoot(t, merged...)
		before := snapshot(t, r.dir)
		r.place(acme, "acme")
		r.recorded()
		held, err := r.store().Lock(t.Context(), 0, nil)
		require.NoError(t, err)
		s := newMachine(t, shell).start(r, script(t, "postrm", pkg), "remove")
		require.True(t, s.waits(t, r.at(state+"/lock")), "it went on without the lock: %s", &s.said)
		r.place(conf, "placed while it waits")
		text, err := store.Encode(&r.record)
		require.NoError(t, err)
		r.put(state+"/packages/"+pkg+".json", string(text))
		r.put(state+"/packages/"+pkg+".sha256", strings.Join(r.sums, "\x00")+"\x00")
		require.NoError(t, held.Release())
		<-s.done
		assert.Zero(t, s.ProcessState.ExitCode(), s.said.String())
		sameTree(t, before, snapshot(t, r.dir))
	})
}

// The last holder removes the file that the script waits for, and another makes
// one anew: what the script then holds guards nothing.
func TestPostrmWaitsForTheLockThatIsThere(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		r := newRoot(t, merged...)
		before := snapshot(t, r.dir)
		r.place(acme, "acme")
		r.recorded()
		lock := r.at(state + "/lock")
		take := func() *os.File {
			f, err := os.Create(lock)
			require.NoError(t, err)
			require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
			return f
		}
		first := take()
		s := newMachine(t, shell).start(r, script(t, "postrm", pkg), "remove")
		require.True(t, s.waits(t, lock), &s.said)
		require.NoError(t, os.Remove(lock))
		second := take()
		require.NoError(t, first.Close())
		require.True(t, s.waits(t, lock), "it took the lock of a removed file: %s", &s.said)
		assert.FileExists(t, r.at(acme))
		require.NoError(t, second.Close())
		<-s.done
		assert.Zero(t, s.ProcessState.ExitCode(), s.said.String())
		sameTree(t, before, snapshot(t, r.dir))
	})
}

// Koweld removes all there is, state folder and lock included, while the script
// waits.
func TestPostrmWaitedForNothing(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		r := newRoot(t, merged...)
		before := snapshot(t, r.dir)
		held, err := r.store().Lock(t.Context(), 0, nil)
		require.NoError(t, err)
		s := newMachine(t, shell).start(r, script(t, "postrm", pkg), "purge")
		require.True(t, s.waits(t, r.at(state+"/lock")), &s.said)
		require.NoError(t, held.Release())
		<-s.done
		assert.Zero(t, s.ProcessState.ExitCode(), s.said.String())
		assert.Empty(t, s.said.String())
		sameTree(t, before, snapshot(t, r.dir))
	})
}

// While the shell takes back, koweld finds the lock held.
func TestPostrmLocksKoweldOut(t *testing.T) {
	eachShell(t, func(t *testing.T, shell []string) {
		r := newRoot(t, merged...)
		r.place(acme, "acme")
		r.recorded()
		pipes := t.TempDir()
		open := func(name string) *os.File {
			at := filepath.Join(pipes, name)
			require.NoError(t, unix.Mkfifo(at, 0o600))
			f, err := os.OpenFile(at, os.O_RDWR, 0)
			require.NoError(t, err)
			t.Cleanup(func() { _ = f.Close() })
			return f
		}
		there, goOn := open("there"), open("go-on")
		m := newMachine(t, shell)
		m.fake("depmod", fmt.Sprintf("echo >%q; read -r _ <%q", there.Name(), goOn.Name()))
		s := m.start(r, script(t, "postrm", pkg), "remove")
		go func() {
			<-s.done
			_ = there.Close()
		}()
		_, err := there.Read(make([]byte, 1))
		require.NoError(t, err, "depmod did not run: %s", &s.said)
		_, err = r.store().Lock(t.Context(), 0, nil)
		var locked *store.LockedError
		assert.ErrorAs(t, err, &locked)
		_, err = goOn.WriteString("\n")
		require.NoError(t, err)
		<-s.done
		assert.Zero(t, s.ProcessState.ExitCode(), s.said.String())
		held, err := r.store().Lock(t.Context(), 0, nil)
		require.NoError(t, err)
		require.NoError(t, held.Release())
	})
}
