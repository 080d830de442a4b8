// Package txn changes a target, all or nothing.
//
// A transaction is a list of operations, plain data that a journal can hold:
// place a file, remove or move one, make or drop a directory, have dpkg record or
// forget a diversion, run depmod. It passes through three states, each entered by one fsynced journal record:
//
//	staging    new bytes are written beside their targets under names that no
//	           one looks at. Recovery deletes them.
//	switching  every new byte is durable; names are switched, dpkg's diversions
//	           are changed, depmod runs. Recovery takes back what was switched.
//	switched   depmod has accepted the new set. Recovery drops the old bytes.
//
// Then the journal file goes. So a run that is killed anywhere, or a machine
// that loses power, has the whole old set or the whole new set after
// [Manager.Recover], and at each instant each name holds a whole file.
//
// A file that replaces another is switched with RENAME_EXCHANGE, so the old
// bytes stay in the same directory under the staged name until the end, and
// taking back needs no space. Where the file system cannot exchange, the old
// file gets a second name before it is replaced.
//
// A staged name never contains ".ko": depmod indexes dotfiles too.
package txn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/tool"
)

// Kind says what an operation does.
type Kind string

// The closed set of operations.
const (
	Place  Kind = "place"  // Path gets new bytes, staged before
	Remove Kind = "remove" // Path goes
	Mkdir  Kind = "mkdir"  // Path becomes a directory
	Rmdir  Kind = "rmdir"  // Path goes if it is an empty directory
	Move   Kind = "move"   // Path gets the name To, in the same file system, where nothing is
	Divert Kind = "divert" // dpkg records a diversion, or forgets it; no file moves
	Depmod Kind = "depmod" // the module index of Kernel is made anew
)

// Op is one operation. Operations are data: the journal holds them, and a
// later koweld takes them back or finishes them.
type Op struct {
	Kind Kind   `json:"kind"`
	Path string `json:"path,omitempty"`
	Mode uint32 `json:"mode,omitempty"` // Place, Mkdir: permission bits
	UID  int    `json:"uid,omitempty"`  // Place
	GID  int    `json:"gid,omitempty"`  // Place
	// Was is what lay at Path when the operation was planned; nil if
	// nothing did. It must still be there when names are switched.
	Was *Seen `json:"was,omitempty"`
	// Staged is the name beside Path that holds the new bytes before the
	// switch and the old ones after it. Begin chooses it.
	Staged string `json:"staged,omitempty"`

	To string `json:"to,omitempty"` // Move
	// Link makes a Place one of a symbolic link to it. Its bytes, for a
	// digest, are those of Link.
	Link string `json:"link,omitempty"`

	Diversion *Diversion `json:"diversion,omitempty"` // Divert
	Forget    bool       `json:"forget,omitempty"`    // Divert: dpkg is to have it no more

	Kernel string   `json:"kernel,omitempty"` // Depmod
	Folder string   `json:"folder,omitempty"` // Depmod: the kernel's module folder; Divert: dpkg's
	Watch  []string `json:"watch,omitempty"`  // Depmod: our modules, relative to Folder
}

