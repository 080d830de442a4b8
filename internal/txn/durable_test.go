package txn_test

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys/faultfs"
)

// unsynced follows what a power cut could lose: files by their bytes and
// metadata, folders by their names.
type unsynced map[string]faultfs.Call

func (u unsynced) note(c faultfs.Call) {
	switch c.Op {
	case faultfs.Sync, faultfs.SyncDir:
		delete(u, c.Path)
	case faultfs.SyncFS: // there is one
		clear(u)
	case faultfs.Write, faultfs.Truncate, faultfs.Chmod, faultfs.Chown, faultfs.SetMtime, faultfs.SetXattr:
		u[c.Path] = c
	case faultfs.Step:
		if file, wrote := strings.CutPrefix(c.Path, "depmod wrote modules."); wrote {
			u[folder+"/modules."+file] = c
			u[folder] = c
		}
	default:
		for _, name := range []string{c.Path, c.To} {
			if c.Op.Changes() && name != "" {
				u[path.Dir(name)] = c
			}
		}
	}
}

// files are those of which bytes or metadata could be lost.
func (u unsynced) files() unsynced {
	files := unsynced{}
	for name, c := range u {
		if c.Path == name {
			files[name] = c
		}
	}
	return files
}

// Before names are switched every byte is durable; their names become so
// together with the switch. The last record promises that all before it is
// durable, and each step that follows a record needs that the record is.
func TestEverythingIsDurableBeforeTheNextState(t *testing.T) {
	for _, how := range append(settings[:2:2], settings[len(settings)-1]) {
		t.Run(how.name, func(t *testing.T) {
			writes, points := 0, map[string]bool{}
			dirty := unsynced{}
			for _, c := range record(t, how) {
				ofJournal := path.Dir(c.Path) == journal
				point := ""
				switch {
				case c.Err != nil:
					continue
				case c.Op == faultfs.Write && ofJournal:
					if writes++; writes > 1 { // the header promises nothing
						point = "a state is entered"
					}
				case c.Op == faultfs.Create || c.Op == faultfs.Mkdir && writes == 1 && len(points) == 0:
					point = "staging begins"
				case c.Op == faultfs.Exchange || c.Op == faultfs.RenameNoReplace || c.Op == faultfs.Rename:
					if !points["names are switched"] {
						point = "names are switched"
					}
				case c.Op == faultfs.Unlink && writes == 3 && !points["old bytes are dropped"]:
					point = "old bytes are dropped"
				case c.Op == faultfs.Unlink && ofJournal:
					point = "the journal goes"
				}
				lost := dirty
				if writes == 2 { // names are switched
					lost = dirty.files()
				}
				if point != "" && !(point == "staging begins" && points[point]) {
					require.Empty(t, lost, "%s with %v", point, c)
				}
				if point != "" {
					points[point] = true
				}
				dirty.note(c)
			}
			assert.Empty(t, dirty, "at the end")
			assert.Equal(t, 3, writes)
			want := []string{"a state is entered", "staging begins", "old bytes are dropped", "the journal goes"}
			if !how.noFlags {
				want = append(want, "names are switched")
			}
			for _, point := range want {
				assert.True(t, points[point], point)
			}
		})
	}
}

// What is kept free in the journal before names are switched is enough for the
// record after it: a disk that fills up meanwhile does not matter.
func TestLastRecordNeedsNoNewSpace(t *testing.T) {
	var reserved, last int64
	for _, c := range record(t, settings[0]) {
		if c.Op == faultfs.Reserve {
			reserved, last = max(reserved, last), c.Size
		}
	}
	assert.Positive(t, last)
	assert.LessOrEqual(t, last, reserved)
}
