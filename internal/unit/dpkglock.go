package unit

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/store"
)

// dpkgLocks are dpkg's, in the order in which they are taken: that of frontends,
// such as apt, and that of its database (dpkg, dpkg(1) and lib/dpkg/dbmodify.c).
var dpkgLocks = []string{"lock-frontend", "lock"}

// lockDpkg keeps dpkg from running. dpkg-divert takes no lock, so that of two
// that change the list at once one is lost. Inside a run of dpkg what is held
// is held for us. Nothing may open the files of the locks again: to close one
// would give the lock back (fcntl(2)).
func (s *System) lockDpkg(ctx context.Context, wait time.Duration) (release func(), err error) {
	dir, err := s.dpkgDir("dpkg-divert")
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, &NoDpkgError{}
	}
	var held []fsys.File
	release = func() {
		for _, f := range held {
			_ = f.Close()
		}
	}
	waiting := func(holder string) { s.observe(Event{Kind: Waiting, Name: holder}) }
	for _, name := range dpkgLocks {
		err := store.Await(ctx, wait, waiting, func() error {
			f, err := s.tryDpkg(path.Join(dir, name))
			if f != nil {
				held = append(held, f)
			}
			return err
		})
		if err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// NoDpkgError says that there is no dpkg in the root.
type NoDpkgError struct{}

func (e *NoDpkgError) Error() string {
	return "cannot find dpkg's database: there is no " + dpkgAdminDir
}

// Hint says what to do.
func (e *NoDpkgError) Hint() string { return "give the root of a Debian system with --root" }

// tryDpkg takes one lock of dpkg's; nil without error if dpkg holds it for us.
func (s *System) tryDpkg(name string) (fsys.File, error) {
	f, err := s.FS.OpenAppend(name, 0o640)
	if err != nil {
		return nil, fmt.Errorf("cannot take dpkg's lock: %w", err)
	}
	holder, err := f.LockRecord()
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	switch {
	case !errors.Is(err, unix.EWOULDBLOCK):
		return nil, fmt.Errorf("cannot take dpkg's lock: %w", err)
	case s.InDpkg:
		return nil, nil
	case holder == 0:
		return nil, &store.LockedError{Lock: "dpkg's lock " + name, Holder: "another process"}
	}
	return nil, &store.LockedError{Lock: "dpkg's lock " + name, Holder: fmt.Sprintf("process %d", holder)}
}