// Seen identifies a file without reading it.
type Seen struct {
	Ino   uint64 `json:"ino"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // nanoseconds since the epoch
}

// See makes a Seen of what lstat says.
func See(i fsys.Info) *Seen {
	return &Seen{Ino: i.Ino, Size: i.Size, Mtime: i.Mtime.UnixNano()}
}

// dirs are the folders whose names the operation changes.
func (o Op) dirs() []string {
	switch o.Kind {
	case Depmod, Divert:
		return []string{o.Folder}
	case Move:
		return []string{path.Dir(o.Path), path.Dir(o.To)}
	}
	return []string{path.Dir(o.Path)}
}

// String is one line for --dry-run.
func (o Op) String() string {
	switch o.Kind {
	case Place:
		if o.Was != nil {
			return fmt.Sprintf("replace %s", o.Path)
		}
		return fmt.Sprintf("place %s", o.Path)
	case Move:
		return fmt.Sprintf("move %s to %s", o.Path, o.To)
	case Divert:
		if o.Forget {
			return "forget the " + o.Diversion.String()
		}
		return "record the " + o.Diversion.String()
	case Depmod:
		return fmt.Sprintf("run depmod for %s", o.Kernel)
	default:
		return fmt.Sprintf("%s %s", o.Kind, o.Path)
	}
}

// Manager begins and recovers transactions. The caller holds the lock: there
// is at most one transaction at a time.
type Manager struct {
	FS   fsys.FS
	Tool tool.Runner
	Dir  string // the journal's folder
	// Diverter is dpkg's for the root; nil where there is no dpkg, and then
	// there is no Divert either.
	Diverter Diverter
	// Batch is how many files must be staged on one file system for it to be
	// made durable as a whole: see [batch]. 0 is [DefaultBatch].
	Batch int
}

// Tx is a transaction being staged.
type Tx struct {
	m       *Manager
	journal *journal
	ops     []Op
	staged  []Digest // by operation; zero until staged
	// switching is the record of that state, nil before: once it is set,
	// names and the index may have changed.
	switching *record
	batch     batch
	// Warnings is what a successful Commit has to say.
	Warnings []string
}

// Digest identifies staged bytes.
type Digest struct {
	SHA256 string `json:"sha256,omitempty"` // hex
	Size   int64  `json:"size,omitempty"`   // bytes
}

// Content is what a Place puts at its path.
type Content struct {
	// Write writes the bytes.
	Write func(w io.Writer) error
	// Digest of the bytes if the caller has it; else it is computed.
	Digest Digest
	Mtime  time.Time         // zero: left as it comes
	Xattrs map[string][]byte // may be nil
}

// ChangedError says that a path is not what it was when the plan was made.
type ChangedError struct {
	Path string
}

func (e *ChangedError) Error() string {
	return "cannot go on: " + e.Path + " was changed meanwhile"
}

// Hint says what to do.
func (e *ChangedError) Hint() string { return "see what else changes this file, then try again" }

// OpenError says that a transaction neither ended nor could be taken back:
// its journal is still there.
type OpenError struct {
	Journal string // path of the journal
	Cause   error  // why the transaction failed; nil if it had succeeded
	Err     error  // why it could not be taken back or finished
}

func (e *OpenError) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("cannot finish the transaction %s: %v", path.Base(e.Journal), e.Err)
	}
	return fmt.Sprintf("%v; cannot take back the transaction %s: %v", e.Cause, path.Base(e.Journal), e.Err)
}

// Unwrap returns both errors.
func (e *OpenError) Unwrap() []error { return []error{e.Cause, e.Err} }

// Hint says what to do.
func (e *OpenError) Hint() string { return "mend the cause, then run koweld repair --all" }

// Begin opens a transaction for a unit: it chooses the staged names, writes
// the journal and makes the directories. On error nothing is left.
func (m *Manager) Begin(unit string, ops []Op) (*Tx, error) {
	if _, err := fsys.MkdirAll(m.FS, m.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the journal: %w", err)
	}
	id, err := m.nextID()
	if err != nil {
		return nil, fmt.Errorf("cannot make the journal: %w", err)
	}
	tx := &Tx{m: m, ops: make([]Op, len(ops)), staged: make([]Digest, len(ops))}
	copy(tx.ops, ops)
	for i := range tx.ops {
		o := &tx.ops[i]
		switch o.Kind {
		case Place, Remove: // and nothing beside what is moved
			o.Staged = path.Join(path.Dir(o.Path), fmt.Sprintf(".weld-%d-%d", id, i))
		case Depmod:
			o.Staged = path.Join(o.Folder, fmt.Sprintf(".weld-%d-%d", id, i))
		}
	}
	tx.batch = m.openBatch(tx.ops)
	tx.journal, err = m.create(fmt.Sprintf("%d-%s%s", id, unit, journalSuffix), header{
		Version: journalVersion, Needs: needs(tx.ops), Unit: unit, Ops: tx.ops,
	})
	if err != nil {
		tx.batch.close()
		return nil, err
	}
	// No journal knew these names, so what is there is debris of one that
	// was lost.
	if err := m.clear(tx.ops); err != nil {
		return nil, tx.fail(err)
	}
	for _, o := range tx.ops {
		if o.Kind != Mkdir {
			continue
		}
		err := m.FS.Mkdir(o.Path, fs.FileMode(o.Mode))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, tx.fail(fmt.Errorf("cannot make folder %s: %w", o.Path, err))
		}
	}
	return tx, nil
}

// IsLink reports whether the i-th operation places a symbolic link, whose Content
// is of no use.
func (tx *Tx) IsLink(i int) bool { return tx.ops[i].Link != "" }

// Stage writes the new bytes of the i-th operation, a Place, beside its
// target and makes them durable, or leaves that to Commit. It may be called by several goroutines, once
// for each i. The Info is that of the file when it will be in place.
func (tx *Tx) Stage(i int, c Content) (fsys.Info, Digest, error) {
	o := tx.ops[i]
	info, d, err := tx.stage(o, c)
	if err != nil {
		return info, d, fmt.Errorf("cannot stage %s: %w", o.Path, err)
	}
	tx.staged[i] = d
	return info, d, nil
}

// StageLink is Stage with the file that is at from, in the same folder, whose
// digest is known: it gets a second name, and no byte is written. Where there
// are no second names it is an error that [NoLinks] knows, and nothing is staged.
func (tx *Tx) StageLink(i int, from string, d Digest) error {
	o := tx.ops[i]
	if err := tx.m.FS.Link(from, o.Staged); err != nil {
		return fmt.Errorf("cannot stage %s: %w", o.Path, err)
	}
	tx.staged[i] = d
	return nil
}

// NoLinks reports whether an error says that a file system gives no second
// name to a file: it cannot, or not to this one (link(2)).
func NoLinks(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) ||
		errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EXDEV)
}

func (tx *Tx) stage(o Op, c Content) (info fsys.Info, d Digest, err error) {
	if o.Link != "" {
		return tx.stageSymlink(o)
	}
	fsx := tx.m.FS
	f, err := fsx.Create(o.Staged, fs.FileMode(o.Mode))
	if err != nil {
		return info, d, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	w := &meter{w: f}
	if c.Digest.SHA256 == "" {
		w.h = sha256.New()
	}
	if err := c.Write(w); err != nil {
		return info, d, err
	}
	d = c.Digest
	if w.h != nil {
		d = Digest{SHA256: hex.EncodeToString(w.h.Sum(nil)), Size: w.n}
	}
	if d.Size != w.n {
		return info, d, fmt.Errorf("%d bytes were written, not %d", w.n, d.Size)
	}
	if info, err = f.Stat(); err != nil {
		return info, d, err
	}
	if info.UID != o.UID || info.GID != o.GID {
		if err := f.Chown(o.UID, o.GID); err != nil {
			return info, d, err
		}
		// chown(2) clears the setuid and the setgid bit.
		if mode := fs.FileMode(o.Mode); mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			if err := f.Chmod(mode); err != nil {
				return info, d, err
			}
		}
	}
	for name, value := range c.Xattrs {
		if err := f.SetXattr(name, value); err != nil {
			return info, d, err
		}
	}
	if !c.Mtime.IsZero() {
		if err := f.SetMtime(c.Mtime); err != nil {
			return info, d, err
		}
	}
	switch v := tx.batch.of(path.Dir(o.Path)); {
	case v == nil:
		err = f.Sync()
	case v.Dev() != info.Dev: // it was mounted meanwhile
		err = &ChangedError{Path: path.Dir(o.Path)}
	default:
		err = f.WriteOut()
	}
	if err != nil {
		return info, d, err
	}
	info, err = f.Stat()
	return info, d, err
}

// meter counts and, with h, hashes what is written.
type meter struct {
	w io.Writer
	h hash.Hash
	n int64
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.n += int64(n)
	if m.h != nil {
		m.h.Write(p[:n])
	}
	return n, err
}

// Abort takes the transaction back before the switch.
func (tx *Tx) Abort() error { return tx.fail(nil) }

// Commit makes the staged bytes durable, switches the names, runs depmod and
// drops the old bytes. On error everything is taken back, unless the error is
// an *OpenError. A context that ends before the last name is switched takes
// the transaction back as well.
func (tx *Tx) Commit(ctx context.Context) error {
	for i, o := range tx.ops {
		if o.Kind == Place && tx.staged[i].SHA256 == "" {
			return tx.fail(fmt.Errorf("cannot commit: %s was not staged", o.Path))
		}
	}
	r := &record{State: switching, Staged: tx.staged, Index: make([][]string, len(tx.ops))}
	for i, o := range tx.ops {
		if o.Kind != Depmod {
			continue
		}
		var err error
		if r.Index[i], err = keepIndex(tx.m.FS, o); err != nil {
			return tx.fail(fmt.Errorf("cannot keep the module index of %s: %w", o.Kernel, err))
		}
	}
	if err := tx.precheck(); err != nil {
		return tx.fail(err)
	}
	// The record says that every staged byte is durable, as it does where
	// each was made so.
	if err := tx.batch.sync(); err != nil {
		return tx.fail(err)
	}
	tx.switching = r
	if err := tx.journal.append(r, journalReserve); err != nil {
		return tx.fail(fmt.Errorf("cannot write the journal: %w", err))
	}
	if err := tx.switchAll(ctx); err != nil {
		return tx.fail(err)
	}
	if err := tx.journal.append(record{State: switched}, 0); err != nil {
		err = fmt.Errorf("cannot write the journal: %w", err)
		// The record may be on the disk all the same; recovery would
		// then finish what is being taken back.
		if rerr := tx.journal.retract(); rerr != nil {
			_ = tx.journal.close()
			tx.batch.close()
			return &OpenError{Journal: tx.journal.name, Cause: err, Err: rerr}
		}
		return tx.fail(err)
	}
	defer tx.batch.close()
	return tx.m.finish(tx.journal, tx.ops, tx.batch)
}

// fail takes everything back and returns cause, or an *OpenError.
func (tx *Tx) fail(cause error) error {
	// What has failed once proves nothing the second time: each folder is
	// made durable by itself.
	tx.batch.close()
	// To take back is not interrupted.
	if err := tx.m.undo(context.Background(), tx.ops, tx.switching, tx.m.restoreIndex); err != nil {
		_ = tx.journal.close()
		return &OpenError{Journal: tx.journal.name, Cause: cause, Err: err}
	}
	if err := tx.m.forget(tx.journal); err != nil {
		return &OpenError{Journal: tx.journal.name, Cause: cause, Err: err}
	}
	return cause
}

// precheck compares each target with what it was when the plan was made.
func (tx *Tx) precheck() error {
	diverted := make(map[string]bool)
	for _, o := range tx.ops {
		switch o.Kind {
		case Place, Remove:
		case Move:
			if there, err := fsys.Exists(tx.m.FS, o.To); err != nil {
				return fmt.Errorf("cannot look at %s: %w", o.To, err)
			} else if there && tx.frees(o.To) == nil {
				return &ChangedError{Path: o.To}
			}
		case Divert:
			// A second operation on a name begins where the first ends.
			if !diverted[o.Diversion.From] {
				if err := tx.m.mayDivert(o); err != nil {
					return err
				}
			}
			diverted[o.Diversion.From] = true
			continue
		default:
			continue
		}
		info, err := tx.m.FS.Lstat(o.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if o.Was != nil {
				return &ChangedError{Path: o.Path}
			}
		case err != nil:
			return fmt.Errorf("cannot look at %s: %w", o.Path, err)
		case o.Was == nil && o.Kind == Place && tx.frees(o.Path) != nil:
		case o.Was == nil || *See(info) != *o.Was:
			return &ChangedError{Path: o.Path}
		}
	}
	return nil
}

// switchAll switches every name, then runs depmod, and makes it durable.
func (tx *Tx) switchAll(ctx context.Context) error {
	fsx := tx.m.FS
	for _, o := range tx.ops {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("cannot go on: %w", err)
		}
		// A name that one file leaves and another takes: where the first went
		// must outlive a power cut that the second outlives.
		err := tx.syncFreed(o)
		if err != nil {
			return err
		}
		switch o.Kind {
		case Place:
			err = switchPlace(fsx, o)
		case Remove:
			if err = fsx.RenameNoReplace(o.Path, o.Staged); err == nil {
				err = isWas(fsx, o, o.Staged)
			}
		case Move:
			if err = fsx.RenameNoReplace(o.Path, o.To); err == nil {
				err = isWas(fsx, o, o.To)
			}
		case Divert:
			err = tx.divert(ctx, o)
		}
		if o.Kind == Move && errors.Is(err, fs.ErrExist) {
			err = &ChangedError{Path: o.To}
		}
		if errors.Is(err, fs.ErrExist) || gone(err) {
			err = &ChangedError{Path: o.Path}
		}
		if err != nil {
			return fmt.Errorf("cannot switch %s: %w", o.Path, err)
		}
	}
	// With the new names, the kept ones of the index become durable: depmod
	// replaces the first.
	if err := syncDirs(fsx, tx.ops, tx.batch); err != nil {
		return err
	}
	for _, o := range tx.ops {
		if o.Kind != Depmod {
			continue
		}
		warnings, err := tx.m.depmod(ctx, o)
		if err != nil {
			return err
		}
		tx.Warnings = append(tx.Warnings, warnings...)
	}
	return context.Cause(ctx)
}

func switchPlace(fsx fsys.FS, o Op) error {
	if o.Was == nil {
		return fsx.RenameNoReplace(o.Staged, o.Path)
	}
	err := fsx.Exchange(o.Staged, o.Path)
	if err == nil {
		return isWas(fsx, o, o.Staged)
	}
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		return err
	}
	if err := fsx.Link(o.Path, o.Staged+oldSuffix); err != nil {
		return err
	}
	if err := isWas(fsx, o, o.Staged+oldSuffix); err != nil {
		return err
	}
	// The second name must outlive a power cut that the rename outlives.
	if err := fsx.SyncDir(path.Dir(o.Staged)); err != nil {
		return err
	}
	return fsx.Rename(o.Staged, o.Path)
}

// isWas says whether the file that was moved away, and is now at name, is the
// one that was there when the plan was made: a look before the move could be
// outrun.
func isWas(fsx fsys.FS, o Op, name string) error {
	info, err := fsx.Lstat(name)
	if err == nil && (o.Was == nil || *See(info) != *o.Was) {
		err = &ChangedError{Path: o.Path}
	}
	return err
}

// oldSuffix marks the second name of a file that could not be exchanged.
const oldSuffix = "-old"

// syncDirs makes the names in every folder that the operations touch durable.
func syncDirs(fsx fsys.FS, ops []Op, b batch) error {
	done := map[string]bool{}
	for _, o := range ops {
		for _, dir := range o.dirs() {
			if done[dir] || b.of(dir) != nil {
				continue
			}
			done[dir] = true
			if err := fsx.SyncDir(dir); err != nil && !gone(err) {
				return fmt.Errorf("cannot make %s durable: %w", dir, err)
			}
		}
	}
	return b.sync()
}
