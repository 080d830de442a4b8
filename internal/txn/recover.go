package txn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// Recovered tells what became of a transaction that was in flight.
type Recovered struct {
	Unit   string
	Undone bool // taken back; else finished
}

// InFlight returns the units whose transaction did not end. It needs no lock
// and changes nothing.
func (m *Manager) InFlight() ([]string, error) {
	names, err := m.names()
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal: %w", err)
	}
	var units []string
	for _, name := range names {
		p, err := m.read(name)
		if err != nil {
			return nil, err
		}
		if p != nil {
			units = append(units, p.Unit)
		}
	}
	return units, nil
}

// Diverts reports whether a transaction in flight has changed dpkg's diversions,
// so that dpkg's locks are needed to end it. It needs no lock and changes nothing.
func (m *Manager) Diverts() (bool, error) {
	names, err := m.names()
	if err != nil {
		return false, fmt.Errorf("cannot read the journal: %w", err)
	}
	for _, name := range names {
		p, err := m.read(name)
		if err != nil {
			return false, err
		}
		if p != nil && p.state == switching && slices.ContainsFunc(p.Ops, func(o Op) bool { return o.Kind == Divert }) {
			return true, nil
		}
	}
	return false, nil
}

// Recover ends every transaction that was in flight: what had not switched is
// taken back, what had is finished. It is safe to kill and to repeat. The
// error is an *OpenError, a *NewerError or a *BrokenError; the others are
// recovered nevertheless.
func (m *Manager) Recover(ctx context.Context) ([]Recovered, error) {
	names, err := m.names()
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal: %w", err)
	}
	var done []Recovered
	var errs []error
	for _, name := range names {
		r, err := m.recoverOne(ctx, name)
		if err != nil {
			errs = append(errs, err)
		} else if r != nil {
			done = append(done, *r)
		}
	}
	return done, errors.Join(errs...)
}

func (m *Manager) read(name string) (*parsed, error) {
	data, err := fsys.ReadFile(m.FS, name, journalLimit)
	if err != nil {
		return nil, &OpenError{Journal: name, Err: err}
	}
	return parseJournal(name, data)
}

func (m *Manager) recoverOne(ctx context.Context, name string) (*Recovered, error) {
	p, err := m.read(name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		if err := m.forgetName(name); err != nil {
			return nil, &OpenError{Journal: name, Err: err}
		}
		return nil, nil
	}
	switch p.state {
	case switched:
		err = m.drop(p.Ops, nil)
	case switching:
		// Others may have run depmod since the run was killed, so the
		// index is made anew rather than put back, if that can be done.
		err = m.undo(ctx, p.Ops, p.switching, func(o Op, kept []string) error { return m.reindex(ctx, o, kept) })
	default:
		err = m.undo(ctx, p.Ops, nil, nil)
	}
	if err == nil {
		err = m.forgetName(name)
	}
	if err != nil {
		return nil, &OpenError{Journal: name, Err: err}
	}
	return &Recovered{Unit: p.Unit, Undone: p.state != switched}, nil
}

// finish drops the old bytes and the journal after the switch.
func (m *Manager) finish(j *journal, ops []Op, b batch) error {
	_ = j.close()
	err := m.drop(ops, b)
	if err == nil {
		err = m.forgetName(j.name)
	}
	if err != nil {
		return &OpenError{Journal: j.name, Err: err}
	}
	return nil
}

// clear removes whatever lies under the names that Begin chose.
func (m *Manager) clear(ops []Op) error {
	for _, o := range ops {
		var err error
		switch o.Kind {
		case Place:
			err = unlinkBoth(m.FS, o)
		case Remove:
			err = unlink(m.FS, o.Staged)
		case Depmod:
			err = m.dropIndex(o)
		}
		if err != nil {
			return fmt.Errorf("cannot clear up beside %s: %w", path.Join(o.Path, o.Folder), err)
		}
	}
	return nil
}

// drop removes what the transaction replaced or removed.
func (m *Manager) drop(ops []Op, b batch) error {
	if err := m.clear(ops); err != nil {
		return err
	}
	for _, o := range ops {
		if o.Kind == Rmdir {
			if err := rmdir(m.FS, o.Path); err != nil {
				return fmt.Errorf("cannot remove folder %s: %w", o.Path, err)
			}
		}
	}
	return syncDirs(m.FS, ops, b)
}

// undo takes back whatever of the operations was done, in reverse order. It
// looks at what is there and not at how far the run came, so it can be
// repeated. r is nil if no name was switched; index takes back what depmod
// did, after the files are back. One file that cannot be taken back does not
// keep the others from it.
func (m *Manager) undo(ctx context.Context, ops []Op, r *record, index func(o Op, kept []string) error) error {
	if r == nil {
		if err := m.clear(ops); err != nil {
			return err
		}
	} else if err := m.undoSwitch(ctx, ops, r, index); err != nil {
		return err
	}
	for _, o := range slices.Backward(ops) {
		if o.Kind == Mkdir {
			if err := rmdir(m.FS, o.Path); err != nil {
				return fmt.Errorf("cannot take back folder %s: %w", o.Path, err)
			}
		}
	}
	return syncDirs(m.FS, ops, nil)
}

