package unit

import (
	"context"
	"fmt"
	"io/fs"

	"koweld/divert"
	"koweld/internal/fsys"
	"koweld/internal/txn"
)

// Diversions measures what dpkg diverts on the system, koweld's own and all
// others, and what is known of the names of some wants. Nothing is changed.
func (s *System) Diversions(ctx context.Context, wants ...divert.Want) (*divert.State, error) {
	db, err := s.dpkg()
	if err != nil {
		return nil, err
	}
	sys := divert.System{FS: s.FS, DB: db}
	if db != nil {
		sys.Admin = dpkgAdminDir
	}
	return divert.Measure(ctx, sys, wants...)
}

// Diverted is what became of a wanted state.
type Diverted struct {
	Want   divert.Want
	Layout divert.Usr
	// Steps are those that were done, or in a dry run would be; none if it was
	// so already.
	Steps []divert.Step
}

// diversionsUnit is the name of a transaction that is not a unit's.
const diversionsUnit = "diversions"

// Divert makes wanted states true, each in a transaction of its own. All are
// planned first, so that nothing is done if one of them is refused as things are.
func (s *System) Divert(ctx context.Context, wants []divert.Want, opts Options) ([]Diverted, error) {
	if opts.DryRun {
		return s.planDiverts(ctx, wants)
	}
	var done []Diverted
	err := s.lockedWithDpkg(ctx, func() error {
		if len(wants) > 1 {
			if _, err := s.planDiverts(ctx, wants); err != nil {
				return err
			}
		}
		for _, w := range wants {
			d, err := s.divert(ctx, w)
			if err != nil {
				return err
			}
			done = append(done, *d)
		}
		return nil
	})
	return done, err
}

// lockedWithDpkg is locked for what changes dpkg's diversions.
func (s *System) lockedWithDpkg(ctx context.Context, do func() error) error {
	release, err := s.lockDpkg(ctx, s.Wait)
	if err != nil {
		return err
	}
	defer release()
	return s.underLock(ctx, func() error {
		if err := s.recover(ctx); err != nil {
			return err
		}
		return do()
	})
}

func (s *System) planDiverts(ctx context.Context, wants []divert.Want) ([]Diverted, error) {
	st, err := s.Diversions(ctx, wants...)
	if err != nil {
		return nil, err
	}
	var planned []Diverted
	for _, w := range wants {
		steps, err := divert.Plan(st, w)
		if err != nil {
			return nil, err
		}
		planned = append(planned, Diverted{w, st.Layout.Usr, steps})
	}
	return planned, nil
}

// divert makes one wanted state true. The caller has the locks.
func (s *System) divert(ctx context.Context, w divert.Want) (*Diverted, error) {
	st, err := s.Diversions(ctx, w)
	if err != nil {
		return nil, err
	}
	steps, err := divert.Plan(st, w)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	if err := s.addDivert(p, st, steps); err != nil {
		return nil, err
	}
	if len(p.ops) > 0 {
		c := &Change{Package: diversionsUnit}
		if err := s.apply(ctx, nil, p, c); err != nil {
			return nil, err
		}
		for _, text := range c.Warnings {
			s.observe(Event{Kind: Warning, Unit: diversionsUnit, Detail: text})
		}
	}
	return &Diverted{w, st.Layout.Usr, steps}, nil
}

// addDivert adds the operations of a plan of diversions to that of a transaction.
// st is what it was made from.
func (s *System) addDivert(p *plan, st *divert.State, steps []divert.Step) error {
	admin, err := s.dpkgDir("dpkg-divert")
	if err != nil {
		return err
	}
	for _, step := range steps {
		switch {
		case step.Record != nil:
			p.add(txn.Op{Kind: txn.Divert, Path: step.Record.From, Diversion: (*txn.Diversion)(step.Record), Folder: admin}, source{})
		case step.Forget != nil:
			p.add(txn.Op{Kind: txn.Divert, Path: step.Forget.From, Diversion: (*txn.Diversion)(step.Forget), Folder: admin, Forget: true}, source{})
		case step.Unlink != nil:
			info, err := s.asMeasured(st, step.Unlink.Name)
			if err != nil {
				return err
			}
			p.add(txn.Op{Kind: txn.Remove, Path: step.Unlink.Name, Was: txn.See(info)}, source{})
		case step.Move != nil:
			if err := s.addMove(p, st, step.Move); err != nil {
				return err
			}
		}
	}
	return nil
}

// addMove adds a move; to another file system it is a copy, which is faithful: a
// symbolic link stays one, and owner, mode, times and attributes are kept.
func (s *System) addMove(p *plan, st *divert.State, m *divert.Move) error {
	info, err := s.asMeasured(st, m.From)
	if err != nil {
		return err
	}
	if !m.Copy {
		p.add(txn.Op{Kind: txn.Move, Path: m.From, To: m.To, Was: txn.See(info)}, source{})
		return nil
	}
	place := txn.Op{Kind: txn.Place, Path: m.To, Mode: uint32(info.Mode.Perm() | info.Mode&specialBits), UID: info.UID, GID: info.GID}
	if info.Mode&fs.ModeSymlink != 0 {
		if place.Link, err = s.FS.Readlink(m.From); err != nil {
			return fmt.Errorf("cannot copy the link %s: %w", m.From, err)
		}
	}
	p.add(place, source{copy: m.From})
	p.add(txn.Op{Kind: txn.Remove, Path: m.From, Was: txn.See(info)}, source{})
	return nil
}

// asMeasured looks at a name and makes sure that what was measured is there.
func (s *System) asMeasured(st *divert.State, name string) (fsys.Info, error) {
	info, err := s.FS.Lstat(name)
	if err != nil {
		return info, fmt.Errorf("cannot look at %s: %w", name, err)
	}
	if n := st.Names[name]; n == nil || n.Ino != (divert.Inode{Dev: info.Dev, Ino: info.Ino}) {
		return info, &txn.ChangedError{Path: name}
	}
	return info, nil
}
