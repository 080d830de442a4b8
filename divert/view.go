package divert

import "slices"

// view is a state with its names in order, made once for each look at it.
type view struct {
	*State
	at       map[Entry][]*Name // the spellings of a place, sorted
	diverted map[string]*Diversion
	// The diversions that begin and end at a place.
	fromAt, toAt map[Entry][]Diversion
}

func viewOf(st *State) *view {
	v := &view{
		State: st, at: make(map[Entry][]*Name), diverted: make(map[string]*Diversion),
		fromAt: make(map[Entry][]Diversion), toAt: make(map[Entry][]Diversion),
	}
	for _, n := range st.Names {
		if n.Entry != (Entry{}) {
			v.at[n.Entry] = append(v.at[n.Entry], n)
		}
	}
	for _, names := range v.at {
		slices.SortFunc(names, func(a, b *Name) int { return compare(a.Path, b.Path) })
	}
	for i := range st.Diversions {
		d := &st.Diversions[i]
		v.diverted[d.From] = d
		from, to := v.name(d.From).Entry, v.name(d.To).Entry
		v.fromAt[from] = append(v.fromAt[from], *d)
		v.toAt[to] = append(v.toAt[to], *d)
	}
	return v
}

// name returns what is known of a spelling; of one that was not asked for it is
// nothing.
func (v *view) name(p string) *Name {
	if n := v.Names[p]; n != nil {
		return n
	}
	return &Name{Path: p, Kind: Absent}
}

// spellings returns the names that mean the same place, p first, the others
// sorted.
func (v *view) spellings(p string) []*Name {
	n := v.name(p)
	all := []*Name{n}
	for _, o := range v.at[n.Entry] {
		if o != n {
			all = append(all, o)
		}
	}
	return all
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// samePlace reports whether two names mean one directory entry.
func (v *view) samePlace(a, b string) bool {
	x, y := v.name(a), v.name(b)
	return a == b || x.Entry != (Entry{}) && x.Entry == y.Entry
}

// owners returns the packages with files that ship a spelling, but for one.
func (v *view) owners(n *Name, but string) []string {
	var all []string
	for _, pkg := range n.Owners {
		if (pkg != but || but == "") && v.Packages[pkg].HasFiles() {
			all = append(all, pkg)
		}
	}
	return all
}

// ownersOfPlace is owners for all spellings of a place.
func (v *view) ownersOfPlace(p, but string) []string {
	var all []string
	for _, n := range v.spellings(p) {
		for _, pkg := range v.owners(n, but) {
			if !slices.Contains(all, pkg) {
				all = append(all, pkg)
			}
		}
	}
	return all
}

// ships reports whether a package with files ships any spelling of a place.
func (v *view) ships(pkg, p string) bool {
	return pkg != "" && slices.Contains(v.ownersOfPlace(p, ""), pkg)
}

// from returns the diversion of a spelling; nil if there is none.
func (v *view) from(p string) *Diversion { return v.diverted[p] }
