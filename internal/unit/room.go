package unit

import (
	"cmp"
	"errors"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/internal/store"
	"koweld/internal/tool"
	"koweld/internal/txn"
)

// noRoom reports whether a run was taken back since the disk is full: blocks,
// inodes, a quota or the limit of setrlimit(2).
func noRoom(err error) bool {
	var open *txn.OpenError
	if err == nil || errors.As(err, &open) {
		return false
	}
	full := []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EFBIG}
	var failed *tool.FailedError
	said := errors.As(err, &failed)
	return slices.ContainsFunc(full, func(e unix.Errno) bool {
		// Programs say it as strerror(3) does; their locale is C.
		return errors.Is(err, e) || said && strings.Contains(strings.ToLower(failed.Output), e.Error())
	})
}

// onlyRemoves reports whether a plan writes no file.
func (p *plan) onlyRemoves() bool {
	return !slices.ContainsFunc(p.ops, func(o txn.Op) bool { return o.Kind == txn.Place || o.Kind == txn.Mkdir })
}

// recordLast are the operations of a removal in an order that can end anywhere:
// while anything is left, the record is there and tells of it.
func (p *plan) recordLast(st *store.Store) []txn.Op {
	rank := func(o txn.Op) int {
		switch {
		case o.Kind == txn.Depmod:
			return 1
		case o.Kind == txn.Rmdir:
			return 2
		case path.Dir(o.Path) == st.Packages():
			return 3
		}
		return 0
	}
	ops := slices.Clone(p.ops)
	slices.SortStableFunc(ops, func(a, b txn.Op) int { return cmp.Compare(rank(a), rank(b)) })
	return ops
}

// modulesGone reports whether a recorded module is not there any more: a
// removal without a journal may have ended before the index followed it.
func (f *facts) modulesGone() bool {
	return slices.ContainsFunc(f.old.Files, func(file store.File) bool {
		return file.Module != nil && f.targets[file.Path].there == nil
	})
}
