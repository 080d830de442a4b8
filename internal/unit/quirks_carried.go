package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"koweld/internal/fsys"
	"koweld/internal/txn"
	"koweld/quirks"
)

// A release upgrader may bring quirks along that no package here has. They must be
// known on each later occasion too, or the first hook of apt would take back what
// they hold: so their documents are kept beside the records, until the upgrade has
// ended and nothing is on record of them.

// planCarried plans which documents are kept from now on, and planEnded which are
// not any more.
func (s *System) planCarried(o Occasion) (*plan, error) {
	p := &plan{}
	if o.Carried == "" {
		return p, nil
	}
	names, err := s.quirkFiles(o.Carried)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if o.Stage == quirks.UpgradeEnd {
			needed, err := s.isOnRecord(name)
			if err != nil {
				return nil, err
			}
			if !needed {
				continue
			}
		}
		if err := s.planKeeping(p, name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (s *System) planEnded(o Occasion) (*plan, error) {
	p := &plan{}
	if o.Stage != quirks.UpgradeEnd && o.Stage != quirks.TakeBack {
		return p, nil
	}
	names, err := s.quirkFiles(quirkRecords)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		needed, err := s.isOnRecord(name)
		if err != nil {
			return nil, err
		}
		if needed {
			continue
		}
		info, err := s.FS.Lstat(name)
		if err != nil {
			return nil, fmt.Errorf("cannot look at %s: %w", name, err)
		}
		p.add(txn.Op{Kind: txn.Remove, Path: name, Was: txn.See(info)}, source{})
	}
	return p, nil
}

// planKeeping plans the copy of a document, if it is not so already.
func (s *System) planKeeping(p *plan, name string) error {
	data, err := s.readInput(name)
	if err != nil {
		return &QuirksError{Path: name, Err: err}
	}
	// One that cannot be read is told of, and would be on each later occasion: while it
	// is there nothing is taken back that may be of a quirk in it.
	host := quirks.Host{Arch: quirks.Arch{Name: s.Arch, Multiarch: s.Multiarch}}
	if _, err := quirks.Parse(quirks.Source{File: name, Data: data, Carried: true}, host); err != nil {
		return nil
	}
	to := keptPath(name)
	there, err := lstat(s.FS, to)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", to, err)
	}
	if there != nil {
		old, err := fsys.ReadFile(s.FS, to, fileLimit)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", to, err)
		}
		if string(old) == string(data) {
			return nil
		}
	}
	if err := s.planQuirkFolders(p); err != nil {
		return err
	}
	p.add(txn.Op{Kind: txn.Place, Path: to, Mode: 0o644, UID: s.UID, GID: s.GID, Was: seen(there)}, source{state: dataFile, data: data})
	return nil
}

// keptPath is where a document that is brought is kept.
func keptPath(name string) string { return path.Join(quirkRecords, path.Base(name)) }

// planQuirkFolders plans the folders of the records.
func (s *System) planQuirkFolders(p *plan) error {
	for _, dir := range []string{StateDir, quirkRecords} {
		if _, err := s.FS.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			p.add(txn.Op{Kind: txn.Mkdir, Path: dir, Mode: 0o755}, source{})
		} else if err != nil {
			return fmt.Errorf("cannot look at %s: %w", dir, err)
		}
	}
	return nil
}

// isOnRecord reports whether something is on record of a quirk of a document, or may
// be.
func (s *System) isOnRecord(name string) (bool, error) {
	entries, err := s.FS.ReadDir(quirkRecords)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot list the records of quirks: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		r, err := readQuirkRecord(s.FS, path.Join(quirkRecords, e.Name()))
		if err != nil || path.Base(r.File) == path.Base(name) {
			return true, nil
		}
	}
	return false, nil
}

// applyCarried carries out a plan of documents.
func (s *System) applyCarried(ctx context.Context, plan func(Occasion) (*plan, error), o Occasion) error {
	p, err := plan(o)
	if err != nil || len(p.ops) == 0 {
		return err
	}
	return s.apply(ctx, nil, p, &Change{Package: "quirks"})
}
