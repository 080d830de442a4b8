package quirks

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"koweld/internal/unknown"
)

// RecordVersion is the version of the records that this koweld writes.
const RecordVersion = 1

// Record says what was done for a quirk. It is the only source of its undoing:
// the quirk may have changed or be gone.
type Record struct {
	Version int      `json:"koweld"`
	Needs   []string `json:"needs,omitempty"` // what a koweld must know to use it
	Quirk   string   `json:"quirk"`           // its key
	Title   string   `json:"title,omitempty"`
	File    string   `json:"file,omitempty"` // where it was read
	Done    []Done   `json:"done,omitempty"`
	// Left are files that nobody may have any more, some time.
	Left []Left `json:"left,omitempty"`
	// Once are the cleanups whose messages were given and triggers activated.
	Once    []string     `json:"once,omitempty"`
	Unknown unknown.Keys `json:"-"`
}

// Done is one action that holds. One of its fields is set, or none: a later koweld
// wrote it.
type Done struct {
	Divert  *Diverted    `json:"divert,omitempty"`
	Mirror  *Mirrored    `json:"mirror,omitempty"`
	Said    *Said        `json:"said,omitempty"`
	Unknown unknown.Keys `json:"-"`
}

// Diverted is a diversion that was made.
type Diverted struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Package   string `json:"package,omitempty"` // "" for local
	Protected bool   `json:"protected,omitempty"`
	Moved     bool   `json:"moved,omitempty"` // its file went along
	// Target and Stale are what becomes of the files at To and From.
	Target Fate `json:"target,omitempty"`
	Stale  Fate `json:"stale,omitempty"`
	// Behind is the digest of the file that lay at From, and stayed there, when
	// the diversion was made, and Version that of the package whose it was.
	Behind  string `json:"behind,omitempty"`
	Version string `json:"version,omitempty"`
	// Found is the digest of the file that lay at To already: no package's doing.
	Found   string       `json:"found,omitempty"`
	Unknown unknown.Keys `json:"-"`
}

func (d *Diverted) diversion() Diversion { return Diversion{d.From, d.To, d.Package} }

// Mirrored is a second name that was made.
type Mirrored struct {
	From    string       `json:"from"`
	To      string       `json:"to"`
	Link    bool         `json:"link,omitempty"`
	SHA256  string       `json:"sha256"`
	Unknown unknown.Keys `json:"-"`
}

// Said is a message that was given.
type Said struct {
	Text    string       `json:"text"`
	Unknown unknown.Keys `json:"-"`
}

// Left is a file that a diversion leaves behind when it ends: of use as long as
// the package is there in the version, and nobody's afterwards.
type Left struct {
	Path    string       `json:"path"`
	SHA256  string       `json:"sha256"`
	Package string       `json:"package,omitempty"`
	Version string       `json:"version,omitempty"`
	Unknown unknown.Keys `json:"-"`
}

// isEmpty reports whether there is nothing to remember.
func (r *Record) isEmpty() bool {
	return len(r.Done) == 0 && len(r.Left) == 0 && len(r.Once) == 0 && len(r.Unknown) == 0
}

// clone is a copy whose lists can be changed.
func (r *Record) clone() *Record {
	if r == nil {
		return nil
	}
	c := *r
	c.Done, c.Left, c.Once = slices.Clone(r.Done), slices.Clone(r.Left), slices.Clone(r.Once)
	return &c
}

// ErrNewer says that a newer koweld wrote a record.
var ErrNewer = errors.New("a newer koweld wrote it")

// DecodeRecord reads a record. The error is ErrNewer, or says what is damaged.
func DecodeRecord(data []byte) (*Record, error) {
	var head struct {
		Version int      `json:"koweld"`
		Needs   []string `json:"needs"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("cannot read the record of a quirk: %v", err)
	}
	if head.Version > RecordVersion || len(head.Needs) > 0 {
		return nil, ErrNewer
	}
	if head.Version != RecordVersion {
		return nil, fmt.Errorf("cannot read the record of a quirk: it says version %d", head.Version)
	}
	r := new(Record)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("cannot read the record of a quirk: %v", err)
	}
	if r.Quirk == "" {
		return nil, errors.New("cannot read the record of a quirk: it does not say of which")
	}
	return r, nil
}

// EncodeRecord writes a record. The same record gives the same bytes.
func EncodeRecord(r *Record) ([]byte, error) {
	r.Version = RecordVersion
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// The aliases drop the methods, so that encoding does not recurse.
type (
	plainRecord   Record
	plainDone     Done
	plainDiverted Diverted
	plainMirrored Mirrored
	plainSaid     Said
	plainLeft     Left
)

// UnmarshalJSON reads a record with the keys that this koweld does not know.
func (r *Record) UnmarshalJSON(data []byte) error {
	*r = Record{}
	if err := json.Unmarshal(data, (*plainRecord)(r)); err != nil {
		return err
	}
	return unknown.Keep(data, r)
}

func (r Record) MarshalJSON() ([]byte, error)   { return unknown.Merge(plainRecord(r), r.Unknown) }
func (d Done) MarshalJSON() ([]byte, error)     { return unknown.Merge(plainDone(d), d.Unknown) }
func (d Diverted) MarshalJSON() ([]byte, error) { return unknown.Merge(plainDiverted(d), d.Unknown) }

func (m Mirrored) MarshalJSON() ([]byte, error) { return unknown.Merge(plainMirrored(m), m.Unknown) }
func (s Said) MarshalJSON() ([]byte, error)     { return unknown.Merge(plainSaid(s), s.Unknown) }
func (l Left) MarshalJSON() ([]byte, error)     { return unknown.Merge(plainLeft(l), l.Unknown) }
