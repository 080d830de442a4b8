// Package unit is the composition: it reads manifests, gathers facts, orders
// operations and runs one transaction for each unit.
//
// A unit is all that one manifest declares; it is applied as a whole or not
// at all. Every function can be repeated and resumed: what is there already
// is left alone, and a run that was killed is first taken back or finished.
package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"koweld/assemble"
	"koweld/internal/dpkg"
	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/internal/tool"
	"koweld/internal/txn"
	"koweld/manifest"
)

// Where things lie below a root.
const (
	StateDir     = "/var/lib/koweld"
	ManifestDir  = "/usr/share/koweld/manifests"
	dpkgAdminDir = "/var/lib/dpkg"
	modulesDir   = "/lib/modules"
)

// System is everything a run touches: the seams, made once in cmd.
type System struct {
	FS    fsys.FS
	Tool  tool.Runner
	Trust fsys.Trust
	Now   func() time.Time
	// Arch and Multiarch are Debian's names for the architecture.
	Arch, Multiarch string
	// Tuple is the multiarch tuple of another architecture, "" if it is not known;
	// nil: there is no other.
	Tuple func(arch string) string
	// UID and GID own what is placed: 0 and 0, but for a user's own root.
	UID, GID int
	// Procs and Memory (bytes) bound the modules welded at once.
	Procs  int
	Memory int64
	// Batch is [txn.Manager.Batch]; 0 for what is usual.
	Batch int
	// Wait is how long to wait for another koweld; negative: for ever.
	Wait time.Duration
	// InDpkg says that dpkg or its frontend runs us, and may hold dpkg's locks
	// for us.
	InDpkg bool
	// Epoch, if it is not zero, is the latest mtime of what is placed, and
	// what differs between two builds of an image is kept out of the records
	// (SOURCE_DATE_EPOCH).
	Epoch time.Time
	// Running says that the root is the running system, and Kernel which
	// kernel runs it (uname -r); "" elsewhere.
	Running bool
	Kernel  string
	// Observe is told what happens, one call at a time.
	Observe func(Event)
}

// Event is something that happened, for people.
type Event struct {
	Kind   EventKind
	Unit   string
	Name   string // module or path
	Detail string
	Size   int64 // bytes
	// Index of Total modules are welded.
	Index, Total int
}

// EventKind says what happened.
type EventKind string

// What can happen.
const (
	Recovered EventKind = "recovered" // an older run was ended
	Waiting   EventKind = "waiting"   // for the lock
	Welded    EventKind = "welded"    // a module is proven and staged
	Kept      EventKind = "kept"      // what is not ours is now at Detail, which may be its own name
	Saved     EventKind = "saved"     // an original cannot go back and stays at Detail
	Switched  EventKind = "switched"  // it is active in the place of Name
	Warning   EventKind = "warning"
)

func (s *System) observe(e Event) {
	if s.Observe != nil {
		s.Observe(e)
	}
}

func (s *System) store() *store.Store { return &store.Store{FS: s.FS, Dir: StateDir} }

func (s *System) txn() *txn.Manager {
	return &txn.Manager{FS: s.FS, Tool: s.Tool, Dir: s.store().Journal(), Batch: s.Batch, Diverter: diverter{s}}
}

func (s *System) welder() *assemble.Welder {
	return &assemble.Welder{
		FS: s.FS, Tool: s.Tool, Trust: s.Trust, Scratch: s.store().Scratch(), Procs: s.Procs, Now: s.Now(),
	}
}

// dpkg is the root's database; nil if it has none.
func (s *System) dpkg() (*dpkg.DB, error) {
	dir, err := s.dpkgDir("dpkg-query")
	if dir == "" || err != nil {
		return nil, err
	}
	return &dpkg.DB{Tool: s.Tool, AdminDir: s.FS.Host(dir)}, nil
}

