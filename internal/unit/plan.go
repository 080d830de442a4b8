package unit

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/manifest"
)

// A want is one file that a manifest declares.
type want struct {
	path string
	// at is where its bytes are put: its path, or a parked name.
	at     string
	mode   store.Mode
	module *manifest.Module // nil for a file
	file   *manifest.File
}

// A target is what is known of one path, wanted or recorded.
type target struct {
	path  string
	there *fsys.Info // nil: nothing is there
	// blocker is what lies where a folder above it has to be, or "".
	blocker string
	rec     *store.File // what our record says of it; nil if it is not ours
	// intact: what is there is, byte for byte, what the record says, with
	// its mode and owner. ours: at least its bytes are.
	intact, ours bool
	owner        string // a package or unit that holds it, ours excepted
	// whose package saves what is in the way; "" is that of the facts.
	whose string
	// donor is the record of a package that is replaced and gives it to us;
	// rec is then a part of that.
	donor *store.Record
	// heir is a package that replaces ours and holds it, or "".
	heir string
	// current: intact, and what is declared is what was placed.
	current bool
}

// refusal says why a path must not be written, or "".
func (t *target) refusal() string {
	switch {
	case t.owner != "":
		return t.owner + " owns it"
	case t.blocker != "":
		return t.blocker + " is not a folder"
	case t.there != nil && t.rec == nil && t.there.IsRegular() && t.there.Mode&specialBits != 0:
		return "it has a setuid, setgid or sticky bit, which could not be given back"
	case t.there == nil || t.there.IsRegular():
		return ""
	case t.there.IsDir():
		return "it is a directory"
	case t.there.Mode&fs.ModeSymlink != 0:
		return "it is a symbolic link"
	}
	return "it is not a regular file"
}

// A source says where the bytes of a Place come from.
type source struct {
	want  *want           // form it
	file  int             // with want: the index in the record's files
	link  *store.File     // or it is the file of this record, by a second name
	from  string          // with link: where that is now
	copy  string          // or copy this file
	meta  *store.Original // with this metadata; nil: that of the file itself
	saves *store.Original // with copy: what the copy is an original for, to be completed
	state stateFile       // or it is one of koweld's own
	rec   *store.Record   // with recordFile and sumsFile: what it tells of
	data  []byte          // with dataFile: its bytes
}

type stateFile int

const (
	notState stateFile = iota
	recordFile
	sumsFile
	dataFile
)

// A plan is what a transaction will do and what the record will say.
type plan struct {
	ops     []txn.Op
	sources []source // by operation
	record  *store.Record
	kept    []keep // what is not ours and stays
}

// A keep is a file that was at from, or still is, and lies at to afterwards.
type keep struct {
	from, to string
	original bool // it is what lay there before us, and not a change since
}

func (p *plan) add(o txn.Op, s source) {
	p.ops = append(p.ops, o)
	p.sources = append(p.sources, s)
}

// facts are what a plan is made from.
type facts struct {
	pkg     string
	st      *store.Store // for the names of its folders
	uid     int          // owner of what is placed
	gid     int
	old     *store.Record
	wants   []want
	targets map[string]*target // by path, of wants and of old
	folders map[string]bool    // folders known to exist
	saved   map[string]bool    // names taken below the saved folder
	// depmod: the kernels whose index must follow a change, and the folder
	// of each.
	kernels map[string]string
	// state is what lies at the record and at the digests.
	state map[string]*fsys.Info
	// donors are the records that give targets to this package, by package,
	// and inherited what was still to be done for those that end by it.
	donors    map[string]*store.Record
	leaving   []string        // packages whose units do not hold their targets any more
	made      map[string]bool // folders that other units have made
	inherited []store.Effect
}

