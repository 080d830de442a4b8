// Package store keeps what koweld knows: a record for each package, the lock,
// and the originals that were replaced.
//
// A record says what was really done for a package. It is the only source of
// removal: the manifest may have changed or be gone. Records are written by
// the transaction that they describe, never by this package.
package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"koweld/internal/fsys"
)

// Version of the records that this koweld writes.
const Version = 1

// recordLimit bounds what is read of a record, in bytes.
const recordLimit = 256 << 20

// Store is koweld's state folder.
type Store struct {
	FS  fsys.FS
	Dir string // e.g. /var/lib/koweld
}

// Journal is the folder of the journals.
func (s *Store) Journal() string { return path.Join(s.Dir, "journal") }

// Packages is the folder of the records.
func (s *Store) Packages() string { return path.Join(s.Dir, "packages") }

// Quirks is the folder of what is known of quirks.
func (s *Store) Quirks() string { return path.Join(s.Dir, "quirks") }

// Saved is the folder of what a package replaced or an admin changed.
func (s *Store) Saved(pkg string) string { return path.Join(s.Dir, "saved", pkg) }

// SavedAgain is the n-th such folder, from 2 on, for an original whose name in
// those before it is taken. No package has a name with ~ in it, and what lies
// below tells by its name alone where it belongs.
func (s *Store) SavedAgain(pkg string, n int) string { return fmt.Sprintf("%s~%d", s.Saved(pkg), n) }

// Scratch is a folder for what no one needs after the run.
func (s *Store) Scratch() string { return path.Join(s.Dir, "scratch") }

// RecordPath is where the record of a package lies.
func (s *Store) RecordPath(pkg string) string { return path.Join(s.Packages(), pkg+".json") }

// SumsPath is where the digests of a package's files lie, as sha256sum -z
// writes them, so that a postrm can remove them without koweld. It has to turn
// each NUL into a newline first: sha256sum -c refuses -z.
func (s *Store) SumsPath(pkg string) string { return path.Join(s.Packages(), pkg+".sha256") }

// NewerError says that a newer koweld wrote a record.
type NewerError struct {
	Path string
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("cannot use %s: a newer koweld wrote it", e.Path)
}

// Hint says what to do.
func (e *NewerError) Hint() string { return "install the newer koweld again" }

// DamagedError says that a record cannot be read as one.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("cannot read record %s: %v", e.Path, e.Err) }
func (e *DamagedError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *DamagedError) Hint() string {
	if errors.Is(e.Err, fs.ErrPermission) {
		return "" // it is whole, as far as anybody knows
	}
	return "move the record away and install the package again; " +
		"the .sha256 file beside it lists what was placed"
}

// Load reads the record of a package; nil if there is none.
func (s *Store) Load(pkg string) (*Record, error) {
	name := s.RecordPath(pkg)
	data, err := fsys.ReadFile(s.FS, name, recordLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &DamagedError{Path: name, Err: err}
	}
	r, err := Decode(data)
	if errors.Is(err, errNewer) {
		return nil, &NewerError{Path: name}
	}
	if err != nil {
		return nil, &DamagedError{Path: name, Err: err}
	}
	if r.Package != pkg {
		return nil, &DamagedError{Path: name, Err: fmt.Errorf("it is of package %q", r.Package)}
	}
	return r, nil
}

// List returns the packages that have a record, sorted.
func (s *Store) List() ([]string, error) {
	entries, err := s.FS.ReadDir(s.Packages())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the records: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	return names, nil
}

// LoadAll reads every record, sorted by package. Records that cannot be read
// are errors beside the others.
func (s *Store) LoadAll() ([]*Record, error) {
	names, err := s.List()
	errs := []error{err}
	var all []*Record
	for _, name := range names {
		r, err := s.Load(name)
		errs = append(errs, err)
		if r != nil {
			all = append(all, r)
		}
	}
	return all, errors.Join(errs...)
}

// DecodeSums reads what [EncodeSums] wrote: digests by path. What is no such line is
// left out.
func DecodeSums(data []byte) map[string]string {
	sums := make(map[string]string)
	for line := range strings.SplitSeq(string(data), "\x00") {
		if sum, name, ok := strings.Cut(line, "  "); ok && len(sum) == 64 && path.IsAbs(name) {
			sums[name] = sum
		}
	}
	return sums
}

var errNewer = errors.New("a newer koweld wrote it")

// Decode reads a record.
func Decode(data []byte) (*Record, error) {
	if r := decodeOurs(data); r != nil {
		return r, nil
	}
	var head struct {
		Version int      `json:"koweld"`
		Needs   []string `json:"needs"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Version > Version || len(head.Needs) > 0 {
		return nil, errNewer
	}
	if head.Version != Version {
		return nil, fmt.Errorf("it says version %d", head.Version)
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// decodeOurs reads a record of this version with no key that it does not know,
// as they are as a rule, in one pass; nil for all else. A record of thousands
// of modules has megabytes.
func decodeOurs(data []byte) *Record {
	var r Record
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if d.Decode((*plainRecord)(&r)) != nil || r.Version != Version || len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return nil
	}
	return &r
}

// Encode writes a record. The same record gives the same bytes.
func Encode(r *Record) ([]byte, error) {
	r.Version = Version
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// EncodeSums writes the digests of a record's files, and behind them those of
// the originals that are saved, as sha256sum -z does. A removed file that was
// not kept is not listed.
func EncodeSums(r *Record) []byte {
	var b []byte
	for i := range r.Files {
		if f := &r.Files[i]; r.State != Removed || f.Parked != "" {
			b = fmt.Appendf(b, "%s  %s\x00", f.SHA256, f.At())
		}
	}
	for i := range r.Files {
		if o := r.Files[i].Original; o != nil {
			b = fmt.Appendf(b, "%s  %s\x00", o.SHA256, o.Saved)
		}
	}
	return b
}
