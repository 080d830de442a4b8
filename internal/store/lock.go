package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// LockedError says that another program is at work.
type LockedError struct {
	Lock   string // what it holds; "" for koweld's lock
	Holder string // who holds it, e.g. "process 1234"
}

func (e *LockedError) Error() string {
	lock := e.Lock
	if lock == "" {
		lock = "the lock"
	}
	return "cannot take " + lock + ": " + e.Holder + " holds it"
}

// Hint says what to do.
func (e *LockedError) Hint() string { return "nothing was changed; try again, or use --wait" }

// Lock is the right to change anything. One process has it.
type Lock struct {
	s *Store
	f fsys.File
}

// Lock takes the lock: see [Await].
func (s *Store) Lock(ctx context.Context, wait time.Duration, waiting func(holder string)) (l *Lock, err error) {
	err = Await(ctx, wait, waiting, func() error {
		l, err = s.tryLock()
		return err
	})
	return l, err
}

// poll is how often a held lock is tried, and nag when its holder is named.
const (
	poll = 100 * time.Millisecond
	nag  = 5 * time.Second
)

// Await tries to take a lock until that is no *LockedError. It waits for wait, or
// until ctx ends if wait is negative; after five seconds it says once, by waiting,
// who holds the lock.
func Await(ctx context.Context, wait time.Duration, waiting func(holder string), try func() error) error {
	var waited time.Duration
	for {
		err := try()
		var locked *LockedError
		if !errors.As(err, &locked) {
			return err
		}
		if wait >= 0 && waited >= wait {
			return err
		}
		if waited == nag && waiting != nil {
			waiting(locked.Holder)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(poll):
			waited += poll
		}
	}
}

func (s *Store) lockPath() string { return path.Join(s.Dir, "lock") }

func (s *Store) tryLock() (*Lock, error) {
	for tries := 1; ; tries++ {
		f, err := s.openLock()
		if errors.Is(err, fs.ErrNotExist) && tries < races {
			continue // the last holder removed the folder meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("cannot take the lock: %w", err)
		}
		if err := f.Lock(); err != nil {
			holder := s.holder(f)
			_ = f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, &LockedError{Holder: holder}
			}
			return nil, fmt.Errorf("cannot take the lock: %w", err)
		}
		// The last holder may have removed the file between our open and
		// our lock; then it guards nothing.
		mine, err := f.Stat()
		if err == nil {
			var there fsys.Info
			there, err = s.FS.Lstat(s.lockPath())
			if err == nil && mine.SameFile(there) {
				s.sign(f)
				return &Lock{s: s, f: f}, nil
			}
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot take the lock: %w", err)
		}
	}
}

// races is how many holders may remove the folder under us before we take it
// for one that cannot be made.
const races = 1000

// openLock opens the lock file and makes the state folder. A folder in which
// no file can be made goes again, if it is empty.
func (s *Store) openLock() (fsys.File, error) {
	if _, err := fsys.MkdirAll(s.FS, s.Dir, 0o755); err != nil {
		return nil, err
	}
	f, err := s.FS.OpenAppend(s.lockPath(), 0o644)
	if err != nil {
		_ = s.FS.Rmdir(s.Dir)
	}
	return f, err
}

// sign writes our process ID into the lock, for people.
//
// A full disk must not keep us from removing something: where files are copied on
// write, even to truncate one takes room.
func (s *Store) sign(f fsys.File) {
	if err := f.Truncate(0); err != nil {
		return
	}
	_, _ = fmt.Fprintf(f, "%d\n", unix.Getpid())
}

func (s *Store) holder(f fsys.File) string {
	var buf [32]byte
	n, _ := f.ReadAt(buf[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil {
		return "another koweld"
	}
	return fmt.Sprintf("process %d", pid)
}

// Release gives the lock back. What is empty of the state folder goes, so
// that nothing is left where nothing is placed.
func (l *Lock) Release() error {
	fsx, s := l.s.FS, l.s
	empty := true
	for _, dir := range []string{s.Packages(), s.Journal(), path.Join(s.Dir, "saved"), s.Quirks(), s.Scratch()} {
		if err := fsx.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			empty = false
		}
	}
	if empty {
		// In this order: while the file is there, it is locked.
		_ = fsx.Unlink(s.lockPath())
		_ = fsx.Rmdir(s.Dir)
	}
	// Nobody holds it: two builds of one image are to be the same.
	_ = l.f.Truncate(0)
	return l.f.Close()
}
