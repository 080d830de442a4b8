package faultfs

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// Disk is a file system in memory that knows what of it would outlive a power
// cut: [Cuts] makes the disks that a cut at this instant may leave. It keeps
// the strict word of POSIX, which promises less than any Linux file system
// does:
//
//   - the bytes and metadata of a file are durable once File.Sync returns, and
//     that makes no name durable, its own neither;
//   - each change of a directory's names is atomic by itself, a rename and an
//     exchange too, and durable once SyncDir of that directory returns, and
//     that makes no other directory's durable, its parent neither; a rename from
//     one directory to another is one change, and durable once SyncDir of both
//     returned;
//   - Volume.Sync does all that for what was done on that file system since the
//     volume was opened, and for nothing older;
//   - until then each of them is durable or not, whatever their order.
//
// Inodes keep their numbers over a cut, so a disk behaves as the one that was
// cut. All belongs to uid 0, and everybody is trusted. A directory cannot move to
// another one (EXDEV), and names are exchanged within one. Time is a count of
// changes.
type Disk struct {
	// NoExchange says that Exchange is EINVAL, as on most file systems that
	// are not ext4, XFS, btrfs or tmpfs.
	NoExchange bool

	mu      sync.Mutex
	nodes   []*node  // by inode number; nil for those that are free
	devices uint64   // that are mounted, from 1
	ticks   int64    // the time
	pending []change // of names, not durable yet, in order
}

// rootIno is the inode number of the root directory.
const rootIno = 1

// A node is an inode: what a run sees of it, and what is durable.
type node struct {
	ino, dev   uint64
	live, safe content
	since      int64 // the time of the first change that is not durable; 0: none
	// cut is what lay there before each Truncate since the last Sync: the
	// kernel may have written it.
	cut []content
	// Of a directory.
	names, safeNames names
	holder           *diskFile // of the lock
}

// sync makes what is there durable, names excepted.
func (n *node) sync() { n.safe, n.cut, n.since = n.live, nil, 0 }

// touch notes that something is not durable.
func (d *Disk) touch(n *node) {
	if n.since == 0 {
		n.since = d.ticks
	}
}

// content is what fsync(2) makes durable. It is never changed in place.
type content struct {
	mode     fs.FileMode // with the type
	uid, gid int
	mtime    int64 // ticks or nanoseconds since the epoch
	xattrs   map[string][]byte
	data     *blob // of a symbolic link its target
}

// A blob is bytes with their digest, which is asked for again and again.
type blob struct {
	bytes []byte
	once  sync.Once
	sum   [sha256.Size]byte
}

func (b *blob) digest() [sha256.Size]byte {
	b.once.Do(func() { b.sum = sha256.Sum256(b.bytes) })
	return b.sum
}

var nothing = &blob{}

// same reports whether two contents are the same.
func (c content) same(o content) bool {
	return c.mode == o.mode && c.uid == o.uid && c.gid == o.gid && c.mtime == o.mtime &&
		(c.data == o.data || bytes.Equal(c.data.bytes, o.data.bytes)) &&
		maps.EqualFunc(c.xattrs, o.xattrs, bytes.Equal)
}

// An entry is a name of a directory.
type entry struct {
	name string
	ino  uint64
}

// names are the entries of a directory, sorted. They are never changed in
// place.
type names []entry

func (n names) find(name string) (int, bool) {
	return slices.BinarySearchFunc(n, name, func(e entry, name string) int { return strings.Compare(e.name, name) })
}

// ino is the inode number of a name; 0 if it is not there.
func (n names) ino(name string) uint64 {
	if i, ok := n.find(name); ok {
		return n[i].ino
	}
	return 0
}

// A change is of the names of one directory, or of two, atomic: each name gets an
// inode number, or 0 if it goes.
type change struct {
	dir uint64
	at  int64 // the time
	set []entry
	// Of a rename to another directory.
	to     uint64
	toSet  []entry
	synced uint64 // which of the two SyncDir has made durable; 0: none
}

