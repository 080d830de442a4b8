package unit

import (
	"errors"
	"io/fs"
	"slices"

	"koweld/internal/store"
)

// Status is what is known of one package.
type Status struct {
	*store.Record
	// Interrupted says that a run for it did not end.
	Interrupted bool `json:"interrupted,omitempty"`
	// Altered lists the files that are not as they were placed, by a look
	// at size, time and inode only.
	Altered []Difference `json:"altered,omitempty"`
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
	for _, unit := range inFlight {
		if _, known := slices.BinarySearch(pkgs, unit); !known && everything {
			all = append(all, Status{Record: &store.Record{Package: unit, State: "interrupted"}, Interrupted: true})
		}
	}
	for _, pkg := range pkgs {
		r, err := s.store().Load(pkg)
		if err == nil && r == nil {
			err = &NoRecordError{Package: pkg}
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		st := Status{Record: r, Interrupted: slices.Contains(inFlight, pkg)}
		for i := range r.Files {
			rec := &r.Files[i]
			there, err := lstat(s.FS, rec.Path)
			switch {
			case err != nil:
				errs = append(errs, err)
			case there == nil:
				st.Altered = append(st.Altered, Difference{Path: rec.Path, Problem: "is missing"})
			case !there.IsRegular() || there.Size != rec.Size || there.Mtime.UnixNano() != rec.Mtime:
				st.Altered = append(st.Altered, Difference{Path: rec.Path, Problem: "was touched since it was placed"})
			}
		}
		all = append(all, st)
	}
	return all, errors.Join(errs...)
}
