package assemble

import (
	"fmt"

	"koweld/assemble/recipe"
)

// What may not be distributed linked may not be distributed as literals of a
// recipe: of code and data it may spell out so much, which is what linkers and
// what comes behind them add of their own.
const (
	maxLiteralShare = 100     // the 100th part of the bytes that are loaded
	maxLiteralRun   = 4 << 10 // bytes
)

// Spelt is what a recipe spells out of the code and data of its image.
type Spelt struct {
	Bytes   int64  // in all sections that are loaded, but notes and tables
	Longest int64  // the longest run
	In      string // the section of that run
	Loaded  int64  // bytes of all sections that are loaded
}

// SpeltOut sums up the literals of code and data of a recipe.
func SpeltOut(r *recipe.Recipe) Spelt {
	s := Spelt{Loaded: r.Allocated()}
	for _, l := range r.Literals() {
		if !IsContent(l.Kind) {
			continue
		}
		s.Bytes += l.Bytes
		if l.Longest > s.Longest {
			s.Longest, s.In = l.Longest, l.Section
		}
	}
	return s
}

// IsContent tells literals that are part of the work itself.
func IsContent(k recipe.Kind) bool { return k == recipe.KindCode || k == recipe.KindData }

// Refused says why a recipe with such literals must not be shipped, or "".
func (s Spelt) Refused() string {
	switch {
	case s.Longest > maxLiteralRun:
		return fmt.Sprintf("it spells out %d bytes of %s in one run; the most is %d", s.Longest, s.In, maxLiteralRun)
	case s.Bytes > s.Loaded/maxLiteralShare:
		return fmt.Sprintf("it spells out %d of the %d bytes of code and data; the most is a %dth part", s.Bytes, s.Loaded, maxLiteralShare)
	}
	return ""
}
