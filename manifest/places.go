package manifest

import "path"

// place is what will lie at an absolute path.
type place struct {
	path string
	at   *value
}

// places refuses two things in one place, and one in the folder that another
// is the file of. Two modules in one place have one name, which has been
// refused already.
func (d *decoder) places(m *Manifest, modules, files []*value) {
	var all []place
	first := map[string]Pos{}
	for i, v := range modules {
		if m.Modules[i].Install == "" {
			continue
		}
		p := place{moduleFolders[0] + "/" + m.Kernel + "/" + m.Modules[i].Target(), v}
		if install := v.member("install"); install != nil {
			p.at = install
		}
		first[p.path] = p.at.pos
		all = append(all, p)
	}
	for i, v := range files {
		if m.Files[i].Install == "" {
			continue
		}
		p := place{m.Files[i].Install, v.member("install")}
		d.once(first, p.at, p.path, "place")
		all = append(all, p)
	}
	for _, p := range all {
		d.inFile(p, first)
	}
}

// placesOfDiverts refuses to place something where a diverted file is to lie.
func (d *decoder) placesOfDiverts(m *Manifest, v *value) {
	placed := map[string]bool{}
	for i := range m.Modules {
		placed[inUsr(moduleFolders[0]+"/"+m.Kernel+"/"+m.Modules[i].Target())] = true
	}
	for i := range m.Files {
		placed[inUsr(m.Files[i].Install)] = true
	}
	for i := range m.Diverts {
		if to := m.Diverts[i].To; to != "" && placed[inUsr(to)] {
			d.errorf(v.element(i), "", "%s is where koweld is to place something", to)
		}
	}
}

// inFile refuses a place that is below a file.
func (d *decoder) inFile(p place, files map[string]Pos) {
	for dir := path.Dir(p.path); len(dir) > 1; dir = path.Dir(dir) {
		if pos, ok := files[dir]; ok {
			d.errorf(p.at, "", "%s is below %s, which is a file, at %d:%d", p.path, dir, pos.Line, pos.Column)
			return
		}
	}
}