// planInstall plans the way from what is there to what is wanted. record is
// filled in while the files are staged.
func planInstall(f *facts, m *manifest.Manifest) (*plan, error) {
	p := &plan{record: &store.Record{
		Package: m.Package, Kernel: m.Kernel,
		Manifest: store.Manifest{Path: m.File, SHA256: m.SHA256}, Replaces: m.Replaces,
		Provides: providesOf(m), Userspace: m.Userspace,
	}}
	if f.old != nil {
		p.record.Unknown = f.old.Unknown
		p.record.Dirs = slices.Clone(f.old.Dirs)
	}
	wanted := make(map[string]bool, len(f.wants))
	var refused error
	for i := range f.wants {
		w := &f.wants[i]
		wanted[w.path] = true
		t := f.targets[w.at]
		if t.current {
			file := *t.rec
			f.takeOver(p, t, &file)
			p.record.Files = append(p.record.Files, file)
			continue
		}
		if t.heir != "" {
			continue
		}
		if why := t.refusal(); why != "" {
			refused = errors.Join(refused, &TargetError{Path: w.path, Reason: why})
			continue
		}
		file := store.File{Path: w.path, Mode: w.mode, UID: f.uid, GID: f.gid}
		aside := w.at != w.path
		if aside {
			file.Parked = w.at
		}
		switch {
		case aside:
		case t.rec != nil:
			file.Original = t.rec.Original
			file.Unknown = t.rec.Unknown
			f.takeOver(p, t, &file)
			if t.there != nil && !t.ours {
				f.keepChanged(p, t)
			}
		case t.there != nil:
			file.Original = f.saveOriginal(p, t)
		}
		for _, dir := range f.mkdirs(p, path.Dir(w.path)) {
			if !slices.Contains(p.record.Dirs, dir) {
				p.record.Dirs = append(p.record.Dirs, dir)
			}
		}
		f.shareFolders(p, w.path)
		p.record.Files = append(p.record.Files, file)
		p.add(txn.Op{Kind: txn.Place, Path: w.at, Mode: uint32(w.mode), UID: f.uid, GID: f.gid, Was: seen(t.there)}, source{want: w, file: len(p.record.Files) - 1})
	}
	if refused != nil {
		return nil, refused
	}
	if f.old != nil {
		for i := range f.old.Files {
			switch rec := &f.old.Files[i]; {
			case wanted[rec.Path]:
			case rec.Parked != "":
				f.dropParked(p, rec)
			default:
				f.takeBack(p, f.targets[rec.Path])
			}
		}
	}
	f.leaveDonors(p)
	return p, nil
}

// planRemove plans the way back to what was there before.
func planRemove(f *facts) *plan {
	p := &plan{}
	for i := range slices.Backward(f.old.Files) {
		f.takeBack(p, f.targets[f.old.Files[i].Path])
	}
	return p
}

// rmdirs plans that the folders go that were made for the package.
func (f *facts) rmdirs(p *plan) {
	for _, dir := range slices.Backward(f.old.Dirs) {
		p.add(txn.Op{Kind: txn.Rmdir, Path: dir}, source{})
	}
}

// takeBack removes a recorded file and gives the original back. What is not
// ours is kept. It reports whether the original is no longer saved.
func (f *facts) takeBack(p *plan, t *target) (givenBack bool) {
	if t.there != nil && !t.there.IsRegular() {
		// Somebody made it a link or a folder: it is theirs, and so is
		// the way back to what was there before.
		p.kept = append(p.kept, keep{from: t.path, to: t.path})
		if o := t.rec.Original; o != nil && f.targets[o.Saved].there != nil {
			p.kept = append(p.kept, keep{from: t.path, to: o.Saved, original: true})
		}
		return false
	}
	if t.there != nil && !t.ours {
		f.keepChanged(p, t)
	}
	o := t.rec.Original
	var saved *target
	if o != nil {
		saved = f.targets[o.Saved]
	}
	if o != nil && saved.there != nil && !f.folders[path.Dir(t.path)] {
		// Its folder went with the kernel: it stays where it is saved.
		p.kept = append(p.kept, keep{from: t.path, to: o.Saved, original: true})
		o = nil
	}
	if o == nil || saved.there == nil {
		if t.there != nil {
			p.add(txn.Op{Kind: txn.Remove, Path: t.path, Was: seen(t.there)}, source{})
		}
		return false
	}
	p.add(txn.Op{
		Kind: txn.Place, Path: t.path, Mode: uint32(o.Mode), UID: o.UID, GID: o.GID, Was: seen(t.there),
	}, source{copy: o.Saved, meta: o})
	f.removeSaved(p, saved)
	return true
}

// removeSaved removes an original that is saved elsewhere now, or given back.
func (f *facts) removeSaved(p *plan, saved *target) {
	p.add(txn.Op{Kind: txn.Remove, Path: saved.path, Was: seen(saved.there)}, source{})
	for dir := path.Dir(saved.path); len(dir) > len(f.st.Saved("")); dir = path.Dir(dir) {
		p.add(txn.Op{Kind: txn.Rmdir, Path: dir}, source{})
	}
}

// saveOriginal copies a file of nobody to the saved folder.
func (f *facts) saveOriginal(p *plan, t *target) *store.Original {
	o := &store.Original{
		Saved: f.savedOriginal(cmp.Or(t.whose, f.pkg), t.path),
		Mode:  store.Mode(t.there.Mode.Perm()), UID: t.there.UID, GID: t.there.GID,
		Mtime: t.there.Mtime.UnixNano(),
	}
	f.copyTo(p, t, o.Saved, o)
	return o
}

