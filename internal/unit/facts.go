package unit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/internal/dpkg"
	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/internal/tool"
	"koweld/internal/txn"
	"koweld/manifest"
)

// depth says how closely placed files are looked at.
type depth bool

const (
	// byStat takes a file for unchanged if its size, mtime and inode are.
	byStat depth = false
	// byBytes reads every file.
	byBytes depth = true
)

// modeBits are what chmod sets. What koweld places has none but permission
// bits, so any other is a drift.
const modeBits = fs.ModePerm | specialBits

const specialBits = fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// fileLimit bounds a file that is no module, in bytes.
const fileLimit = 64 << 20

// newFacts looks at everything that a plan for a package needs. m is nil for
// a removal. Beside rivals, which are of its group and keep their targets, what it
// declares is put under parked names.
func (s *System) newFacts(ctx context.Context, pkg string, m *manifest.Manifest, old *store.Record, d depth, rivals []string) (*facts, error) {
	f := &facts{
		pkg: pkg, st: s.store(), uid: s.UID, gid: s.GID, old: old, leaving: rivals,
		targets: make(map[string]*target), folders: make(map[string]bool),
		saved: make(map[string]bool), kernels: make(map[string]string),
		state: make(map[string]*fsys.Info),
	}
	if m != nil {
		f.wants = wants(m, len(rivals) > 0)
		if err := s.besides(f.pkg, f.wants); err != nil {
			return nil, err
		}
		s.respell(f.wants, old)
	}
	for i := range f.wants {
		if err := s.lookAt(f, f.wants[i].at); err != nil {
			return nil, err
		}
	}
	if old != nil {
		if err := s.lookAtRecord(f, old, d); err != nil {
			return nil, err
		}
	}
	if err := s.stateFacts(f, pkg); err != nil {
		return nil, err
	}
	if m == nil {
		return f, nil
	}
	if old == nil {
		if err := s.recallPlaced(f); err != nil {
			return nil, err
		}
	}
	for i := range f.wants {
		w := &f.wants[i]
		t := f.targets[w.at]
		if !t.intact {
			continue
		}
		current, err := s.isCurrent(w, t.rec, m, old)
		if err != nil {
			return nil, err
		}
		t.current = current
	}
	if err := s.findOwners(ctx, f, m.Replaces); err != nil {
		return nil, err
	}
	return f, s.lookAtDonors(f, m, d)
}

