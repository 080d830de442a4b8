package unit

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"

	"koweld/internal/store"
)

// Status is what is known of one package.
type Status struct {
	*store.Record
	// Interrupted says that a run for it did not end.
	Interrupted bool
	// Altered lists the files that are not as they were placed, by a look
	// at size, time and inode only.
	Altered []Difference
	// Inputs says how the inputs are not those that it was formed of, by a look
	// at size and time only; "" if they are.
	Inputs string
}

// MarshalJSON writes the record with what else is known as further keys. The
// record's own MarshalJSON, which is promoted, would leave those out.
func (s Status) MarshalJSON() ([]byte, error) {
	record, err := json.Marshal(s.Record)
	if err != nil {
		return nil, err
	}
	more, err := json.Marshal(struct {
		Interrupted bool         `json:"interrupted"`
		Altered     []Difference `json:"altered,omitempty"`
		Inputs      string       `json:"inputs_now,omitempty"`
	}{s.Interrupted, s.Altered, s.Inputs})
	return append(append(record[:len(record)-1], ','), more[1:]...), err
}

// Status tells what is installed. It needs no lock and no privilege, and it
// reads no placed file.
func (s *System) Status(pkgs []string) ([]Status, error) {
	everything := len(pkgs) == 0
	pkgs, err := s.known(pkgs)
	if err != nil {
		return nil, err
	}
	var all []Status
	inFlight, err := s.txn().InFlight()
	if errors.Is(err, fs.ErrPermission) {
		err = nil // the journal is root's
	}
	errs := []error{err}
	if everything {
		pkgs = union(pkgs, inFlight)
	}
	for _, pkg := range pkgs {
		r, err := s.store().Load(pkg)
		interrupted := slices.Contains(inFlight, pkg)
		switch {
		case err == nil && r == nil && interrupted:
			r = &store.Record{Package: pkg, State: "interrupted"}
		case err == nil && r == nil && everything:
			continue // another run has removed it since it was listed
		case err == nil && r == nil:
			err = &NoRecordError{Package: pkg}
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		st := Status{Record: r, Interrupted: interrupted}
		for i := range r.Files {
			rec := &r.Files[i]
			there, err := lstat(s.FS, rec.At())
			switch {
			case r.State == store.Removed && rec.Parked == "":
			case err != nil:
				errs = append(errs, err)
			case there == nil:
				st.Altered = append(st.Altered, Difference{Path: rec.At(), Problem: "is missing"})
			case !there.IsRegular() || there.Size != rec.Size || there.Mtime.UnixNano() != rec.Mtime:
				st.Altered = append(st.Altered, Difference{Path: rec.At(), Problem: "was touched since it was placed"})
			}
		}
		var ierr error
		st.Inputs, ierr = s.inputsNow(r)
		errs = append(errs, ierr)
		all = append(all, st)
	}
	return all, errors.Join(errs...)
}