// savedOriginal is a free name for the original of a path.
func (f *facts) savedOriginal(pkg, name string) string {
	to := path.Join(f.st.Saved(pkg), name)
	for n := 2; f.saved[to]; n++ {
		to = path.Join(f.st.SavedAgain(pkg, n), name)
	}
	f.saved[to] = true
	return to
}

// keepChanged copies bytes that somebody put in the place of ours.
func (f *facts) keepChanged(p *plan, t *target) {
	base := path.Join(f.st.Saved(cmp.Or(t.whose, f.pkg)), t.path) + ".changed"
	to := base
	for n := 2; f.saved[to]; n++ {
		to = base + "." + strconv.Itoa(n)
	}
	f.saved[to] = true
	f.copyTo(p, t, to, nil)
	p.kept = append(p.kept, keep{from: t.path, to: to})
}

func (f *facts) copyTo(p *plan, t *target, to string, saves *store.Original) {
	f.mkdirs(p, path.Dir(to))
	p.add(txn.Op{
		Kind: txn.Place, Path: to, Mode: uint32(t.there.Mode.Perm()), UID: t.there.UID, GID: t.there.GID,
	}, source{copy: t.path, saves: saves})
}

// mkdirs plans the folders that lead to dir and returns them, outermost
// first.
func (f *facts) mkdirs(p *plan, dir string) []string {
	var missing []string
	for d := dir; !f.folders[d] && d != "/"; d = path.Dir(d) {
		missing = append(missing, d)
		f.folders[d] = true
	}
	slices.Reverse(missing)
	for _, d := range missing {
		p.add(txn.Op{Kind: txn.Mkdir, Path: d, Mode: 0o755}, source{})
	}
	return missing
}

// shareFolders notes the folders above a path that other units have made: who
// leaves them last removes them.
func (f *facts) shareFolders(p *plan, name string) {
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		if f.made[dir] && !slices.Contains(p.record.Dirs, dir) {
			p.record.Dirs = append(p.record.Dirs, dir)
		}
	}
	slices.Sort(p.record.Dirs) // a folder comes before those in it
}

// placeState plans a record and its digests.
func (f *facts) placeState(p *plan, r *store.Record) {
	record, sums := f.st.RecordPath(r.Package), f.st.SumsPath(r.Package)
	f.mkdirs(p, path.Dir(record))
	p.add(txn.Op{Kind: txn.Place, Path: sums, Mode: 0o644, UID: f.uid, GID: f.gid, Was: seen(f.state[sums])}, source{state: sumsFile, rec: r})
	p.add(txn.Op{Kind: txn.Place, Path: record, Mode: 0o644, UID: f.uid, GID: f.gid, Was: seen(f.state[record])}, source{state: recordFile, rec: r})
}

func (f *facts) removeState(p *plan, pkg string) {
	for _, name := range []string{f.st.SumsPath(pkg), f.st.RecordPath(pkg)} {
		if info := f.state[name]; info != nil {
			p.add(txn.Op{Kind: txn.Remove, Path: name, Was: seen(info)}, source{})
		}
	}
}

// indexModules plans depmod for each kernel whose modules change, or for all
// if one is overdue. It reports whether any module changes.
func (f *facts) indexModules(p *plan, overdue bool) (changed bool) {
	changed = overdue || p.touchesModules()
	for _, kernel := range slices.Sorted(maps.Keys(f.kernels)) {
		folder := f.kernels[kernel]
		op := txn.Op{Kind: txn.Depmod, Kernel: kernel, Folder: folder}
		run := overdue
		for i, o := range p.ops {
			rel, below := strings.CutPrefix(o.Path, folder+"/")
			if !below || !isModuleOp(o) {
				continue
			}
			run = true
			if src := p.sources[i]; src.want != nil || src.link != nil {
				op.Watch = append(op.Watch, rel)
			}
		}
		if run {
			p.add(op, source{})
		}
	}
	return changed
}

// touchesModules reports whether a plan places or removes a module.
func (p *plan) touchesModules() bool { return slices.ContainsFunc(p.ops, isModuleOp) }

// isModuleOp reports whether an operation changes what depmod indexes.
func isModuleOp(o txn.Op) bool {
	return (o.Kind == txn.Place || o.Kind == txn.Remove) &&
		strings.HasPrefix(o.Path, modulesDir+"/") && strings.Contains(path.Base(o.Path), ".ko")
}

func seen(i *fsys.Info) *txn.Seen {
	if i == nil {
		return nil
	}
	return txn.See(*i)
}
