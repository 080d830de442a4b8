package txn_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys/faultfs"
)

func TestCommitMakesTheNewSet(t *testing.T) {
	for _, how := range settings {
		t.Run(how.name, func(t *testing.T) {
			s := newScene(t, how)
			defer s.done()
			require.NoError(t, s.run(t.Context(), s.manager(s.faulty(faultfs.Fault{}))))
			assert.Equal(t, newTree, s.tree())
			done, _, err := s.recover(faultfs.Fault{})
			require.NoError(t, err)
			assert.Empty(t, done)
		})
	}
}

// At each instant every name that depmod and modprobe look at holds whole old
// or whole new bytes, and nothing that is staged has such a name.
func TestEveryModuleIsWholeAtEachInstant(t *testing.T) {
	for _, how := range settings {
		t.Run(how.name, func(t *testing.T) {
			s := newScene(t, how)
			defer s.done()
			x := s.faulty(faultfs.Fault{})
			looks := 0
			x.After = func(c faultfs.Call) {
				if c.Op.Changes() {
					s.requireWhole(c)
					looks++
				}
			}
			require.NoError(t, s.run(t.Context(), s.manager(x)))
			assert.Greater(t, looks, 30)
		})
	}
}

// requireWhole looks at every module and at every name.
func (s *scene) requireWhole(c faultfs.Call) {
	whole := map[string][]string{} // what may lie at a name
	for name, file := range oldTree {
		_, text, _ := strings.Cut(file, " ")
		whole[name] = append(whole[name], text)
	}
	for _, ch := range changes {
		whole[ch.op.Path] = append(whole[ch.op.Path], ch.bytes)
	}
	err := filepath.WalkDir(s.dir, func(at string, d os.DirEntry, err error) error {
		name := strings.TrimPrefix(at, s.dir)
		if err != nil || d.IsDir() {
			return err
		}
		if strings.Contains(filepath.Base(name), ".ko") {
			require.NotContains(s.t, name, ".weld", "after %v", c)
			text, err := os.ReadFile(at)
			require.NoError(s.t, err)
			require.Contains(s.t, whole[name], string(text), "%s after %v", name, c)
		}
		return nil
	})
	require.NoError(s.t, err)
	// What is replaced is never missing: on this the last good set rests.
	for _, ch := range changes {
		if _, had := oldTree[ch.op.Path]; had && ch.bytes != "" {
			require.FileExists(s.t, s.host(ch.op.Path), "after %v", c)
		}
	}
}

// crashes returns a fault for each way in which a recorded run can be killed:
// before each call that changes something, in the middle of each write, and
// after the last call.
func crashes(calls []faultfs.Call) []faultfs.Fault {
	var all []faultfs.Fault
	for _, c := range calls {
		if c.Op.Changes() {
			all = append(all, faultfs.Kill(c.N))
		}
		if c.Op == faultfs.Write {
			all = append(all, faultfs.Tear(c.N))
		}
	}
	return append(all, faultfs.Kill(len(calls)+1))
}

// record returns the calls of a run without faults.
func record(t *testing.T, how setting) []faultfs.Call {
	s := newScene(t, how)
	defer s.done()
	x := s.faulty(faultfs.Fault{})
	require.NoError(t, s.run(t.Context(), s.manager(x)))
	return x.Calls()
}

// oldOf is the tree before the scenario.
func oldOf(t *testing.T, how setting) map[string]string {
	s := newScene(t, how)
	defer s.done()
	return s.tree()
}

func TestKilledAtEachCall(t *testing.T) {
	for _, how := range settings {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			calls := record(t, how)
			old := oldOf(t, how)
			forward := false
			for _, f := range crashes(calls) {
				where := at(calls, f)
				s := newScene(t, how)
				err := s.run(t.Context(), s.manager(s.faulty(f)))
				if f.At <= len(calls) {
					require.Error(t, err, where)
				} else {
					require.NoError(t, err)
				}
				_, _, err = s.recover(faultfs.Fault{})
				require.NoError(t, err, where)
				now := s.tree()
				if !forward && now[folder+"/kernel/old.ko"] == newTree[folder+"/kernel/old.ko"] {
					forward = true // and never back again
				}
				if forward {
					require.Equal(t, newTree, now, where)
				} else {
					require.Equal(t, old, now, where)
				}
				done, _, err := s.recover(faultfs.Fault{})
				require.NoError(t, err, where)
				require.Empty(t, done, "the second recovery did something after %s", where)
				require.Equal(t, now, s.tree(), where)
				s.done()
			}
			require.True(t, forward)
		})
	}
}

func at(calls []faultfs.Call, f faultfs.Fault) string {
	if f.At > len(calls) {
		return "the end"
	}
	return fmt.Sprintf("%v (short: %v)", calls[f.At-1], f.Short)
}

// The recovery is killed too, at each of its calls, and the next one ends it.
func TestKilledTwice(t *testing.T) {
	// One in which the index is made anew, by a file system that needs more
	// steps, and one in which it is put back.
	for _, how := range []setting{settings[1], settings[3]} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			calls := record(t, how)
			old := oldOf(t, how)
			for _, f := range crashes(calls) {
				first := func() *scene {
					s := newScene(t, how)
					_ = s.run(t.Context(), s.manager(s.faulty(f)))
					return s
				}
				s := first()
				_, x, err := s.recover(faultfs.Fault{})
				require.NoError(t, err)
				want := s.tree()
				if want[folder+"/kernel/old.ko"] == newTree[folder+"/kernel/old.ko"] {
					require.Equal(t, newTree, want)
				} else {
					require.Equal(t, old, want)
				}
				s.done()
				for _, g := range crashes(x.Calls()) {
					s := first()
					where := at(calls, f) + ", then " + at(x.Calls(), g)
					_, _, err := s.recover(g)
					if g.At <= len(x.Calls()) {
						require.Error(t, err, where)
					}
					_, _, err = s.recover(faultfs.Fault{})
					require.NoError(t, err, where)
					require.Equal(t, want, s.tree(), where)
					s.done()
				}
			}
		})
	}
}
