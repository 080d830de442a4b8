package txn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"koweld/internal/fsys"
)

// A journal is a file of lines. Each is a CRC-32C in eight hex digits, a
// space, and one JSON document. The first line is the header, with all
// operations; each other line enters a state. A last line that is torn was
// never acted on and is ignored.

const (
	journalSuffix  = ".journal"
	journalVersion = 1
	// journalLimit bounds what is read of a journal, in bytes.
	journalLimit = 256 << 20
	// journalReserve is kept free for the last, short record, so that a
	// full disk is met before names are switched and not after.
	journalReserve = 4096
)

// needsDiversions is what a journal with Move, Divert or Link needs: the first
// koweld does not know how to take them back.
const needsDiversions = "diversions"

func needs(ops []Op) []string {
	for _, o := range ops {
		if o.Kind == Move || o.Kind == Divert || o.Link != "" {
			return []string{needsDiversions}
		}
	}
	return nil
}

type header struct {
	Version int      `json:"koweld"`
	Needs   []string `json:"needs,omitempty"`
	Unit    string   `json:"unit"`
	Ops     []Op     `json:"ops"`
}

type state string

const (
	staging   state = "staging" // the header alone
	switching state = "switching"
	switched  state = "switched"
)

type record struct {
	State state `json:"state"`
	// Of switching, both by operation: what a Place staged, and which
	// files of its index a Depmod kept.
	Staged []Digest   `json:"staged,omitempty"`
	Index  [][]string `json:"index,omitempty"`
}

// parsed is what a journal file says.
type parsed struct {
	header
	state     state
	switching *record // nil while staging
}

// NewerError says that a newer koweld left a journal that this one must not
// touch.
type NewerError struct {
	Path  string
	Needs []string
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("cannot recover %s: a newer koweld wrote it", e.Path)
}

// Hint says what to do.
func (e *NewerError) Hint() string {
	return "install the newer koweld again and run koweld repair --all"
}

// BrokenError says that a journal is damaged in the middle.
type BrokenError struct {
	Path string
	Line int
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("cannot recover %s: line %d is damaged", e.Path, e.Line)
}

// Hint says what to do.
func (e *BrokenError) Hint() string {
	return "check the disk, and the files that the journal names; then move the journal away and run koweld repair --all"
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeLine(v any) ([]byte, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(doc, castagnoli), doc), nil
}

// decodeLine returns the document of a line, or nil if the line is torn.
func decodeLine(line []byte) []byte {
	sum, doc, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(sum) != 8 {
		return nil
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || crc32.Checksum(doc, castagnoli) != uint32(want) {
		return nil
	}
	return doc
}

// parseJournal reads a journal. A nil result without error is a journal whose
// header never became durable: nothing had begun.
func parseJournal(name string, data []byte) (*parsed, error) {
	var p *parsed
	for n := 1; len(data) > 0; n++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		doc := decodeLine(line)
		if doc == nil || !whole {
			if bytes.ContainsFunc(rest, func(r rune) bool { return r != 0 && r != '\n' }) {
				return nil, &BrokenError{Path: name, Line: n}
			}
			return p, nil
		}
		data = rest
		if p == nil {
			p = &parsed{state: staging}
			if err := p.open(doc); errors.Is(err, errNewer) {
				return nil, &NewerError{Path: name, Needs: p.Needs}
			} else if err != nil {
				return nil, &BrokenError{Path: name, Line: n}
			}
			continue
		}
		var r record
		if err := json.Unmarshal(doc, &r); err != nil {
			return nil, &BrokenError{Path: name, Line: n}
		}
		switch {
		case r.State == switching && p.state == staging && len(r.Staged) == len(p.Ops) && len(r.Index) == len(p.Ops):
			p.switching = &r
		case r.State == switched && p.state == switching:
		default:
			return nil, &BrokenError{Path: name, Line: n}
		}
		p.state = r.State
	}
	return p, nil
}

var errNewer = errors.New("a newer koweld wrote it")

// open decodes the header. What a newer koweld needs is read first: all else
// may have another form there.
func (p *parsed) open(doc []byte) error {
	var h struct {
		Version int      `json:"koweld"`
		Needs   []string `json:"needs"`
	}
	if err := json.Unmarshal(doc, &h); err != nil {
		return err
	}
	strange := func(need string) bool { return need != needsDiversions }
	if h.Version > journalVersion || slices.ContainsFunc(h.Needs, strange) {
		p.Needs = h.Needs
		return errNewer
	}
	if h.Version != journalVersion {
		return fmt.Errorf("it says version %d", h.Version)
	}
	return json.Unmarshal(doc, &p.header)
}

// journal is a journal file being written.
type journal struct {
	name string
	f    fsys.File
	size int64
}

func (m *Manager) create(base string, h header) (*journal, error) {
	name := path.Join(m.Dir, base)
	f, err := m.FS.OpenAppend(name, 0o644)
	if err != nil {
		return nil, err
	}
	j := &journal{name: name, f: f}
	if err = j.append(h, journalReserve); err == nil {
		err = m.FS.SyncDir(m.Dir)
	}
	if err != nil {
		err = fmt.Errorf("cannot write the journal: %w", err)
		if ferr := m.forget(j); ferr != nil {
			err = &OpenError{Journal: name, Cause: err, Err: ferr}
		}
		return nil, err
	}
	return j, nil
}

// append makes a record durable and keeps spare bytes free for later ones.
func (j *journal) append(v any, spare int64) error {
	line, err := encodeLine(v)
	if err != nil {
		return err
	}
	if err := j.f.Reserve(j.size + int64(len(line)) + spare); err != nil {
		return err
	}
	if _, err := j.f.Write(line); err != nil {
		return err
	}
	if err := j.f.Sync(); err != nil {
		return err
	}
	j.size += int64(len(line))
	return nil
}

// retract takes back what an append that failed has written all the same.
func (j *journal) retract() error {
	if err := j.f.Truncate(j.size); err != nil {
		return err
	}
	return j.f.Sync()
}

func (j *journal) close() error { return j.f.Close() }

// forget removes a journal: the transaction is over.
func (m *Manager) forget(j *journal) error {
	_ = j.close()
	return m.forgetName(j.name)
}

func (m *Manager) forgetName(name string) error {
	if err := m.FS.Unlink(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return m.FS.SyncDir(m.Dir)
}

// nextID is the number of the next transaction.
func (m *Manager) nextID() (int, error) {
	names, err := m.names()
	next := 1
	for _, n := range names {
		digits, _, _ := strings.Cut(path.Base(n), "-")
		if id, err := strconv.Atoi(digits); err == nil && id >= next {
			next = id + 1
		}
	}
	return next, err
}

// names lists the journals that are there, by name.
func (m *Manager) names() ([]string, error) {
	entries, err := m.FS.ReadDir(m.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), journalSuffix) {
			names = append(names, path.Join(m.Dir, e.Name()))
		}
	}
	return names, err
}
