package txn

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"

	"koweld/internal/fsys"
)

// comesFree reports whether an operation of the transaction takes the name from
// a file.
func (tx *Tx) comesFree(name string) bool {
	for _, o := range tx.ops {
		if (o.Kind == Move || o.Kind == Remove) && o.Path == name {
			return true
		}
	}
	return false
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
		return m.FS.RenameNoReplace(o.To, o.Path)
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
