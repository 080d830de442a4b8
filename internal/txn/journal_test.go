package txn_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/txn"
)

// journalFile is the one journal of a scene.
func (s *scene) journalFile() string {
	names, err := filepath.Glob(s.host(journal) + "/*.journal")
	require.NoError(s.t, err)
	require.Len(s.t, names, 1)
	return names[0]
}

func (s *scene) readJournal() []byte {
	data, err := os.ReadFile(s.journalFile())
	require.NoError(s.t, err)
	return data
}

// A record that was torn was never acted on: at each of its bytes the journal
// is that of the state before, with and without the zeros that some file
// systems leave for blocks that were not written.
func TestTornRecord(t *testing.T) {
	old := oldOf(t, settings[0])
	for n, name := range []string{"header", "switching", "switched"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for size, whole := 0, false; !whole; size++ {
				s := killAfterRecord(t, n+1)
				data := s.readJournal()
				end := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1 + size
				whole = end == len(data)
				data = data[:end]
				if size%16 == 15 && !whole {
					data = append(data, 0, 0, 0)
				}
				require.NoError(t, os.WriteFile(s.journalFile(), data, 0o644))
				done, _, err := s.recover(faultfs.Fault{})
				require.NoError(t, err, size)
				switch {
				case name == "header" && !whole:
					require.Empty(t, done)
					require.Equal(t, old, s.tree())
				case name == "switched" && whole:
					require.Equal(t, []txn.Recovered{{Unit: "acme"}}, done)
					require.Equal(t, newTree, s.tree())
				default:
					require.Equal(t, []txn.Recovered{{Unit: "acme", Undone: true}}, done)
					require.Equal(t, old, s.tree())
				}
				s.done()
			}
		})
	}
}

// killAfterRecord runs the scenario until the n-th record of the journal is
// durable and no further.
func killAfterRecord(t *testing.T, n int) *scene {
	s := newScene(t, settings[0])
	x := s.faulty(faultfs.Fault{})
	x.After = func(c faultfs.Call) {
		if c.Op == faultfs.Sync && filepath.Dir(c.Path) == journal {
			if n--; n == 0 {
				x.Break(faultfs.Kill(c.N + 1))
			}
		}
	}
	require.Error(t, s.run(t.Context(), s.manager(x)))
	return s
}

func TestDamagedJournalIsLeftAlone(t *testing.T) {
	data := func() []byte {
		s := killAfterRecord(t, 2)
		defer s.done()
		return s.readJournal()
	}()
	first := bytes.IndexByte(data, '\n')
	for _, at := range []int{0, 4, 8, 9, 50, first - 1} {
		t.Run(fmt.Sprintf("byte %d", at), func(t *testing.T) {
			s := killAfterRecord(t, 2)
			defer s.done()
			bad := bytes.Clone(data)
			bad[at] ^= 0x01
			s.requireUntouched(bad, func(err error) {
				var broken *txn.BrokenError
				require.ErrorAs(t, err, &broken)
				assert.Equal(t, 1, broken.Line)
				assert.EqualError(t, err, "cannot recover "+journal+"/1-acme.journal: line 1 is damaged")
				assert.NotEmpty(t, broken.Hint())
			})
		})
	}
}

func TestJournalOfANewerKoweldIsLeftAlone(t *testing.T) {
	tests := []struct {
		name, header string
		needs        []string
	}{
		{"version", `{"koweld":2,"unit":"acme","ops":[]}`, nil},
		{"another form", `{"koweld":2,"unit":["acme"],"ops":{"a":1}}`, nil},
		{"needs", `{"koweld":1,"needs":["swap"],"unit":"acme","ops":"other"}`, []string{"swap"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := killAfterRecord(t, 2)
			defer s.done()
			s.requireUntouched([]byte(line(tt.header)+line(`{"state":"unheard of"}`)), func(err error) {
				var newer *txn.NewerError
				require.ErrorAs(t, err, &newer)
				assert.Equal(t, tt.needs, newer.Needs)
				assert.EqualError(t, err, "cannot recover "+journal+"/1-acme.journal: a newer koweld wrote it")
				assert.NotEmpty(t, newer.Hint())
			})
		})
	}
}

