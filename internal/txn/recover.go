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
		err = m.drop(p.Ops)
	case switching:
		// Others may have run depmod since the run was killed, so the
		// index is made anew rather than put back, if that can be done.
		err = m.undo(p.Ops, p.staged, func(o Op) error { return m.reindex(ctx, o) })
	default:
		err = m.undo(p.Ops, nil, m.dropIndex)
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
func (m *Manager) finish(j *journal, ops []Op) error {
	_ = j.close()
	err := m.drop(ops)
	if err == nil {
		err = m.forgetName(j.name)
	}
	if err != nil {
		return &OpenError{Journal: j.name, Err: err}
	}
	return nil
}

// drop removes what the transaction replaced or removed.
func (m *Manager) drop(ops []Op) error {
	for _, o := range ops {
		var err error
		switch o.Kind {
		case Place:
			err = errors.Join(unlink(m.FS, o.Staged), unlink(m.FS, o.Staged+oldSuffix))
		case Remove:
			err = unlink(m.FS, o.Staged)
		case Depmod:
			err = m.dropIndex(o)
		}
		if err != nil {
			return fmt.Errorf("cannot drop what %s was: %w", o.Path, err)
		}
	}
	if err := syncDirs(m.FS, ops); err != nil {
		return err
	}
	for _, o := range ops {
		if o.Kind == Rmdir {
			if err := rmdir(m.FS, o.Path); err != nil {
				return fmt.Errorf("cannot remove folder %s: %w", o.Path, err)
			}
		}
	}
	return nil
}

// undo takes back whatever of the operations was done, in reverse order. It
// looks at what is there and not at how far the run came, so it can be
// repeated. staged is nil if no name was switched; index takes back what
// depmod did, after the files are back.
func (m *Manager) undo(ops []Op, staged []Digest, index func(Op) error) error {
	for i, o := range slices.Backward(ops) {
		var err error
		switch o.Kind {
		case Place:
			var d Digest
			if staged != nil {
				d = staged[i]
			}
			err = m.undoPlace(o, d)
		case Remove:
			err = m.undoRemove(o)
		}
		if err != nil {
			return fmt.Errorf("cannot take back %s: %w", o.Path, err)
		}
	}
	for _, o := range ops {
		if o.Kind == Depmod {
			if err := index(o); err != nil {
				return fmt.Errorf("cannot take back the module index of %s: %w", o.Kernel, err)
			}
		}
	}
	if err := syncDirs(m.FS, ops); err != nil {
		return err
	}
	for _, o := range slices.Backward(ops) {
		if o.Kind == Mkdir {
			if err := rmdir(m.FS, o.Path); err != nil {
				return fmt.Errorf("cannot take back folder %s: %w", o.Path, err)
			}
		}
	}
	return nil
}

// undoPlace puts the old file back if the new one is at the target, and
// deletes the new one. Which is which is told by the bytes: an inode number
// does not outlive every remount of an overlay.
func (m *Manager) undoPlace(o Op, d Digest) error {
	isNew, err := m.holds(o.Path, o, d)
	if err != nil {
		return err
	}
	if isNew {
		if o.Was == nil {
			return unlink(m.FS, o.Path)
		}
		for _, old := range []string{o.Staged, o.Staged + oldSuffix} {
			err := m.FS.Rename(old, o.Path)
			if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return errors.New("the old file is gone")
	}
	for _, name := range []string{o.Staged, o.Staged + oldSuffix} {
		if err := unlink(m.FS, name); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether name is the file that the operation staged.
func (m *Manager) holds(name string, o Op, d Digest) (bool, error) {
	if d.SHA256 == "" {
		return false, nil
	}
	info, err := m.FS.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.IsRegular() || info.Size != d.Size || info.Mode.Perm() != fs.FileMode(o.Mode) ||
		info.UID != o.UID || info.GID != o.GID {
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

func (m *Manager) undoRemove(o Op) error {
	if _, err := m.FS.Lstat(o.Staged); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return m.FS.RenameNoReplace(o.Staged, o.Path)
}

// unlink removes a name that may be gone already, with its folder perhaps.
func unlink(fsx fsys.FS, name string) error {
	if err := fsx.Unlink(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// rmdir removes a folder unless somebody else put something into it.
func rmdir(fsx fsys.FS, name string) error {
	err := fsx.Rmdir(name)
	if err == nil {
		err = fsx.SyncDir(path.Dir(name))
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
