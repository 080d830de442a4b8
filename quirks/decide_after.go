package quirks

import (
	"maps"
	"slices"
)

// after is what will be known when what is wanted so far is carried out, as far as
// that can be told.
func (d *deciding) after() *Facts {
	f := *d.f
	if !f.Diversions.Known {
		return &f
	}
	f.Paths, f.Relations = maps.Clone(f.Paths), maps.Clone(f.Relations)
	for _, w := range d.out.Wants {
		have, is := d.f.from(w.From)
		if is = is && have == (Diversion{w.From, w.To, w.Package}); is != w.Absent || w.NoMove {
			continue // it is so already, or no file goes along
		}
		from, to := w.From, w.To
		if w.Absent {
			from, to = to, from
		}
		ships := slices.ContainsFunc(f.Paths[w.From].Owners.Value, func(o Owner) bool { return o.Package == w.Package })
		if p := f.Paths[from]; p.Kind.Known && p.Kind.Value != NoFile && !ships {
			f.move(from, to)
		}
	}
	f.Diversions.Value = slices.DeleteFunc(slices.Clone(f.Diversions.Value), func(v Diversion) bool {
		return slices.Contains(d.ended, v)
	})
	for _, w := range d.out.Wants {
		v := Diversion{w.From, w.To, w.Package}
		if !w.Absent && !slices.Contains(f.Diversions.Value, v) {
			f.Diversions.Value = append(f.Diversions.Value, v)
		}
	}
	return &f
}

// move notes that a file goes to another name.
func (f *Facts) move(from, to string) {
	p, q := f.Paths[from], f.Paths[to]
	q.Kind, q.Mode, q.SHA256, q.Verified = p.Kind, p.Mode, p.SHA256, p.Verified
	f.Paths[to] = q
	f.Paths[from] = Path{Kind: Known(NoFile), Owners: p.Owners}
	for pair, r := range f.Relations {
		switch {
		case pair.A != from && pair.A != to && pair.B != from && pair.B != to, r.Value == SameEntry:
		case pair.A == from || pair.B == from:
			f.Relations[pair] = Known(OneAbsent)
		default:
			f.Relations[pair] = NotKnown[Relation]("it is being moved")
		}
	}
}