// dpkgDir is the folder of dpkg's database for a program that uses it; "" if there
// is none. It is resolved: a program of the host would follow an absolute link out
// of the root.
func (s *System) dpkgDir(program string) (string, error) {
	dir, err := s.FS.Resolve(dpkgAdminDir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot find dpkg's database: %w", err)
	}
	return dir, txn.StaysInside(s.FS, program, dir, func(string) bool { return false })
}

// Load reads a manifest: a path below the root, or the name of a package.
func (s *System) Load(arg string) (*manifest.Manifest, error) {
	name := arg
	if !strings.HasPrefix(arg, "/") {
		name = path.Join(ManifestDir, arg+".yaml")
	}
	f, err := s.FS.OpenTrusted(name, s.Trust)
	if err != nil {
		return nil, &ManifestError{Arg: arg, Path: name, Err: err}
	}
	defer f.Close()
	data, err := readAll(f, manifestLimit)
	if err != nil {
		return nil, &ManifestError{Arg: arg, Path: name, Err: err}
	}
	m, err := manifest.Parse(name, data, manifest.Vars{
		Dir: path.Dir(name), Arch: s.Arch, Multiarch: s.Multiarch,
	})
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(arg, "/") && m.Package != arg {
		return nil, &ManifestError{Arg: arg, Path: name, Err: fmt.Errorf("it is of package %s", m.Package)}
	}
	return m, nil
}

// locked runs do under the lock, after ending whatever an older run left.
func (s *System) locked(ctx context.Context, do func() error) error {
	return s.underLock(ctx, func() error {
		if err := s.recoverAlone(ctx); err != nil {
			return err
		}
		return do()
	})
}

// underLock runs do under the lock.
func (s *System) underLock(ctx context.Context, do func() error) error {
	lock, err := s.store().Lock(ctx, s.Wait, func(holder string) {
		s.observe(Event{Kind: Waiting, Name: holder})
	})
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	return do()
}

// recoverAlone is recover for a run that does not hold dpkg's locks. Where they
// are needed it does not wait for them: that would be in the wrong order.
func (s *System) recoverAlone(ctx context.Context) error {
	diverts, err := s.txn().Diverts()
	if err != nil || !diverts { // recover tells what is wrong with a journal
		return s.recover(ctx)
	}
	release, err := s.lockDpkg(ctx, 0)
	if err != nil {
		return err
	}
	defer release()
	return s.recover(ctx)
}

func (s *System) recover(ctx context.Context) error {
	done, err := s.txn().Recover(ctx)
	for _, r := range done {
		what := "finished"
		if r.Undone {
			what = "taken back"
		}
		s.observe(Event{Kind: Recovered, Unit: r.Unit, Detail: what})
	}
	if err != nil {
		return err
	}
	if err := fsys.RemoveAll(s.FS, s.store().Scratch()); err != nil {
		return fmt.Errorf("cannot clear the scratch folder: %w", err)
	}
	return nil
}

// Options say how units are changed.
type Options struct {
	// DryRun plans and changes nothing.
	DryRun bool
	// Later leaves what can wait to the end of dpkg's run: see [Trigger].
	Later bool
	// RequirePlaced makes it an error that a unit waits for its kernel.
	RequirePlaced bool
	// KernelHook says that the kernel's own hooks make its initramfs next.
	KernelHook bool
}

// changeEach applies change to every argument of a list, each a unit of its
// own: all are tried, and the errors are joined. A dry run takes no lock and
// ends no older run.
func (s *System) changeEach(ctx context.Context, dryRun bool, list func() ([]string, error), change func(arg string) (*Change, error)) ([]Change, error) {
	var changes []Change
	apply := func() error {
		args, err := list()
		errs := []error{err}
		for _, arg := range args {
			c, err := change(arg)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			changes = append(changes, *c)
		}
		return errors.Join(errs...)
	}
	if dryRun {
		err := apply()
		return changes, err
	}
	err := s.locked(ctx, apply)
	return changes, err
}

// given is a list that is known.
func given(args []string) func() ([]string, error) {
	return func() ([]string, error) { return args, nil }
}
