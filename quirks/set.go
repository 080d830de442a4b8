package quirks

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Set is all quirks of a system, sorted by key.
type Set struct {
	Quirks []*Quirk
	// Unreadable are the documents that could not be read. While there is one,
	// a record without a quirk may be of one in it, and is left alone.
	Unreadable []string
}

// Load reads documents, in their order. A quirk of the administrator takes the
// place of another of the same id, and one that is carried that of a shipped one;
// two others of one id are an error. What can be
// read is in the set, whatever the error, which joins those of each document.
func Load(all []Source, host Host) (*Set, error) {
	set := new(Set)
	var errs []error
	by := map[string]*Quirk{} // by key
	for rank := range 3 {
		for _, src := range all {
			if src.rank() != rank {
				continue
			}
			quirks, err := Parse(src, host)
			if err != nil {
				errs = append(errs, err)
				set.Unreadable = append(set.Unreadable, src.File)
				continue
			}
			errs = append(errs, set.add(by, quirks, rank > 0))
		}
	}
	for _, q := range by {
		set.Quirks = append(set.Quirks, q)
	}
	slices.SortFunc(set.Quirks, func(a, b *Quirk) int { return cmp.Compare(a.Key(), b.Key()) })
	return set, errors.Join(errs...)
}

func (s *Set) add(by map[string]*Quirk, quirks []*Quirk, replace bool) error {
	if replace { // by one for all architectures, or it says so
		for _, q := range quirks {
			for key, old := range by {
				if old.ID == q.ID && old.File != q.File {
					delete(by, key)
				}
			}
		}
	}
	var errs []error
	for _, q := range quirks {
		if old := by[q.Key()]; old != nil {
			errs = append(errs, &TwiceError{q.ID, old.File, q.File})
			continue
		}
		by[q.Key()] = q
	}
	return errors.Join(errs...)
}

// TwiceError says that two documents have a quirk of the same id. The first one
// is used.
type TwiceError struct {
	ID            string
	File, Another string
}

func (e *TwiceError) Error() string {
	return fmt.Sprintf("cannot use the quirk %s of %s: %s has one of this id", e.ID, e.Another, e.File)
}

// Hint says what to do.
func (e *TwiceError) Hint() string { return "give one of them another id" }

// Find is the quirk of a key; nil if there is none.
func (s *Set) Find(key string) *Quirk {
	i, found := slices.BinarySearchFunc(s.Quirks, key, func(q *Quirk, key string) int { return cmp.Compare(q.Key(), key) })
	if !found {
		return nil
	}
	return s.Quirks[i]
}

// Needs says what must be measured to decide all quirks, and all records.
func (s *Set) Needs(records []*Record) *Needs {
	n := new(Needs)
	for _, q := range s.Quirks {
		n.quirk(q)
	}
	for _, r := range records {
		n.record(r)
	}
	return n
}

// Decide decides all quirks, and the records of those that are gone, sorted by key.
func (s *Set) Decide(f *Facts, records []*Record, stage Stage) []Decision {
	by := map[string]*Record{}
	for _, r := range records {
		by[r.Quirk] = r
	}
	var all []Decision
	for _, q := range s.Quirks {
		all = append(all, Decide(q, f, by[q.Key()], stage))
		delete(by, q.Key())
	}
	for _, r := range by {
		if len(s.Unreadable) > 0 {
			all = append(all, unreadable(r, s.Unreadable, stage))
			continue
		}
		all = append(all, Decide(nil, f, r, stage))
	}
	slices.SortFunc(all, func(a, b Decision) int { return cmp.Compare(a.Quirk, b.Quirk) })
	return all
}

// unreadable leaves a record alone whose quirk may be in a document that cannot
// be read.
func unreadable(r *Record, files []string, stage Stage) Decision {
	return Decision{
		Quirk: r.Quirk, Title: r.Title, File: r.File, Stage: stage, State: Unsure,
		Why:    fmt.Sprintf("its document may be one that cannot be read: %s", either(files)),
		Record: r,
	}
}
