package manifest

import (
	"path"
	"slices"
	"strings"
)

// Content is what an input had in it when the manifest was written. It decides
// nothing: whether a module is right, the digest of its image does. It tells
// which input is to blame when no way gives that image.
type Content struct {
	SHA256 string // hex
	Size   int64  // bytes
	Pos    Pos
}

// maxInput bounds the size of an input, in bytes.
const maxInput = 1 << 40

// Reads lists the files that placing the unit reads, whichever of its ways form
// the modules: absolute paths, sorted, no two the same. The linker is none of
// them, nor the linker script where nothing is linked.
func (m *Manifest) Reads() []string {
	var all []string
	for _, in := range m.InputFiles() {
		if in.Role != RoleLinker {
			all = append(all, in.File)
		}
	}
	return slices.Compact(all)
}

// Reads lists the files that the way reads, in its own order; l is that of the
// manifest.
func (f *Form) Reads(l *Linker) []string {
	var all []string
	for _, in := range f.inputFiles(l) {
		all = append(all, in.File)
	}
	return all
}

// knownInputs are the contents of inputs. What nothing reads is refused, for it
// is a misspelling or left over; but not where something else is wrong, which
// may be what would read it.
func (d *decoder) knownInputs(v *value, top *Manifest) map[string]Content {
	if v == nil || !d.is(v, mapping) {
		return nil
	}
	sound := len(d.errs) == 0
	known := make(map[string]Content, len(v.keys))
	first := map[string]Pos{}
	var keys []*value
	var names []string // of keys
	for i, k := range v.keys {
		if strings.HasPrefix(k.text, extension) {
			continue
		}
		at := v.memberAt(i)
		f := d.fields(at, "size", "sha256")
		c := Content{
			Size:   d.size(f.need("size"), maxInput, "an input"),
			SHA256: d.digest(f.need("sha256")),
			Pos:    k.pos,
		}
		key := v.keyAt(i)
		name, ok := d.input(key, top.Objects)
		if !ok {
			continue
		}
		d.once(first, key, name, "input")
		known[name] = c
		keys, names = append(keys, key), append(names, name)
	}
	if sound {
		d.unread(keys, names, top)
	}
	if len(known) == 0 {
		return nil
	}
	return known
}

// unread refuses the inputs that nothing reads; names are the paths of keys.
func (d *decoder) unread(keys []*value, names []string, top *Manifest) {
	const guesses = 10 // more have one cause, and the distance is quadratic
	reads := top.Reads()
	var words []string
	for i, name := range names {
		if _, found := slices.BinarySearch(reads, name); found {
			continue
		}
		key := keys[i]
		if words == nil {
			words = relativeTo(top.Objects, reads)
		}
		word := ""
		if signature := path.Join(top.Signatures, key.text); slices.Contains(reads, signature) {
			word = signature // relative paths are below objects
		} else if len(d.errs) < guesses {
			word = nearest(strings.TrimPrefix(name, top.Objects+"/"), words)
		}
		d.errorf(key, didYouMean(word), "nothing reads %s", name)
	}
}

// relativeTo are the paths as they may be spelt.
func relativeTo(folder string, paths []string) []string {
	short := make([]string, len(paths))
	for i, p := range paths {
		short[i] = strings.TrimPrefix(p, folder+"/")
	}
	return short
}
