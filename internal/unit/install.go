package unit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	"koweld/assemble"
	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/manifest"
)

// Change says what a run did to a unit.
type Change struct {
	Package  string         `json:"package"`
	Kernel   string         `json:"kernel"`
	Action   Action         `json:"action"`
	Steps    []string       `json:"steps,omitempty"` // what was done, or would be
	Kept     []KeptFile     `json:"kept,omitempty"`
	Pending  []store.Effect `json:"pending,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
	Modules  int            `json:"modules"`
	Files    int            `json:"files"`
}

// Action is what a run did.
type Action string

// What a run can do to a unit.
const (
	Installed Action = "installed"
	Unchanged Action = "unchanged"
	Removed   Action = "removed"
	Repaired  Action = "repaired"
	PutBack   Action = "put back" // after a removal that dpkg gave up
	Waits     Action = "waiting"  // for its kernel
	Dropped   Action = "dropped"  // what a prerm had parked
	Activated Action = "switched" // to another unit of the group
	Planned   Action = "planned"  // with --dry-run
)

// KeptFile tells where bytes that are not ours were moved.
type KeptFile struct {
	Path string `json:"path"`
	To   string `json:"to"`
}

// Install makes what the manifests declare true, each a unit of its own. An
// argument is the name of a package or the absolute path of a manifest below
// the root.
func (s *System) Install(ctx context.Context, args []string, opts Options) ([]Change, error) {
	changes, err := s.changeEach(ctx, opts.DryRun, given(args), func(arg string) (*Change, error) {
		m, err := s.Load(arg)
		if err != nil {
			return nil, err
		}
		c, err := s.install(ctx, m, byStat, opts)
		return c, s.Blame(ctx, m, err)
	})
	return changes, errors.Join(err, s.runEffects(ctx, changes, opts))
}

// install brings one unit to what its manifest declares.
func (s *System) install(ctx context.Context, m *manifest.Manifest, d depth, opts Options) (*Change, error) {
	old, err := s.store().Load(m.Package)
	if err != nil {
		return nil, err
	}
	provides := providesOf(m)
	rivals, err := s.group(provides, m.Kernel, m.Package)
	if err != nil {
		return nil, err
	}
	aside := packagesOf(rivals)
	if old.IsPlaced() {
		aside = nil // in place: which one is to be active is decided afterwards
	}
	if old.IsParked() && len(aside) == 0 && !opts.DryRun {
		// First what was, then what is declared: if that cannot be formed,
		// the older set serves.
		if _, err := s.putBack(ctx, old, opts); err != nil {
			return nil, err
		}
		if old, err = s.store().Load(m.Package); err != nil {
			return nil, err
		}
	}
	if len(m.Modules) > 0 {
		there, err := s.hasKernel(m.Kernel)
		if err != nil {
			return nil, err
		}
		if !there {
			return s.waitForKernel(ctx, m, old, opts)
		}
	}
	// Before they are read: what changes meanwhile is noticed the next time.
	fingerprint, err := s.Fingerprint(m)
	if err != nil {
		return nil, err
	}
	f, err := s.newFacts(ctx, m.Package, m, old, d, aside)
	if err != nil {
		return nil, err
	}
	p, err := planInstall(f, m)
	if err != nil {
		return nil, err
	}
	p.record.Inputs = p.formedFrom(fingerprint, old)
	c := &Change{
		Package: m.Package, Kernel: m.Kernel, Action: Installed,
		Modules: len(m.Modules), Files: len(m.Files),
	}
	if err := s.planEffects(ctx, f, p, m, c, d, opts); err != nil {
		return nil, err
	}
	if len(aside) > 0 {
		p.record.State = store.Ready
	}
	unchanged, err := s.isUnchanged(p, old)
	if err != nil {
		return nil, err
	}
	if unchanged {
		c.Action = Unchanged
		c.Pending = old.Pending
	} else {
		f.placeState(p, p.record)
		if opts.DryRun {
			c.plan(p)
			return c, nil
		}
		if err := s.checkSpace(p); err != nil {
			return nil, err
		}
		if err := s.apply(ctx, m, p, c); err != nil {
			return nil, err
		}
		c.Pending = p.record.Pending
	}
	s.report(p, c)
	if len(rivals) > 0 && !opts.DryRun {
		return c, s.electAgain(ctx, c, provides, m.Kernel, opts)
	}
	return c, nil
}

// plan notes what would be done.
func (c *Change) plan(p *plan) {
	c.Action = Planned
	for _, o := range p.ops {
		c.Steps = append(c.Steps, o.String())
	}
}

// formedFrom is the fingerprint of the inputs that all of a plan's record is formed
// from: those of now if all is formed now, else those of old, if it has them.
func (p *plan) formedFrom(fingerprint string, old *store.Record) string {
	formed := 0
	for _, src := range p.sources {
		if src.want != nil {
			formed++
		}
	}
	switch {
	case formed == len(p.record.Files):
		return fingerprint
	case old != nil:
		return old.Inputs
	}
	return ""
}

// isUnchanged reports whether a plan would do nothing and record nothing new.
func (s *System) isUnchanged(p *plan, old *store.Record) (bool, error) {
	if old == nil || len(p.ops) > 0 || old.State != p.record.State || old.Manifest.SHA256 != p.record.Manifest.SHA256 ||
		!slices.Equal(old.Pending, p.record.Pending) {
		return false, nil
	}
	problem, err := s.sumsProblem(old)
	return problem == "", err
}

// report tells what was kept and warned of.
func (s *System) report(p *plan, c *Change) {
	for _, k := range p.kept {
		c.Kept = append(c.Kept, KeptFile{Path: k.from, To: k.to})
		kind := Kept
		if k.original {
			kind = Saved
		}
		s.observe(Event{Kind: kind, Unit: c.Package, Name: k.from, Detail: k.to})
	}
	for _, w := range c.Warnings {
		s.observe(Event{Kind: Warning, Unit: c.Package, Detail: w})
	}
}

// checkSpace refuses early what cannot fit. Compressed sizes are not known
// yet and count as nothing: then the staging finds out.
func (s *System) checkSpace(p *plan) error {
	need := make(map[uint64]uint64) // by device
	rooms := make(map[string]room)  // by folder
	for i, o := range p.ops {
		w := p.sources[i].want
		if o.Kind != txn.Place || w == nil || w.module == nil || w.module.Compress != manifest.None {
			continue
		}
		dir := path.Dir(o.Path)
		r, known := rooms[dir]
		if !known {
			var err error
			if r, err = s.roomIn(dir); err != nil {
				return fmt.Errorf("cannot look at %s: %w", dir, err)
			}
			rooms[dir] = r
		}
		need[r.dev] += uint64(w.module.Image.Size)
		if need[r.dev] > r.free {
			return &SpaceError{Path: o.Path, Need: need[r.dev], Free: r.free}
		}
	}
	return nil
}

// room is what a file system has left for new files.
type room struct {
	dev  uint64
	free uint64 // bytes
}

// roomIn looks at a folder or, where it has still to be made, at the one that
// it will be in.
func (s *System) roomIn(dir string) (room, error) {
	info, err := s.FS.Stat(dir)
	for errors.Is(err, fs.ErrNotExist) {
		dir = path.Dir(dir)
		info, err = s.FS.Stat(dir)
	}
	if err != nil {
		return room{}, err
	}
	space, err := s.FS.Space(dir)
	return room{info.Dev, space.Bytes}, err
}

// apply runs the transaction of a plan.
func (s *System) apply(ctx context.Context, m *manifest.Manifest, p *plan, c *Change) error {
	tx, err := s.txn().Begin(c.Package, p.ops)
	if err != nil {
		return err
	}
	if err := s.stageAll(ctx, tx, m, p, c); err != nil {
		if aerr := tx.Abort(); aerr != nil {
			var open *txn.OpenError
			if errors.As(aerr, &open) {
				open.Cause = err
			}
			return aerr
		}
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	c.Warnings = append(c.Warnings, tx.Warnings...)
	return nil
}

// stageAll stages every Place: first the copies, then the modules and files,
// last the record, which tells of them.
func (s *System) stageAll(ctx context.Context, tx *txn.Tx, m *manifest.Manifest, p *plan, c *Change) error {
	var modules []*manifest.Module
	var indexes []int // of their operations
	for i, o := range p.ops {
		src := p.sources[i]
		var err error
		switch {
		case o.Kind != txn.Place || src.state != notState:
			continue
		case src.link != nil:
			err = s.stageLink(tx, i, src)
		case src.copy != "":
			err = s.stageCopy(tx, i, src)
		case src.want.file != nil:
			err = s.stageFile(tx, i, src, p)
		default:
			modules = append(modules, src.want.module)
			indexes = append(indexes, i)
		}
		if err != nil {
			return err
		}
	}
	if len(modules) > 0 {
		done := 0
		err := s.welder().All(ctx, m, modules, s.Procs, s.Memory, func(k int, w *assemble.Welded) error {
			i := indexes[k]
			info, digest, err := tx.Stage(i, txn.Content{
				Write:  func(out io.Writer) error { return writeSegments(out, w.Segments) },
				Digest: txn.Digest{SHA256: w.SHA256, Size: w.Size},
				Mtime:  s.inputTime(append(modules[k].Form[w.Way].Reads(m.Linker), modules[k].Signature)),
			})
			if err != nil {
				return err
			}
			done++
			file := &p.record.Files[p.sources[i].file]
			s.fill(file, info, digest)
			file.Module = moduleRecord(modules[k], w)
			for _, text := range w.Warnings {
				c.Warnings = append(c.Warnings, modules[k].Name+".ko: "+text)
			}
			s.observe(Event{
				Kind: Welded, Unit: c.Package, Name: path.Base(file.Path), Size: w.Size,
				Detail: describe(w), Index: done, Total: len(modules),
			})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.stageState(tx, p)
}

func describe(w *assemble.Welded) string {
	return Formed(w.Engine, w.Tool) + ", signed by " + w.Signer.Subject
}

// Formed says how an image came to be, for people: by an engine of assemble and,
// if it is the linker, its version line.
func Formed(engine, tool string) string {
	switch engine {
	case assemble.EngineLink:
		return "linked by " + tool
	case assemble.EngineRecipe:
		return "formed by its recipe"
	}
	return "shipped whole"
}

func moduleRecord(m *manifest.Module, w *assemble.Welded) *store.Module {
	return &store.Module{
		Name: m.Name, ImageSHA256: w.ImageSHA256, ImageSize: w.ImageSize,
		SignatureSHA256: w.SignatureSHA256, Engine: w.Engine, Tool: w.Tool,
		Compress: string(m.Compress),
		Signer: store.Signer{
			Subject: w.Signer.Subject, SHA256: w.Signer.Fingerprint, KeyID: w.Signer.Identifier,
		},
	}
}

func writeSegments(out io.Writer, segments [][]byte) error {
	for _, b := range segments {
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// fill notes a staged file in the record.
func (s *System) fill(file *store.File, info fsys.Info, d txn.Digest) {
	file.SHA256, file.Size = d.SHA256, d.Size
	file.Mtime = info.Mtime.UnixNano()
	if s.Epoch.IsZero() {
		file.Ino = info.Ino
	}
}

// stageCopy stages a copy of a file with its owner, mode, mtime and extended
// attributes.
func (s *System) stageCopy(tx *txn.Tx, i int, src source) error {
	if tx.IsLink(i) {
		_, _, err := tx.Stage(i, txn.Content{})
		return err
	}
	f, err := s.FS.Open(src.copy)
	if err != nil {
		return fmt.Errorf("cannot save %s: %w", src.copy, err)
	}
	defer f.Close()
	content := txn.Content{Write: func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	}}
	if src.meta != nil {
		content.Xattrs = src.meta.Xattrs
		content.Mtime = time.Unix(0, src.meta.Mtime)
		_, _, err = tx.Stage(i, content)
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot save %s: %w", src.copy, err)
	}
	content.Mtime = info.Mtime
	if content.Xattrs, err = f.Xattrs(); err != nil {
		return fmt.Errorf("cannot save the attributes of %s: %w", src.copy, err)
	}
	_, digest, err := tx.Stage(i, content)
	if err != nil {
		return err
	}
	if src.saves != nil {
		src.saves.SHA256, src.saves.Xattrs = digest.SHA256, content.Xattrs
	}
	return nil
}

func (s *System) stageFile(tx *txn.Tx, i int, src source, p *plan) error {
	w := src.want
	data, err := s.readInput(w.file.Source)
	if err != nil {
		return &InputError{Target: w.path, Err: err}
	}
	info, digest, err := tx.Stage(i, txn.Content{Mtime: s.inputTime([]string{w.file.Source}), Write: func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	}})
	if err != nil {
		return err
	}
	file := &p.record.Files[src.file]
	s.fill(file, info, digest)
	file.Source = w.file.Source
	return nil
}

// stageLink stages a file that is there already, by a second name; where there
// are none, a copy of it.
func (s *System) stageLink(tx *txn.Tx, i int, src source) error {
	digest := txn.Digest{SHA256: src.link.SHA256, Size: src.link.Size}
	err := tx.StageLink(i, src.from, digest)
	if err == nil || !txn.NoLinks(err) {
		return err
	}
	f, err := s.FS.Open(src.from)
	if err != nil {
		return fmt.Errorf("cannot copy %s: %w", src.from, err)
	}
	defer f.Close()
	info, got, err := tx.Stage(i, txn.Content{
		Mtime: time.Unix(0, src.link.Mtime),
		Write: func(w io.Writer) error {
			_, err := io.Copy(w, f)
			return err
		},
	})
	if err == nil && got != digest {
		err = &txn.ChangedError{Path: src.from}
	}
	if src.link.Ino != 0 {
		src.link.Ino = info.Ino
	}
	return err
}

// stageState stages the records and their digests, once all others are staged.
func (s *System) stageState(tx *txn.Tx, p *plan) error {
	for i := range p.ops {
		var data []byte
		var err error
		switch src := p.sources[i]; src.state {
		case recordFile:
			data, err = store.Encode(src.rec)
		case sumsFile:
			data = store.EncodeSums(src.rec)
		case dataFile:
			data = src.data
		default:
			continue
		}
		if err == nil {
			_, _, err = tx.Stage(i, txn.Content{Mtime: s.Epoch, Write: func(w io.Writer) error {
				_, err := w.Write(data)
				return err
			}})
		}
		if err != nil {
			return fmt.Errorf("cannot write the record: %w", err)
		}
	}
	return nil
}