// all are the entries of each directory that is changed.
func (c change) all(yield func(dir uint64, set []entry) bool) {
	if yield(c.dir, c.set) && c.to != 0 {
		yield(c.to, c.toSet)
	}
}

// syncDir notes that a directory became durable, and reports whether the change
// did.
func (c *change) syncDir(dir uint64) bool {
	switch {
	case c.to == 0:
		return c.dir == dir
	case c.dir != dir && c.to != dir:
		return false
	case c.synced != 0 && c.synced != dir:
		return true
	}
	c.synced = dir
	return false
}

func (n names) with(set []entry) names {
	to := slices.Clone(n)
	for _, e := range set {
		i, found := to.find(e.name)
		switch {
		case e.ino == 0 && found:
			to = slices.Delete(to, i, i+1)
		case e.ino == 0:
		case found:
			to[i].ino = e.ino
		default:
			to = slices.Insert(to, i, e)
		}
	}
	return to
}

var _ fsys.FS = (*Disk)(nil)

// NewDisk makes an empty disk.
func NewDisk() *Disk {
	d := &Disk{nodes: make([]*node, rootIno), devices: 1}
	d.add(fs.ModeDir|0o755, nothing, 1).sync()
	return d
}

// add makes an inode that has no name yet.
func (d *Disk) add(mode fs.FileMode, data *blob, dev uint64) *node {
	c := content{mode: mode, mtime: d.tick(), data: data}
	n := &node{ino: uint64(len(d.nodes)), dev: dev, live: c, safe: c}
	d.nodes = append(d.nodes, n)
	return n
}

// Clone copies a disk with all that is not durable yet.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &Disk{
		NoExchange: d.NoExchange, nodes: make([]*node, len(d.nodes)), devices: d.devices,
		ticks: d.ticks, pending: slices.Clone(d.pending),
	}
	for i, n := range d.nodes {
		if n != nil {
			c.nodes[i] = &node{
				ino: n.ino, dev: n.dev, live: n.live, safe: n.safe, since: n.since, cut: n.cut,
				names: n.names, safeNames: n.safeNames,
			}
		}
	}
	return c
}

// A place is where a name leads: to n, or nil, in a directory.
type place struct {
	dir  *node
	base string
	n    *node
	path string // resolved
}

const maxLinks = 40 // as in the kernel's fs/namei.c

