package txn

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"

	"koweld/internal/fsys"
)

// frees returns the operation of the transaction that takes a name from the file
// that is there, so that another may have it; nil if none does.
func (tx *Tx) frees(name string) *Op {
	for i := range tx.ops {
		if o := &tx.ops[i]; (o.Kind == Move || o.Kind == Remove) && o.Path == name {
			return o
		}
	}
	return nil
}

// syncFreed makes durable where the file went whose name an operation takes.
func (tx *Tx) syncFreed(o Op) error {
	name := o.To
	if o.Kind == Place && o.Was == nil {
		name = o.Path
	}
	freed := tx.frees(name)
	if name == "" || freed == nil {
		return nil
	}
	return syncDirs(tx.m.FS, []Op{*freed}, nil)
}

// undoMove gives a file its old name back. What lies at the new one goes back
// even if it is not what was moved: then a package was unpacked meanwhile, which
// the diversion that is taken back as well has led there.
func (m *Manager) undoMove(o Op) error {
	at, err := look(m.FS, o.Path)
	if err != nil {
		return err
	}
	to, err := look(m.FS, o.To)
	switch {
	case err != nil || to == nil: // not moved, or removed since
		return err
	case at == nil:
		err = m.FS.RenameNoReplace(o.To, o.Path)
		if err == nil { // what is taken back next may come to that name
			err = syncDirs(m.FS, []Op{o}, nil)
		}
		return err
	case at.SameFile(*to) && at.Nlink > 1: // linked and not yet unlinked
		return unlink(m.FS, o.To)
	case at.SameFile(*to) || *See(*at) == *o.Was:
		return nil // both names have become one; or it was not moved
	case *See(*to) == *o.Was:
		return &inTheWayError{Old: o.To}
	}
	return nil
}

// stageSymlink makes the symbolic link of a Place. It is in its folder, which
// Commit makes durable.
func (tx *Tx) stageSymlink(o Op) (info fsys.Info, d Digest, err error) {
	sum := sha256.Sum256([]byte(o.Link))
	d = Digest{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(o.Link))}
	if err := tx.m.FS.Symlink(o.Link, o.Staged); err != nil {
		return info, d, fmt.Errorf("cannot make the link: %w", err)
	}
	info, err = tx.m.FS.Lstat(o.Staged)
	return info, d, err
}

// leads reports whether name, of which info is known, is a link to a target.
func (m *Manager) leads(name string, info *fsys.Info, target string) (bool, error) {
	if info.Mode&fs.ModeSymlink == 0 {
		return false, nil
	}
	to, err := m.FS.Readlink(name)
	return to == target, err
}