func TestJournalThatCannotBeIsLeftAlone(t *testing.T) {
	const header = `{"koweld":1,"unit":"acme","ops":[{"kind":"place","path":"/a","staged":"/.weld-1-0"}]}`
	const switching = `{"state":"switching","staged":[{}],"index":[null]}`
	tests := []struct {
		name string
		docs []string
	}{
		{"version 0", []string{`{"unit":"acme"}`}},
		{"no JSON", []string{`unit`}},
		{"switched at once", []string{header, `{"state":"switched"}`}},
		{"switching twice", []string{header, switching, switching}},
		{"an unknown state", []string{header, `{"state":"switch"}`}},
		{"too few digests", []string{header, `{"state":"switching","staged":[],"index":[null]}`}},
		{"too few indexes", []string{header, `{"state":"switching","staged":[{}]}`}},
		{"a record that is none", []string{header, `[]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := killAfterRecord(t, 2)
			defer s.done()
			var data strings.Builder
			for _, doc := range tt.docs {
				data.WriteString(line(doc))
			}
			s.requireUntouched([]byte(data.String()), func(err error) {
				var broken *txn.BrokenError
				require.ErrorAs(t, err, &broken)
				assert.Equal(t, len(tt.docs), broken.Line)
			})
		})
	}
}

// requireUntouched puts a journal in place of the one that is there and
// requires that recovery refuses it and changes nothing.
func (s *scene) requireUntouched(data []byte, check func(error)) {
	require.NoError(s.t, os.WriteFile(s.journalFile(), data, 0o644))
	before := s.tree()
	done, x, err := s.recover(faultfs.Fault{})
	check(err)
	require.Empty(s.t, done)
	require.Equal(s.t, before, s.tree())
	require.Equal(s.t, data, s.readJournal())
	for _, c := range x.Calls() {
		require.False(s.t, c.Op.Changes(), "%v", c)
	}
	_, err = s.manager(s.faulty(faultfs.Fault{})).InFlight()
	check(err)
}

// line is a line of a journal as its comment describes it.
func line(doc string) string {
	sum := crc32.Checksum([]byte(doc), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Sprintf("%08x %s\n", sum, doc)
}

// FuzzJournal recovers from arbitrary journals in a root that holds little.
// Each line is given a right checksum too: else no input would pass it.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"koweld":1,"unit":"acme","ops":[{"kind":"place","path":"/etc/acme.conf","staged":"/etc/.weld-1-0","was":{"ino":1}},{"kind":"depmod","folder":"/lib"}]}` + "\n" +
		`{"state":"switching","staged":[{"sha256":"00","size":3},{}],"index":[null,["modules.dep"]]}` + "\n" + `{"state":"switched"}`))
	f.Add([]byte(`{"koweld":1,"unit":"acme","ops":[{"kind":"remove","path":"/etc/acme.conf","staged":"/etc/.weld-1-0"},{"kind":"rmdir","path":"/"},{"kind":"mkdir","path":"/etc"}]}`))
	f.Add([]byte(`{"koweld":2}`))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, docs []byte) {
		var summed []byte
		for doc := range bytes.Lines(docs) {
			summed = append(summed, line(strings.TrimSuffix(string(doc), "\n"))...)
		}
		for _, data := range [][]byte{docs, summed} {
			base, err := os.MkdirTemp(memory(t), "koweld-txn-")
			require.NoError(t, err)
			s := &scene{t: t, dir: filepath.Join(base, "root")}
			s.write("/etc/acme.conf", "old")
			s.write(journal+"/1-acme.journal", string(data))
			outside := filepath.Join(base, "outside")
			require.NoError(t, os.WriteFile(outside, nil, 0o644))
			s.root, err = fsys.OpenRoot(s.dir)
			require.NoError(t, err)
			m := &txn.Manager{FS: s.faulty(faultfs.Fault{}), Tool: &depmod{lost: true}, Dir: journal}
			_, _ = m.InFlight()
			_, err = m.Recover(t.Context())
			_, again := m.Recover(t.Context())
			require.Equal(t, err == nil, again == nil, "%v and then %v", err, again)
			require.FileExists(t, outside)
			require.NoError(t, s.root.Close())
			require.NoError(t, os.RemoveAll(base))
		}
	})
}