// find walks to a name, inside the root whatever the links say.
func (d *Disk) find(name string, follow bool) (place, error) {
	if name == "" || name[0] != '/' || path.Clean(name) != name {
		return place{}, unix.EINVAL
	}
	root := d.nodes[rootIno]
	way := []place{{dir: root, base: ".", n: root, path: "/"}}
	todo := strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		base := todo[0]
		todo = todo[1:]
		here := way[len(way)-1]
		switch {
		case base == "" || base == ".":
			continue
		case here.n == nil:
			return place{}, unix.ENOENT
		case !here.n.live.mode.IsDir():
			return place{}, unix.ENOTDIR
		case base == "..":
			way = way[:max(1, len(way)-1)]
			continue
		}
		next := place{dir: here.n, base: base, n: d.nodes[here.n.names.ino(base)], path: path.Join(here.path, base)}
		if next.n == nil || next.n.live.mode&fs.ModeSymlink == 0 || !follow && len(todo) == 0 {
			way = append(way, next)
			continue
		}
		if links++; links > maxLinks {
			return place{}, unix.ELOOP
		}
		target := string(next.n.live.data.bytes)
		if path.IsAbs(target) {
			way = way[:1]
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return way[len(way)-1], nil
}

// there is find for what must exist.
func (d *Disk) there(name string, follow bool) (place, error) {
	p, err := d.find(name, follow)
	if err == nil && p.n == nil {
		err = unix.ENOENT
	}
	return p, err
}

// free is find for a name that must not exist.
func (d *Disk) free(name string) (place, error) {
	p, err := d.find(name, false)
	if err == nil && p.n != nil {
		err = unix.EEXIST
	}
	return p, err
}

// one makes a call with one name.
func (d *Disk) one(op Op, name string, call func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := call(); err != nil {
		return &fs.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}

// two makes a call with two names.
func (d *Disk) two(op Op, a, b string, call func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := call(); err != nil {
		return &os.LinkError{Op: string(op), Old: a, New: b, Err: err}
	}
	return nil
}

// enter changes names of a directory at once, durable later.
func (d *Disk) enter(dir *node, set ...entry) {
	d.pending = append(d.pending, change{dir: dir.ino, at: d.ticks, set: set})
	dir.names = dir.names.with(set)
}

// move changes a name to one in another directory, or in the same, at once, durable
// later.
func (d *Disk) move(from, to place) error {
	switch {
	case from.dir == to.dir:
		d.enter(from.dir, entry{from.base, 0}, entry{to.base, from.n.ino})
		return nil
	case from.dir.dev != to.dir.dev || from.n.live.mode.IsDir():
		return unix.EXDEV
	}
	c := change{
		dir: from.dir.ino, at: d.ticks, set: []entry{{from.base, 0}},
		to: to.dir.ino, toSet: []entry{{to.base, from.n.ino}},
	}
	from.dir.names, to.dir.names = from.dir.names.with(c.set), to.dir.names.with(c.toSet)
	d.pending = append(d.pending, c)
	return nil
}

// links counts the names of an inode.
func (d *Disk) links(n *node) (count uint64) {
	for _, dir := range d.nodes {
		if dir == nil {
			continue
		}
		for _, e := range dir.names {
			if e.ino == n.ino {
				count++
			}
		}
	}
	return count
}

func (d *Disk) info(n *node) fsys.Info {
	return fsys.Info{
		Dev: n.dev, Ino: n.ino, Nlink: d.links(n), Mode: n.live.mode, UID: n.live.uid, GID: n.live.gid,
		Size: int64(len(n.live.data.bytes)), Mtime: time.Unix(0, n.live.mtime),
	}
}

// An Entry is what lies at a name of a [Disk].
type Entry struct {
	fsys.Info
	Data   []byte // of a symbolic link its target
	Xattrs map[string][]byte
}

// All goes through the names of a disk, each after the directory it is in.
func (d *Disk) All() iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) { d.below("/", d.nodes[rootIno], yield) }
}

func (d *Disk) below(name string, n *node, yield func(string, Entry) bool) bool {
	if !yield(name, Entry{d.info(n), n.live.data.bytes, n.live.xattrs}) {
		return false
	}
	for _, e := range n.names {
		if !d.below(path.Join(name, e.name), d.nodes[e.ino], yield) {
			return false
		}
	}
	return true
}

// Put puts an entry on a disk, durable, as [Disk.All] told of it: with its inode
// number, owner and time. Its directory must be there. A second name of one
// inode is a hard link.
func (d *Disk) Put(name string, e Entry) error {
	return d.one(Create, name, func() error {
		p, err := d.free(name)
		if err != nil {
			return err
		}
		for uint64(len(d.nodes)) <= e.Ino {
			d.nodes = append(d.nodes, nil)
		}
		if d.nodes[e.Ino] == nil {
			c := content{mode: e.Mode, uid: e.UID, gid: e.GID, mtime: e.Mtime.UnixNano(), xattrs: e.Xattrs, data: &blob{bytes: e.Data}}
			d.nodes[e.Ino] = &node{ino: e.Ino, dev: p.dir.dev, live: c, safe: c}
		}
		set := []entry{{p.base, e.Ino}}
		p.dir.names, p.dir.safeNames = p.dir.names.with(set), p.dir.safeNames.with(set)
		return nil
	})
}

// Host implements [fsys.FS]: a program sees a disk under the same names.
func (d *Disk) Host(name string) string { return name }

func (d *Disk) Resolve(name string) (resolved string, err error) {
	err = d.one(Resolve, name, func() error {
		p, err := d.there(name, true)
		resolved = p.path
		return err
	})
	return resolved, err
}

func (d *Disk) Lstat(name string) (fsys.Info, error) { return d.stat(Lstat, name, false) }
func (d *Disk) Stat(name string) (fsys.Info, error)  { return d.stat(Stat, name, true) }

