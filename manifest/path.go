package manifest

import (
	"path"
	"strings"
)

// unclean says why p is not the one spelling of a path, or gives "". Paths are
// taken literally: what path.Clean would repair is refused.
func unclean(p string) string {
	switch {
	case strings.HasSuffix(p, "/"):
		return `ends with "/"`
	case strings.Contains(p, "//"):
		return `has "//"`
	}
	for c := range strings.SplitSeq(p, "/") {
		if c == "." || c == ".." {
			return `has "` + c + `"`
		}
	}
	return ""
}

// path is a clean path with its variables expanded.
func (d *decoder) path(v *value) (string, bool) {
	s, ok := d.string(v)
	if !ok {
		return "", false
	}
	if why := unclean(s); why != "" {
		d.errorf(v, "", "the path %s %s", s, why)
		return "", false
	}
	return s, true
}

// absolute is an absolute clean path.
func (d *decoder) absolute(v *value) (string, bool) {
	s, ok := d.path(v)
	if ok && !strings.HasPrefix(s, "/") {
		d.errorf(v, "", "the path %s is not absolute", s)
		return "", false
	}
	return s, ok
}

// relative is a relative clean path.
func (d *decoder) relative(v *value, base string) (string, bool) {
	s, ok := d.path(v)
	if ok && strings.HasPrefix(s, "/") {
		d.errorf(v, "", "the path %s is absolute; it is taken below %s", s, base)
		return "", false
	}
	return s, ok
}

// input is the path of a file to read: an absolute one, or one below folder.
func (d *decoder) input(v *value, folder string) (string, bool) {
	s, ok := d.path(v)
	if !ok {
		return "", false
	}
	return below(folder, s), true
}

// below is p itself if it is absolute, otherwise p in folder.
func below(folder, p string) string {
	if strings.HasPrefix(p, "/") {
		return p
	}
	return path.Join(folder, p)
}

// folder is an absolute folder, by default that of the manifest.
func (d *decoder) folder(m fields, key, dir string) string {
	v := m.get(key)
	if v == nil && dir == "" {
		v = m.need(key)
	}
	if v == nil {
		return dir
	}
	s, _ := d.absolute(v)
	return s
}

// isIn tells whether p is dir or below it.
func isIn(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, dir+"/")
}
