package crash

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"koweld/internal/fsys/faultfs"
)

// Tree says of each name of a disk what lies there. Of an index it says only
// whether it is the one that depmod would write now.
type Tree map[string]string

func (t Tree) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "  %s %s\n", name, t[name])
	}
	return b.String()
}

// stateDir is koweld's own folder. It and those in it say nothing by being
// there, empty but for the lock: whoever has the lock next removes them.
const stateDir = "/var/lib/koweld"

func (p *Proof) treeOf(d *faultfs.Disk) Tree {
	t := Tree{}
	indexes := map[string]map[string]string{} // by folder
	for _, kernel := range p.s.Kernels {
		folder, err := d.Resolve(path.Join("/lib/modules", kernel))
		if err != nil {
			continue // it went
		}
		indexes[folder] = map[string]string{}
	}
	for name, e := range d.All() {
		if name == stateDir+"/lock" || isDpkgs(name) {
			continue
		}
		if name == diversions {
			if list := diverted(e); list != "" {
				t[name] = list
			}
			continue
		}
		if e.IsDir() && (name == stateDir || path.Dir(name) == stateDir) {
			continue
		}
		if index, ok := indexes[path.Dir(name)]; ok && isIndex(name) {
			if !strings.HasSuffix(name, halfWritten) {
				index[path.Base(name)] = string(e.Data)
			}
			continue
		}
		t[name] = p.describe(name, e)
	}
	for folder, got := range indexes {
		name := folder + "/modules.*"
		want := indexOf(modulesBelow(d, folder))
		switch {
		case len(got) == 0:
			t[name] = noIndex
		case maps.Equal(got, want):
			t[name] = goodIndex
		default:
			t[name] = fmt.Sprintf("%q, not %q", got, want)
		}
	}
	return t
}

// describe says all of a file: a repaired one may differ only in its mode, and
// one that was given back has its inode again.
func (p *Proof) describe(name string, e faultfs.Entry) string {
	switch {
	case e.IsDir():
		return fmt.Sprintf("%v %d:%d", e.Mode, e.UID, e.GID)
	case p.s.Anew && path.Dir(name) == stateDir+"/packages" && path.Ext(name) == ".json":
		return "a record"
	case p.s.Anew:
		e.Ino, e.Mtime = 0, time.Time{}
	}
	if e.Mode&fs.ModeSymlink != 0 { // a copy of a link has its target
		e.Mtime = time.Time{}
	}
	text := fmt.Sprintf("%.40q", e.Data)
	if e.Mode&fs.ModeSymlink == 0 && len(e.Data) > 40 {
		text = fmt.Sprintf("%d bytes %.6x", len(e.Data), sha256.Sum256(e.Data))
	}
	return fmt.Sprintf("%v %d:%d inode %d of %d %s %q", e.Mode, e.UID, e.GID, e.Ino, e.Mtime.UnixNano(), text, e.Xattrs)
}

// What a Tree says of an index.
const (
	noIndex   = "none"
	goodIndex = "as depmod writes it"
)

// diff says how got differs from want, or "". A recovery may make an index
// where there was none.
func diff(want, got Tree) string {
	names := map[string]bool{}
	for name := range want {
		names[name] = true
	}
	for name := range got {
		names[name] = true
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if want[name] != got[name] && (want[name] != noIndex || got[name] != goodIndex) {
			fmt.Fprintf(&b, "  %s is %q, not %q\n", name, got[name], want[name])
		}
	}
	return b.String()
}

// isModule reports whether depmod takes a name for a module's.
func isModule(name string) bool { return strings.Contains(path.Base(name), ".ko") }