func (d *Disk) stat(op Op, name string, follow bool) (info fsys.Info, err error) {
	err = d.one(op, name, func() error {
		p, err := d.there(name, follow)
		if err == nil {
			info = d.info(p.n)
		}
		return err
	})
	return info, err
}

func (d *Disk) Readlink(name string) (target string, err error) {
	err = d.one(Readlink, name, func() error {
		p, err := d.there(name, false)
		if err == nil && p.n.live.mode&fs.ModeSymlink == 0 {
			err = unix.EINVAL
		}
		if err == nil {
			target = string(p.n.live.data.bytes)
		}
		return err
	})
	return target, err
}

// IsMount implements [fsys.FS]. A Disk has no mounts.
func (d *Disk) IsMount(name string) (bool, error) {
	return false, d.one(IsMount, name, func() error {
		_, err := d.there(name, false)
		return err
	})
}

func (d *Disk) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = d.one(ReadDir, name, func() error {
		p, err := d.there(name, false)
		if err == nil && !p.n.live.mode.IsDir() {
			err = unix.ENOTDIR
		}
		if err != nil {
			return err
		}
		for _, e := range p.n.names {
			info := d.info(d.nodes[e.ino])
			entries = append(entries, fs.FileInfoToDirEntry(info.FileInfo(e.name)))
		}
		return nil
	})
	return entries, err
}

// Space implements [fsys.FS]: there is enough.
func (d *Disk) Space(name string) (fsys.Space, error) {
	err := d.one(Space, name, func() error { _, err := d.there(name, true); return err })
	return fsys.Space{Bytes: 1 << 40, InodesUnlimited: true}, err
}

func (d *Disk) Mkdir(name string, perm fs.FileMode) error {
	return d.one(Mkdir, name, func() error {
		p, err := d.free(name)
		if err == nil {
			d.enter(p.dir, entry{p.base, d.add(fs.ModeDir|perm, nothing, p.dir.dev).ino})
		}
		return err
	})
}

func (d *Disk) Rmdir(name string) error {
	return d.one(Rmdir, name, func() error {
		p, err := d.there(name, false)
		switch {
		case err != nil:
			return err
		case p.n.ino == rootIno:
			return unix.EBUSY
		case !p.n.live.mode.IsDir():
			return unix.ENOTDIR
		case len(p.n.names) > 0:
			return unix.ENOTEMPTY
		}
		d.enter(p.dir, entry{p.base, 0})
		return nil
	})
}

func (d *Disk) Unlink(name string) error {
	return d.one(Unlink, name, func() error {
		p, err := d.there(name, false)
		if err == nil && p.n.live.mode.IsDir() {
			err = unix.EISDIR
		}
		if err == nil {
			d.enter(p.dir, entry{p.base, 0})
		}
		return err
	})
}

func (d *Disk) Symlink(target, name string) error {
	return d.two(Symlink, target, name, func() error {
		p, err := d.free(name)
		if err == nil {
			n := d.add(fs.ModeSymlink|fs.ModePerm, &blob{bytes: []byte(target)}, p.dir.dev)
			d.enter(p.dir, entry{p.base, n.ino})
		}
		return err
	})
}

func (d *Disk) Link(oldname, newname string) error {
	return d.two(Link, oldname, newname, func() error {
		from, err := d.there(oldname, false)
		if err != nil {
			return err
		}
		to, err := d.free(newname)
		if err == nil && from.n.live.mode.IsDir() {
			err = unix.EPERM
		}
		if err == nil {
			d.enter(to.dir, entry{to.base, from.n.ino})
		}
		return err
	})
}

func (d *Disk) Rename(oldname, newname string) error {
	return d.two(Rename, oldname, newname, func() error {
		from, err := d.there(oldname, false)
		if err != nil {
			return err
		}
		to, err := d.find(newname, false)
		switch {
		case err != nil:
			return err
		case from.n == to.n:
			return nil // rename(2): two names of one file stay
		case to.n == nil:
		case to.n.live.mode.IsDir() && !from.n.live.mode.IsDir():
			return unix.EISDIR
		case !to.n.live.mode.IsDir() && from.n.live.mode.IsDir():
			return unix.ENOTDIR
		case len(to.n.names) > 0:
			return unix.ENOTEMPTY
		}
		return d.move(from, to)
	})
}

