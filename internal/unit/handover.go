package unit

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/manifest"
)

// A package that replaces another takes over the targets of its unit: in one
// transaction they leave the one record and come into the other.

// lookAtDonors compares what other units give with their records.
func (s *System) lookAtDonors(f *facts, m *manifest.Manifest, d depth) error {
	for i := range f.wants {
		w := &f.wants[i]
		t := f.targets[w.path]
		if t.donor == nil || t.owner != "" {
			continue
		}
		if err := s.compare(t, t.rec, d); err != nil {
			return err
		}
		if t.intact {
			current, err := s.isCurrent(w, t.rec, m, t.donor)
			if err != nil {
				return err
			}
			t.current = current
		}
		if o := t.rec.Original; o != nil {
			if err := s.lookAt(f, o.Saved); err != nil {
				return err
			}
		}
		if f.donors == nil {
			f.donors = make(map[string]*store.Record)
		}
		if f.donors[t.donor.Package] == nil {
			f.donors[t.donor.Package] = t.donor
			if err := s.recordFacts(f, t.donor.Package); err != nil {
				return fmt.Errorf("cannot take over from %s: %w", t.donor.Package, err)
			}
		}
	}
	return nil
}

// takeOver moves what belongs to a target that another unit gives: its original
// and its share in the folders that were made for it.
func (f *facts) takeOver(p *plan, t *target, file *store.File) {
	if t.donor == nil {
		return
	}
	f.shareFolders(p, t.path)
	if file.Original == nil {
		return
	}
	given := *file.Original
	file.Original = &given
	saved := f.targets[given.Saved]
	if saved.there == nil {
		return
	}
	given.Saved = f.savedOriginal(t.path)
	f.mkdirs(p, path.Dir(given.Saved))
	p.add(txn.Op{
		Kind: txn.Place, Path: given.Saved, Mode: uint32(given.Mode), UID: given.UID, GID: given.GID,
	}, source{copy: saved.path, meta: &given})
	f.removeSaved(p, saved)
}

// leaveDonors plans what is left of the records of those that gave.
func (f *facts) leaveDonors(p *plan) {
	taken := make(map[string]bool)
	for i := range f.wants {
		if t := f.targets[f.wants[i].path]; t.donor != nil {
			taken[t.path] = true
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(f.donors)) {
		donor := f.donors[pkg]
		left := *donor
		left.Files = slices.DeleteFunc(slices.Clone(donor.Files), func(file store.File) bool { return taken[file.Path] })
		if len(left.Files) > 0 {
			f.placeState(p, &left)
			continue
		}
		f.removeState(p, donor.Package)
		for _, e := range donor.Pending {
			if donor.Kernel == p.record.Kernel && !slices.Contains(f.inherited, e) {
				f.inherited = append(f.inherited, e)
			}
		}
	}
}
