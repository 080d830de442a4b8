package quirks

import "slices"

// mayMirror reports whether a file can have the second name.
func (d *deciding) mayMirror(a Mirror) (Reason, bool) {
	from, to := d.f.Paths[a.From], d.f.Paths[a.To]
	r := Reason{Text: a.From + " is a file", Is: False}
	switch {
	case !from.Kind.Known:
		return Reason{Text: r.Text, Why: from.Kind.why()}, false
	case from.Kind.Value != File:
		r.Found = "it is " + kindWords[from.Kind.Value]
		return r, false
	case !from.SHA256.Known:
		return Reason{Text: "the bytes of " + a.From + " are known", Why: from.SHA256.why()}, false
	}
	if why, is := d.isOurs(a.From, a.To); is != True {
		return why, false
	}
	r.Text = a.To + " is free"
	switch {
	case !to.Kind.Known:
		return Reason{Text: r.Text, Why: to.Kind.why()}, false
	case to.Kind.Value == NoFile:
		return Reason{}, true
	case !to.SHA256.Known && to.Kind.Value == File:
		return Reason{Text: r.Text, Why: to.SHA256.why()}, false
	case to.Kind.Value == File && to.SHA256.Value == from.SHA256.Value && d.mirrored(a.To) != nil:
		return Reason{}, true
	case to.Kind.Value == File && d.mirrored(a.To) != nil && d.mirrored(a.To).SHA256 == to.SHA256.Value:
		return Reason{}, true // of the file as it was
	}
	r.Found = "there is another file"
	return r, false
}

// isOurs reports whether the second name of a file can be ours: a name that a package
// has its file at is that package's, whatever its bytes, and one that has become
// another spelling of the file is the file itself.
func (d *deciding) isOurs(from, to string) (Reason, Truth) {
	e := d.evaluation()
	not := Not{OwnerIs{Path: to, Is: []string{anyUndiverted}}}.eval(e)
	if not.Is != True {
		return not, not.Is
	}
	one := Not{RelationIs{Pair{from, to}, []Relation{SameEntry}}}.eval(e)
	return one, one.Is
}

// mirrored is what is on record of a second name; nil if nothing is.
func (d *deciding) mirrored(to string) *Mirrored {
	i := slices.IndexFunc(d.r.Done, func(o Done) bool { return o.Mirror != nil && o.Mirror.To == to })
	if i < 0 {
		return nil
	}
	return d.r.Done[i].Mirror
}

// mirror makes a second name, if it acts at this stage.
func (d *deciding) mirror(a Mirror, acts bool) *Done {
	was := d.mirrored(a.To)
	sum := d.f.Paths[a.From].SHA256.Value
	is := was != nil && was.From == a.From && was.Link == a.Link && was.SHA256 == sum && d.digest(a.To) == sum
	if is || !acts {
		if was == nil {
			return nil
		}
		return &Done{Mirror: was}
	}
	d.out.Mirrors = append(d.out.Mirrors, MirrorWant{From: a.From, To: a.To, Link: a.Link, SHA256: sum, Was: d.digest(a.To)})
	return &Done{Mirror: &Mirrored{From: a.From, To: a.To, Link: a.Link, SHA256: sum}}
}

// unmirror ends a second name; false if it cannot be known what is there.
func (d *deciding) unmirror(was *Mirrored) bool {
	p := d.f.Paths[was.To]
	switch {
	case !p.Kind.Known:
		d.unsure("what lies at "+was.To+" is known", p.Kind.why())
		return false
	case p.Kind.Value == File && !p.SHA256.Known:
		d.unsure("the bytes of "+was.To+" are known", p.SHA256.why())
		return false
	case p.Kind.Value == NoFile:
		return true
	case p.Kind.Value != File, p.SHA256.Value != was.SHA256:
		d.out.Say = append(d.out.Say, Message{"info", was.To + " has been changed, and stays"})
		return true
	}
	switch why, is := d.isOurs(was.From, was.To); is {
	case Unknown:
		leaf := why.decisive()
		d.unsure(leaf.Text+" is known", leaf.Why)
		return false
	case False:
		return true // it stays
	}
	d.out.Mirrors = append(d.out.Mirrors, MirrorWant{From: was.From, To: was.To, Link: was.Link, SHA256: was.SHA256, Absent: true})
	return true
}