// recallPlaced knows by their digests the files of a package whose record is lost or
// was damaged and moved away. They are ours, and no originals that a removal gives
// back; what lay there before us still is.
func (s *System) recallPlaced(f *facts) error {
	if f.state[f.st.SumsPath(f.pkg)] == nil {
		return nil
	}
	data, err := fsys.ReadFile(s.FS, f.st.SumsPath(f.pkg), recordedSums)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", f.st.SumsPath(f.pkg), err)
	}
	sums := store.DecodeSums(data)
	has := func(name string) (*fsys.Info, error) {
		info, err := lstat(s.FS, name)
		if err != nil || sums[name] == "" || info == nil || !info.IsRegular() {
			return nil, err
		}
		if sum, err := txn.Sum(s.FS, name); err != nil || sum != sums[name] {
			return nil, err
		}
		return info, nil
	}
	for i := range f.wants {
		w := &f.wants[i]
		t := f.targets[w.at]
		there, err := has(w.at)
		if err != nil {
			return fmt.Errorf("cannot look at %s: %w", w.at, err)
		}
		if there == nil || w.at != w.path {
			continue
		}
		t.rec, t.ours = &store.File{Path: w.path, SHA256: sums[w.path]}, true
		for _, saved := range slices.Sorted(maps.Keys(sums)) {
			below, is := strings.CutSuffix(saved, w.path)
			if !is || below != f.st.Saved(f.pkg) && !strings.HasPrefix(below, f.st.Saved(f.pkg)+"~") {
				continue
			}
			o, err := has(saved)
			if err != nil {
				return fmt.Errorf("cannot look at %s: %w", saved, err)
			}
			if o == nil {
				continue
			}
			t.rec.Original = &store.Original{
				Saved: saved, SHA256: sums[saved], Mode: store.Mode(o.Mode.Perm()), UID: o.UID, GID: o.GID, Mtime: o.Mtime.UnixNano(),
			}
			if err := s.lookAt(f, saved); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordedSums bounds what is read of a package's digests, in bytes.
const recordedSums = 64 << 20

// wants lists what a manifest declares, modules first.
func wants(m *manifest.Manifest, aside bool) []want {
	var all []want
	for i := range m.Modules {
		mod := &m.Modules[i]
		all = append(all, want{
			path: path.Join(modulesDir, m.Kernel, mod.Target()), mode: 0o644, module: mod,
		})
	}
	for i := range m.Files {
		file := &m.Files[i]
		all = append(all, want{path: file.Install, mode: store.Mode(file.Mode), file: file})
	}
	for i := range all {
		all[i].at = all[i].path
		if aside {
			all[i].at = store.ParkedName(m.Package, all[i].path)
		}
	}
	return all
}

// spell gives a want another spelling.
func (w *want) spell(pkg, name string) {
	if w.at == w.path {
		w.at = name
	} else {
		w.at = store.ParkedName(pkg, name)
	}
	w.path = name
}

// besides gives the files that go beside another the spelling by which that one
// is there. Where /usr is merged both are one place.
func (s *System) besides(pkg string, wants []want) error {
	for i := range wants {
		w := &wants[i]
		if w.file == nil || w.file.Beside == "" {
			continue
		}
		for _, name := range []string{w.file.Beside, dpkg.Twin(w.file.Beside)} {
			there, err := fsys.Exists(s.FS, name)
			if err != nil {
				return fmt.Errorf("cannot look at %s: %w", name, err)
			}
			if !there {
				continue
			}
			if name != w.file.Beside {
				w.spell(pkg, dpkg.Twin(w.path))
			}
			break
		}
	}
	return nil
}

// respell lets a file keep the spelling by which it was placed where another one
// is wanted and both are one place: the next version of the package has the other,
// or /usr was merged since.
func (s *System) respell(wants []want, old *store.Record) {
	if old == nil {
		return
	}
	placed := make(map[string]bool, len(old.Files))
	for i := range old.Files {
		placed[old.Files[i].Path] = true
	}
	merged := &twins{fs: s.FS, same: make(map[string]bool)}
	for i := range wants {
		w := &wants[i]
		if placed[w.path] || !placed[dpkg.Twin(w.path)] {
			continue
		}
		for _, name := range merged.spellings(w.path) {
			if !placed[name] {
				continue
			}
			w.spell(old.Package, name)
		}
	}
}

// lookAtRecord looks at what a record tells of. Where its files are parked, what
// is at their paths is not theirs.
func (s *System) lookAtRecord(f *facts, r *store.Record, d depth) error {
	for i := range r.Files {
		rec := &r.Files[i]
		for _, name := range []string{rec.Path, rec.At()} {
			if err := s.lookAt(f, name); err != nil {
				return err
			}
		}
		t := f.targets[rec.At()]
		if err := s.compare(t, rec, d); err != nil {
			return err
		}
		if r.Package != f.pkg {
			t.whose = r.Package
		}
		if rec.Original != nil {
			if err := s.lookAt(f, rec.Original.Saved); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookAt notes what is at a path, and which folders above it exist.
func (s *System) lookAt(f *facts, name string) error {
	if f.targets[name] != nil {
		return nil
	}
	t := &target{path: name}
	f.targets[name] = t
	var err error
	if t.blocker, err = s.lookAbove(f, name); err != nil || t.blocker != "" {
		return err
	}
	if t.there, err = lstat(s.FS, name); err != nil {
		return fmt.Errorf("cannot look at %s: %w", name, err)
	}
	return nil
}

// lookAbove notes which folders above a path exist. blocker is what lies there
// and is no folder, or "".
func (s *System) lookAbove(f *facts, name string) (blocker string, err error) {
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		exists, known := f.folders[dir]
		if exists {
			return "", nil
		}
		if known {
			continue
		}
		info, err := s.FS.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
			f.folders[dir] = false
		case err != nil:
			return "", fmt.Errorf("cannot look at %s: %w", dir, err)
		case !info.IsDir():
			return dir, nil
		default:
			f.folders[dir] = true
			return "", nil
		}
	}
	return "", nil
}

// lstat returns nil for what is not there.
func lstat(fsx fsys.FS, name string) (*fsys.Info, error) {
	info, err := fsx.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &info, nil
}

// compare notes whether what is at a path is what the record says.
func (s *System) compare(t *target, rec *store.File, d depth) error {
	t.rec = rec
	if t.there == nil || !t.there.IsRegular() {
		return nil
	}
	sameStat := t.there.Size == rec.Size && t.there.Mtime.UnixNano() == rec.Mtime && t.there.Ino == rec.Ino
	if !sameStat || d == byBytes {
		if t.there.Size != rec.Size {
			return nil
		}
		sum, err := txn.Sum(s.FS, t.path)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", t.path, err)
		}
		if sum != rec.SHA256 {
			return nil
		}
	}
	t.ours = true
	t.intact = t.there.Mode&modeBits == fs.FileMode(rec.Mode) && t.there.UID == rec.UID && t.there.GID == rec.GID
	return nil
}

// isCurrent reports whether what was placed is what is declared now.
func (s *System) isCurrent(w *want, rec *store.File, m *manifest.Manifest, old *store.Record) (bool, error) {
	if rec.Mode != w.mode {
		return false, nil
	}
	if w.file != nil {
		if rec.Module != nil {
			return false, nil
		}
		data, err := s.readInput(w.file.Source)
		if errors.Is(err, fs.ErrNotExist) && old.Manifest.SHA256 == m.SHA256 {
			return true, nil // what it was placed from is gone
		}
		if err != nil {
			return false, &InputError{Target: w.path, Err: err}
		}
		sum := sha256.Sum256(data)
		return rec.SHA256 == hex.EncodeToString(sum[:]), nil
	}
	mod := rec.Module
	if mod == nil || mod.ImageSHA256 != w.module.Image.SHA256 || mod.Compress != string(w.module.Compress) {
		return false, nil
	}
	if old.Manifest.SHA256 == m.SHA256 {
		return true, nil
	}
	allowed := false
	for _, signer := range m.Signers {
		allowed = allowed || signer.SHA256 == mod.Signer.SHA256
	}
	if !allowed {
		return false, nil
	}
	data, err := s.readInput(w.module.Signature)
	if err != nil {
		return false, &InputError{Target: w.path, Err: err}
	}
	sum := sha256.Sum256(data)
	return mod.SignatureSHA256 == hex.EncodeToString(sum[:]), nil
}

// readInput reads a small input of a trusted owner.
func (s *System) readInput(name string) ([]byte, error) {
	f, err := s.FS.OpenTrusted(name, s.Trust)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, fileLimit)
}

// stateFacts looks at koweld's own files of a package.
func (s *System) stateFacts(f *facts, pkg string) error {
	blocker, err := s.lookAbove(f, path.Join(f.st.Saved(pkg), "x"))
	if err != nil {
		return err
	}
	if blocker != "" {
		return &TargetError{Path: f.st.Saved(pkg), Reason: blocker + " is not a folder"}
	}
	if err := s.recordFacts(f, pkg); err != nil {
		return err
	}
	folders, err := s.FS.ReadDir(f.st.Saved(""))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot look at %s: %w", f.st.Saved(""), err)
	}
	for _, e := range folders {
		if name := e.Name(); name == pkg || strings.HasPrefix(name, pkg+"~") {
			f.folders[f.st.Saved(name)] = true
			if err := s.walkSaved(f, f.st.Saved(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordFacts looks at a package's record and its digests.
func (s *System) recordFacts(f *facts, pkg string) error {
	for _, name := range []string{f.st.RecordPath(pkg), f.st.SumsPath(pkg)} {
		blocker, err := s.lookAbove(f, name)
		if err != nil {
			return err
		}
		if blocker != "" {
			return &TargetError{Path: name, Reason: blocker + " is not a folder"}
		}
		info, err := lstat(s.FS, name)
		if err != nil {
			return fmt.Errorf("cannot look at %s: %w", name, err)
		}
		f.state[name] = info
	}
	return nil
}

// walkSaved notes what lies below the package's saved folder.
func (s *System) walkSaved(f *facts, dir string) error {
	entries, err := s.FS.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", dir, err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			f.folders[name] = true
			if err := s.walkSaved(f, name); err != nil {
				return err
			}
			continue
		}
		f.saved[name] = true
	}
	return nil
}

// kernelFacts notes the kernels whose index follows a change. It returns
// whether depmod is wanted and not there.
func (s *System) kernelFacts(f *facts, kernels ...string) (missing bool, err error) {
	for _, kernel := range kernels {
		folder := path.Join(modulesDir, kernel)
		info, err := s.FS.Stat(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("cannot look at %s: %w", folder, err)
		}
		if info.IsDir() {
			f.kernels[kernel] = folder
		}
	}
	if len(f.kernels) == 0 {
		return false, nil
	}
	_, err = s.Tool.Look("depmod")
	var absent *tool.MissingError
	if errors.As(err, &absent) {
		clear(f.kernels)
		return true, nil
	}
	return false, err
}

// findOwners notes who holds the targets that are to be written.
// Units of the packages that are replaced do not refuse them, they give them.
func (s *System) findOwners(ctx context.Context, f *facts, replaces []string) error {
	spelt := make(map[string]*target) // every name of a target
	var names []string
	merged := twins{fs: s.FS, same: make(map[string]bool)}
	for _, w := range f.wants {
		t := f.targets[w.at]
		if t.current {
			continue
		}
		for _, name := range merged.spellings(w.path) {
			spelt[name] = t
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	records, err := s.store().LoadAll()
	if err != nil {
		return err
	}
	f.made = make(map[string]bool)
	for _, r := range records {
		if r.Package == f.pkg {
			continue
		}
		for _, dir := range r.Dirs {
			f.made[dir] = true
		}
		if !r.IsPlaced() || slices.Contains(f.leaving, r.Package) {
			continue
		}
		gives := slices.Contains(replaces, r.Package)
		for i := range r.Files {
			for _, name := range merged.spellings(r.Files[i].Path) {
				switch t := spelt[name]; {
				case t == nil:
				case gives && r.Files[i].Path == t.path: // not where it is parked
					t.donor, t.rec = r, &r.Files[i]
				case slices.Contains(r.Replaces, f.pkg):
					t.heir = r.Package
				default:
					t.owner = "the koweld unit " + r.Package
				}
			}
		}
	}
	db, err := s.dpkg()
	if err != nil || db == nil {
		return err
	}
	owners, err := db.Owners(ctx, names)
	if err != nil {
		return err
	}
	for name, pkgs := range owners {
		for _, pkg := range pkgs {
			if t := spelt[name]; t != nil && pkg != f.pkg {
				t.owner = "package " + pkg
			}
		}
	}
	return nil
}

// twins knows which folders are the same below /usr and beside it. It looks
// once for each folder: files are thousands, folders hundreds.
type twins struct {
	fs   fsys.FS
	same map[string]bool // by folder
}

// spellings returns a path and, where /usr is merged, its other spelling.
// Where it is split the other spelling is another file.
func (t *twins) spellings(name string) []string {
	twin := dpkg.Twin(name)
	if twin == "" {
		return []string{name}
	}
	here := path.Dir(name)
	same, known := t.same[here]
	if !known {
		same = t.sameFolder(here, path.Dir(twin))
		t.same[here] = same
	}
	if !same {
		return []string{name}
	}
	return []string{name, twin}
}

// sameFolder compares the deepest folders that exist: what is missing below
// them will be made in the one and so appear in the other.
func (t *twins) sameFolder(here, there string) bool {
	for here != "/" && there != "/" {
		a, errA := t.fs.Stat(here)
		b, errB := t.fs.Stat(there)
		switch {
		case errA == nil && errB == nil && a.SameFile(b):
			return true
		case errA == nil || errB == nil:
			return false
		}
		here, there = path.Dir(here), path.Dir(there)
	}
	return false
}