func (m *Manager) undoSwitch(ctx context.Context, ops []Op, r *record, index func(o Op, kept []string) error) error {
	var errs []error
	for i, o := range slices.Backward(ops) {
		var err error
		switch {
		case o.Kind == Place && o.Was == nil:
			err = m.undoNew(o, r.Staged[i])
		case o.Kind == Place:
			err = m.undoReplace(o, r.Staged[i])
		case o.Kind == Remove:
			err = m.undoRemove(o)
		case o.Kind == Move:
			err = m.undoMove(o)
		case o.Kind == Divert:
			err = m.undoDivert(ctx, o)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot take back %s: %w", o.Path, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, o := range ops {
		if o.Kind == Depmod {
			if err := index(o, r.Index[i]); err != nil {
				return fmt.Errorf("cannot take back the module index of %s: %w", o.Kernel, err)
			}
		}
	}
	return nil
}

// undoNew removes a file that was placed where nothing was.
func (m *Manager) undoNew(o Op, d Digest) error {
	at, err := look(m.FS, o.Path)
	if err != nil {
		return err
	}
	staged, err := look(m.FS, o.Staged)
	if err != nil {
		return err
	}
	ours := false
	switch {
	case at == nil:
	case staged != nil: // not moved, or linked and not yet unlinked
		ours = at.SameFile(*staged)
	default:
		if ours, err = m.holds(o, o.Path, at, d); err != nil {
			return err
		}
	}
	if ours {
		if err := unlink(m.FS, o.Path); err != nil {
			return err
		}
	}
	return unlink(m.FS, o.Staged)
}

// undoReplace puts a file that was replaced back and removes the new one.
func (m *Manager) undoReplace(o Op, d Digest) error {
	at, err := look(m.FS, o.Path)
	if err != nil {
		return err
	}
	old, err := m.oldName(o, at, d)
	if err != nil {
		return err
	}
	if old != "" {
		if at != nil {
			ours, err := m.holds(o, o.Path, at, d)
			if err != nil {
				return err
			}
			if !ours {
				return &inTheWayError{Old: old}
			}
		}
		if err := m.FS.Rename(old, o.Path); err != nil {
			return err
		}
	}
	return unlinkBoth(m.FS, o)
}

// oldName is where the file lies that was replaced, or "" if it is still at
// its path. Inode, size and mtime tell it from the new one; the bytes decide
// where the inode has changed: on some overlays it does not outlive a remount.
func (m *Manager) oldName(o Op, at *fsys.Info, d Digest) (string, error) {
	if at != nil && *See(*at) == *o.Was {
		return "", nil
	}
	for _, name := range []string{o.Staged + oldSuffix, o.Staged} {
		info, err := look(m.FS, name)
		if err != nil {
			return "", err
		}
		if info == nil || at != nil && at.SameFile(*info) {
			continue
		}
		if *See(*info) == *o.Was {
			return name, nil
		}
		isNew, err := m.holds(o, name, info, d)
		if err != nil {
			return "", err
		}
		if !isNew {
			return name, nil
		}
	}
	return "", nil
}

// undoRemove gives a removed file its name back.
func (m *Manager) undoRemove(o Op) error {
	old, err := look(m.FS, o.Staged)
	if err != nil || old == nil {
		return err
	}
	at, err := look(m.FS, o.Path)
	if err != nil {
		return err
	}
	if at == nil {
		return m.FS.RenameNoReplace(o.Staged, o.Path)
	}
	if !at.SameFile(*old) {
		return &inTheWayError{Old: o.Staged}
	}
	return unlink(m.FS, o.Staged) // linked and not yet unlinked
}

// inTheWayError says that somebody put a file where an old one belongs while
// a transaction was open. Neither may be lost.
type inTheWayError struct {
	Old string // name of the old file
}

func (e *inTheWayError) Error() string {
	return "something else was put there; what belongs there is " + e.Old
}

// look is Lstat; nil for what is not there.
func look(fsx fsys.FS, name string) (*fsys.Info, error) {
	info, err := fsx.Lstat(name)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &info, nil
}

// holds reports whether name, of which info is known, has the staged bytes of o.
func (m *Manager) holds(o Op, name string, info *fsys.Info, d Digest) (bool, error) {
	if o.Link != "" {
		return m.leads(name, info, o.Link)
	}
	if !info.IsRegular() || info.Size != d.Size {
		return false, nil
	}
	sum, err := Sum(m.FS, name)
	return sum == d.SHA256, err
}

// Sum is the SHA-256 of a regular file, in hex.
func Sum(fsx fsys.FS, name string) (string, error) {
	f, err := fsx.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// gone reports whether an error says that a name is not there, perhaps since
// its folder is not there or is no folder any more.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// unlink removes a name that may be gone already, with its folder perhaps.
func unlink(fsx fsys.FS, name string) error {
	err := fsx.Unlink(name)
	if errors.Is(err, unix.EROFS) { // said even of what is not there
		if _, there := fsx.Lstat(name); gone(there) {
			return nil
		}
	}
	if gone(err) {
		return nil
	}
	return err
}

// unlinkBoth removes the two names that a replaced file may have.
func unlinkBoth(fsx fsys.FS, o Op) error {
	if err := unlink(fsx, o.Staged); err != nil {
		return err
	}
	return unlink(fsx, o.Staged+oldSuffix)
}

// rmdir removes a folder unless somebody else put something into it, mounted
// something on it or put something else in its place. The caller syncs.
func rmdir(fsx fsys.FS, name string) error {
	err := fsx.Rmdir(name)
	if errors.Is(err, unix.EROFS) { // said even of what is not there
		if _, there := fsx.Lstat(name); gone(there) {
			return nil
		}
	}
	if gone(err) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY) {
		return nil
	}
	return err
}
