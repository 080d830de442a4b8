package txn_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys/faultfs"
	"koweld/internal/txn"
)

const theirs = "what somebody else put there"

// put does what another program does to a name: replace it at once.
func (s *scene) put(name string) {
	s.write("/tmp/theirs", theirs)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(s.host(name)), 0o755))
	require.NoError(s.t, os.Rename(s.host("/tmp/theirs"), s.host(name)))
	require.NoError(s.t, os.RemoveAll(s.host("/tmp")))
}

// Somebody replaces a target at each instant. Their file is never lost, and
// the run goes through as if they had come after it, or changes nothing.
func TestTargetChangedAtEachCall(t *testing.T) {
	tests := []struct{ name, target string }{
		{"replaced", folder + "/kernel/old.ko"},
		{"removed", folder + "/updates/gone.ko"},
		{"new", folder + "/extra/deep/new.ko"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			calls := record(t, settings[0])
			old := oldOf(t, settings[0])
			refused, passed := 0, 0
			for n := range calls {
				s := newScene(t, settings[0])
				x := s.faulty(faultfs.Fault{})
				x.After = func(c faultfs.Call) {
					if c.N == n+1 {
						s.put(tt.target)
					}
				}
				err := s.run(t.Context(), s.manager(x))
				got := s.tree()
				require.Equal(t, "0644 now "+theirs, got[tt.target], "after %v: %v", calls[n], err)
				want := newTree
				if err != nil {
					refused++
					want = old
					var changed *txn.ChangedError
					require.ErrorAs(t, err, &changed, "after %v", calls[n])
					require.Equal(t, tt.target, changed.Path)
					require.NotEmpty(t, changed.Hint())
				} else {
					passed++
				}
				for name, text := range want {
					if name != tt.target && name != "the index tells of what is there" && name != filepath.Dir(tt.target) {
						require.Equal(t, text, got[name], "%s after %v: %v", name, calls[n], err)
					}
				}
				s.done()
			}
			assert.Positive(t, refused)
			assert.Positive(t, passed)
		})
	}
}

func TestTargetVanishesAtEachCall(t *testing.T) {
	for _, target := range []string{folder + "/kernel/old.ko", folder + "/updates/gone.ko"} {
		calls := record(t, settings[0])
		old := oldOf(t, settings[0])
		for n := range calls {
			s := newScene(t, settings[0])
			x := s.faulty(faultfs.Fault{})
			x.After = func(c faultfs.Call) {
				if c.N == n+1 {
					_ = os.Remove(s.host(target))
				}
			}
			err := s.run(t.Context(), s.manager(x))
			got := s.tree()
			require.Empty(t, got["names that begin with .weld"])
			var changed *txn.ChangedError
			var left *txn.DepmodError
			switch {
			case errors.As(err, &left): // the new one, taken from under depmod
				require.Equal(t, old[target], got[target], "after %v", calls[n])
			case err == nil || errors.As(err, &changed):
				require.NotContains(t, got, target, "after %v: %v", calls[n], err)
			default:
				require.NoError(t, err, "after %v", calls[n])
			}
			s.done()
		}
	}
}

// After the switch a target may hold what somebody else put there. Then taking
// back would lose one of two files: it stops and names both.
func TestTakingBackLosesNothing(t *testing.T) {
	for _, target := range []string{folder + "/kernel/old.ko", folder + "/updates/gone.ko"} {
		t.Run(filepath.Base(target), func(t *testing.T) {
			s := newScene(t, settings[0])
			old := s.tree()
			x := s.faulty(faultfs.Fault{})
			m := s.manager(x)
			m.Tool = &depmod{step: func(string) error {
				s.put(target)
				return errors.New("depmod is broken")
			}}
			err := s.run(t.Context(), m)
			var open *txn.OpenError
			require.ErrorAs(t, err, &open)
			assert.ErrorContains(t, err, "something else was put there; what belongs there is "+filepath.Dir(target)+"/.weld-1-")
			got := s.tree()
			assert.Equal(t, "0644 now "+theirs, got[target])
			assert.Contains(t, got["names that begin with .weld"], filepath.Dir(target)+"/.weld-1-")
			assert.Equal(t, old["/etc/acme.conf"], got["/etc/acme.conf"], "the others are taken back")

			_, _, err = s.recover(faultfs.Fault{})
			require.ErrorAs(t, err, &open, "as long as it is there")
			require.NoError(t, os.Remove(s.host(target)))
			_, _, err = s.recover(faultfs.Fault{})
			require.NoError(t, err)
			assert.Equal(t, old, s.tree())
			s.done()
		})
	}
}

// A new file whose mode somebody changed while the run was dead is still the
// new file.
func TestTakenBackThoughModeChanged(t *testing.T) {
	calls := record(t, settings[0])
	s := newScene(t, settings[0])
	old := s.tree()
	for _, c := range calls {
		if c.Op == faultfs.Step {
			require.Error(t, s.run(t.Context(), s.manager(s.faulty(faultfs.Kill(c.N)))))
			break
		}
	}
	for _, name := range []string{"/kernel/old.ko", "/kernel/same.ko", "/extra/deep/new.ko"} {
		require.NoError(t, os.Chmod(s.host(folder+name), 0o600))
	}
	done, _, err := s.recover(faultfs.Fault{})
	require.NoError(t, err)
	assert.Equal(t, []txn.Recovered{{Unit: "acme", Undone: true}}, done)
	assert.Equal(t, old, s.tree())
	s.done()
}

// A kernel may be removed while a run is dead: nothing is left to take back.
func TestKernelGoneBeforeRecovery(t *testing.T) {
	calls := record(t, settings[0])
	for _, f := range crashes(calls) {
		s := newScene(t, settings[3])
		_ = s.run(t.Context(), s.manager(s.faulty(f)))
		require.NoError(t, os.RemoveAll(s.host("/lib/modules")))
		_, _, err := s.recover(faultfs.Fault{})
		require.NoError(t, err, at(calls, f))
		left, err := os.ReadDir(s.host(journal))
		require.NoError(t, err)
		require.Empty(t, left)
		s.done()
	}
}

// What a lost journal left beside the targets does not stop a new run.
func TestDebrisOfALostJournalIsCleared(t *testing.T) {
	calls := record(t, settings[1])
	for _, f := range crashes(calls) {
		s := newScene(t, settings[1])
		_ = s.run(t.Context(), s.manager(s.faulty(f)))
		entries, err := os.ReadDir(s.host(journal))
		require.NoError(t, err)
		for _, e := range entries {
			require.NoError(t, os.Remove(filepath.Join(s.host(journal), e.Name())))
		}
		s.look()
		require.NoError(t, s.run(t.Context(), s.manager(s.faulty(faultfs.Fault{}))), at(calls, f))
		// Those of depmod may be of one that runs now, so they stay.
		temporaries, err := filepath.Glob(s.host(folder) + "/modules.*.42.99")
		require.NoError(t, err)
		for _, name := range temporaries {
			require.NoError(t, os.Remove(name))
		}
		got := s.tree()
		for _, c := range changes {
			if c.op.Kind == txn.Place {
				require.Equal(t, newTree[c.op.Path], got[c.op.Path], at(calls, f))
			}
		}
		require.Equal(t, "yes", got["the index tells of what is there"])
		s.done()
	}
}
