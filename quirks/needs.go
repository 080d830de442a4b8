package quirks

import (
	"cmp"
	"maps"
	"slices"
)

// Needs is what must be measured to decide quirks. The layout, dpkg's
// architecture and its diversions always are.
type Needs struct {
	Paths    map[string]PathNeed
	Packages map[string]bool
	Pairs    map[Pair]bool
	OS, FIPS bool
	Kernels  bool
	Dpkg     bool
}

// PathNeed is what must be known of a name beside its kind, its mode and its
// owners.
type PathNeed struct {
	Hash   bool // the digest of its bytes
	Verify bool // whether they are those of its package
}

// path notes a name.
func (n *Needs) path(name string) *pathNeed {
	if n.Paths == nil {
		n.Paths = make(map[string]PathNeed)
	}
	if _, is := n.Paths[name]; !is {
		n.Paths[name] = PathNeed{}
	}
	return &pathNeed{n, name}
}

// pathNeed lets more be asked of a name.
type pathNeed struct {
	n    *Needs
	name string
}

func (p *pathNeed) hash() {
	need := p.n.Paths[p.name]
	need.Hash = true
	p.n.Paths[p.name] = need
}

func (p *pathNeed) verify() {
	need := p.n.Paths[p.name]
	need.Verify = true
	p.n.Paths[p.name] = need
}

func (n *Needs) pkg(name string) {
	if name == "" {
		return
	}
	if n.Packages == nil {
		n.Packages = make(map[string]bool)
	}
	n.Packages[name] = true
}

func (n *Needs) pair(p Pair) {
	if n.Pairs == nil {
		n.Pairs = make(map[Pair]bool)
	}
	n.Pairs[p] = true
	n.path(p.A)
	n.path(p.B)
}

// PathNames are the names, sorted; PackageNames the packages.
func (n *Needs) PathNames() []string    { return slices.Sorted(maps.Keys(n.Paths)) }
func (n *Needs) PackageNames() []string { return slices.Sorted(maps.Keys(n.Packages)) }

// PairNames are the pairs, sorted.
func (n *Needs) PairNames() []Pair {
	return slices.SortedFunc(maps.Keys(n.Pairs), func(a, b Pair) int {
		return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B))
	})
}

// quirk notes what a quirk needs.
func (n *Needs) quirk(q *Quirk) {
	if q == nil || q.Off {
		return
	}
	condition := func(c Condition) {
		if c != nil {
			c.need(n)
		}
	}
	actions := func(all []Action) {
		for _, a := range all {
			a.Do.need(n)
			for _, c := range a.Require {
				condition(c)
			}
		}
	}
	condition(q.Scope)
	if q.Keep != nil {
		condition(q.Keep.When)
		actions(q.Keep.Do)
	}
	for _, c := range q.Cleanup {
		condition(c.When)
		actions(c.Do)
	}
}

// record notes what taking back a record needs.
func (n *Needs) record(r *Record) {
	if r == nil {
		return
	}
	for _, d := range r.Done {
		switch {
		case d.Divert != nil:
			n.path(d.Divert.From).hash()
			n.path(d.Divert.To).hash()
		case d.Mirror != nil:
			n.path(d.Mirror.To).hash()
			n.path(d.Mirror.From).hash()
			n.pair(Pair{d.Mirror.From, d.Mirror.To})
		}
	}
	for _, l := range r.Left {
		n.path(l.Path).hash()
		n.pkg(l.Package)
	}
}

func (a Divert) need(n *Needs) {
	if a.MoveWhen != nil {
		a.MoveWhen.need(n)
	}
	n.path(a.From).hash()
	n.path(a.To).hash()
}

func (a Mirror) need(n *Needs) {
	n.path(a.From).hash()
	n.path(a.To).hash()
	n.pair(Pair{a.From, a.To})
}
func (Message) need(*Needs)      {}
func (Abort) need(*Needs)        {}
func (a Redivert) need(n *Needs) { n.path(a.From); n.path(a.To) }

func (a Release) need(n *Needs) {
	n.path(a.From)
	n.path(a.To)
	n.pkg(a.Package)
}

func (a RemoveStale) need(n *Needs) {
	n.path(a.Path).hash()
	if a.Keep != "" {
		n.pair(Pair{a.Path, a.Keep})
		n.path(a.Keep).hash()
		if a.Verified {
			n.path(a.Keep).verify()
		}
	}
}
func (Activate) need(*Needs) {}