func (d *Disk) RenameNoReplace(oldname, newname string) error {
	return d.two(RenameNoReplace, oldname, newname, func() error {
		from, err := d.there(oldname, false)
		if err != nil {
			return err
		}
		to, err := d.free(newname)
		if err != nil {
			return err
		}
		return d.move(from, to)
	})
}

func (d *Disk) Exchange(a, b string) error {
	return d.two(Exchange, a, b, func() error {
		if d.NoExchange {
			return unix.EINVAL
		}
		pa, err := d.there(a, false)
		if err != nil {
			return err
		}
		pb, err := d.there(b, false)
		if err == nil && pa.dir != pb.dir {
			err = unix.EXDEV
		}
		if err == nil && pa.n != pb.n {
			d.enter(pa.dir, entry{pa.base, pb.n.ino}, entry{pb.base, pa.n.ino})
		}
		return err
	})
}

// SyncDir implements [fsys.FS].
func (d *Disk) SyncDir(name string) error {
	return d.one(SyncDir, name, func() error {
		p, err := d.there(name, true)
		if err == nil && !p.n.live.mode.IsDir() {
			err = unix.ENOTDIR
		}
		if err == nil {
			d.settle(func(c *change) bool { return c.syncDir(p.n.ino) })
		}
		return err
	})
}

// settle makes changes of names durable.
func (d *Disk) settle(which func(*change) bool) {
	var left []change
	for _, c := range d.pending {
		if !which(&c) {
			left = append(left, c)
			continue
		}
		for dir, set := range c.all {
			n := d.nodes[dir]
			n.safeNames = n.safeNames.with(set)
		}
	}
	d.pending = left
}

// SyncAll makes all that is there durable.
func (d *Disk) SyncAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle(func(*change) bool { return true })
	for _, n := range d.nodes {
		if n != nil {
			n.sync()
		}
	}
}

// Mount makes an empty directory a file system of its own.
func (d *Disk) Mount(name string) error {
	return d.one(Mkdir, name, func() error {
		p, err := d.there(name, false)
		switch {
		case err != nil:
			return err
		case !p.n.live.mode.IsDir() || len(p.n.names) > 0:
			return unix.EBUSY
		}
		d.devices++
		p.n.dev = d.devices
		return nil
	})
}

// diskVolume is an open volume of a Disk.
type diskVolume struct {
	d      *Disk
	name   string
	dev    uint64
	opened int64 // the time
	closed bool
}

// OpenVolume implements [fsys.FS].
func (d *Disk) OpenVolume(name string) (v fsys.Volume, err error) {
	err = d.one(OpenVolume, name, func() error {
		p, err := d.there(name, true)
		if err == nil && !p.n.live.mode.IsDir() {
			err = unix.ENOTDIR
		}
		if err == nil {
			v = &diskVolume{d: d, name: name, dev: p.n.dev, opened: d.tick()}
		}
		return err
	})
	return v, err
}

func (v *diskVolume) Dev() uint64 { return v.dev }

// Sync makes durable what was written to this file system since the volume was
// opened. What is older may have failed before and nobody would be told.
func (v *diskVolume) Sync() error {
	return v.d.one(SyncFS, v.name, func() error {
		if v.closed {
			return os.ErrClosed
		}
		v.d.settle(func(c *change) bool { return v.d.nodes[c.dir].dev == v.dev && c.at >= v.opened })
		for _, n := range v.d.nodes {
			if n != nil && n.dev == v.dev && n.since >= v.opened {
				n.sync()
			}
		}
		return nil
	})
}

func (v *diskVolume) Close() error {
	return v.d.one(CloseVolume, v.name, func() error {
		v.closed = true
		return nil
	})
}
