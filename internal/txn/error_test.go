package txn_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys/faultfs"
	"koweld/internal/txn"
)

// Each call fails once, with each errno. What the run then says must be so:
// success, or all taken back, or open until it is recovered.
func TestErrorAtEachCall(t *testing.T) {
	kinds := []struct {
		name  string
		fault func(at int) faultfs.Fault
	}{
		{"EIO", func(n int) faultfs.Fault { return faultfs.Error(n, unix.EIO) }},
		{"EROFS", func(n int) faultfs.Fault { return faultfs.Error(n, unix.EROFS) }},
		{"EDQUOT", func(n int) faultfs.Fault { return faultfs.Error(n, unix.EDQUOT) }},
		{"EINTR", func(n int) faultfs.Fault { return faultfs.Error(n, unix.EINTR) }},
		{"ENOSPC in the middle of a write", faultfs.Short},
		{"a dead disk", func(n int) faultfs.Fault { return faultfs.Dead(n, unix.EIO) }},
		{"read-only from there on", func(n int) faultfs.Fault { return faultfs.Dead(n, unix.EROFS) }},
	}
	for _, how := range settings {
		for k, kind := range kinds {
			if how.name != settings[0].name && k != 0 && k != 5 {
				continue // the errno makes no difference to the names
			}
			t.Run(how.name+"/"+kind.name, func(t *testing.T) {
				t.Parallel()
				calls := record(t, how)
				old := oldOf(t, how)
				for n := range calls {
					f := kind.fault(n + 1)
					where := at(calls, f)
					s := newScene(t, how)
					err := s.run(t.Context(), s.manager(s.faulty(f)))
					s.requireHonest(old, err, f.Err, where)
					s.done()
				}
			})
		}
	}
}

// requireHonest compares what a run said with what is there.
func (s *scene) requireHonest(old map[string]string, err, cause error, where string) {
	var open *txn.OpenError
	switch {
	case err == nil:
		require.Equal(s.t, newTree, s.tree(), where)
	case errors.As(err, &open):
		require.ErrorIs(s.t, err, cause, where)
		require.NotEmpty(s.t, open.Hint())
		_, _, rerr := s.recover(faultfs.Fault{})
		require.NoError(s.t, rerr, where)
		now := s.tree()
		if now[folder+"/kernel/old.ko"] == newTree[folder+"/kernel/old.ko"] {
			require.Equal(s.t, newTree, now, where)
		} else {
			require.Equal(s.t, old, now, where)
		}
	default:
		require.ErrorIs(s.t, err, cause, where)
		require.Equal(s.t, old, s.tree(), "%s: %v", where, err)
	}
}

// Two failures in a row: the second hits what takes the first back.
func TestErrorTwice(t *testing.T) {
	how := settings[0]
	calls := record(t, how)
	old := oldOf(t, how)
	for n := range calls {
		for _, second := range []int{1, 2, 3, 5, 8, 13, 21} {
			s := newScene(t, how)
			inner := s.faulty(faultfs.Error(n+1+second, unix.EIO))
			outer := faultfs.New(inner, faultfs.Error(n+1, unix.EIO))
			m := s.manager(outer)
			m.Tool = &depmod{step: func(name string) error { return errors.Join(outer.Step(name), inner.Step(name)) }}
			err := s.run(t.Context(), m)
			s.requireHonest(old, err, unix.EIO, fmt.Sprintf("%v and %d calls later", calls[n], second))
			s.done()
		}
	}
}

func TestContextEndsAtEachCall(t *testing.T) {
	for _, how := range settings[:2] {
		t.Run(how.name, func(t *testing.T) {
			calls := record(t, how)
			old := oldOf(t, how)
			taken, finished := 0, 0
			for n := range calls {
				s := newScene(t, how)
				ctx, cancel := context.WithCancel(t.Context())
				x := s.faulty(faultfs.Fault{})
				x.After = func(c faultfs.Call) {
					if c.N == n+1 {
						cancel()
					}
				}
				err := s.run(ctx, s.manager(x))
				if err == nil {
					finished++
				} else {
					taken++
				}
				s.requireHonest(old, err, context.Canceled, calls[n].String())
				cancel()
				s.done()
			}
			assert.Greater(t, taken, finished)
			assert.Positive(t, finished)
		})
	}
}

func TestAbortTakesBack(t *testing.T) {
	s := newScene(t, settings[0])
	old := s.tree()
	m := s.manager(s.faulty(faultfs.Fault{}))
	tx, err := m.Begin("acme", s.ops)
	require.NoError(t, err)
	units, err := m.InFlight()
	require.NoError(t, err)
	assert.Equal(t, []string{"acme"}, units)
	require.NoError(t, tx.Abort())
	assert.Equal(t, old, s.tree())
	s.done()
}

func TestCommitRefusesWhatIsNotStaged(t *testing.T) {
	s := newScene(t, settings[0])
	old := s.tree()
	tx, err := s.manager(s.faulty(faultfs.Fault{})).Begin("acme", s.ops)
	require.NoError(t, err)
	err = tx.Commit(t.Context())
	assert.EqualError(t, err, "cannot commit: "+folder+"/kernel/old.ko was not staged")
	assert.Equal(t, old, s.tree())
	s.done()
}
