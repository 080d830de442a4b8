package txn

import (
	"context"
	"fmt"
	"path"
)

// RemoveInPlace does removals, in the order of the operations, on a disk that
// has no room for a journal. Each file goes at once, so depmod finds the room
// that it needs; an index that cannot be made all the same is a warning: it
// then names what is gone.
//
// This is no transaction: it is not taken back. The caller puts the record of
// what is removed last, so whoever finds a run that was killed knows all that
// is left to remove. On an *OpenError some of it is gone; on any other error
// nothing is.
func (m *Manager) RemoveInPlace(ctx context.Context, unit string, ops []Op) (warnings []string, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("cannot go on: %w", err)
	}
	if err := (&Tx{m: m, ops: ops}).precheck(); err != nil {
		return nil, err
	}
	for i, o := range ops {
		switch o.Kind {
		case Remove:
			err = m.removeNow(o)
		case Rmdir:
			if err = rmdir(m.FS, o.Path); err == nil {
				err = syncDirs(m.FS, ops[i:i+1], nil)
			}
		case Depmod:
			if _, err := m.depmod(ctx, o); err != nil {
				warnings = append(warnings, fmt.Sprintf("%v; run depmod %s", err, o.Kernel))
			}
		default:
			err = fmt.Errorf("it needs room: %s", o)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("cannot remove %s: %w", o.Path, err)
		if i == 0 {
			return nil, err
		}
		return warnings, &OpenError{Journal: unit + " (it has no journal)", Err: err}
	}
	return warnings, nil
}

// removeNow removes a file that is still what it was.
func (m *Manager) removeNow(o Op) error {
	if err := (&Tx{m: m, ops: []Op{o}}).precheck(); err != nil {
		return err
	}
	if err := m.FS.Unlink(o.Path); err != nil {
		return err
	}
	return m.FS.SyncDir(path.Dir(o.Path))
}
