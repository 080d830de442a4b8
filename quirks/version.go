package quirks

import (
	"strings"

	"pault.ag/go/debian/version"
)

// VersionRange are the bounds of a version, all of which must hold. The zero
// range has every version.
type VersionRange []VersionBound

// VersionBound is one of them.
type VersionBound struct {
	Op      string // lt, le, eq, ne, ge or gt, as dpkg --compare-versions has them
	Version string
}

// VersionOps are the operators.
var VersionOps = []string{"lt", "le", "eq", "ne", "ge", "gt"}

// String is the range in the words of dependencies (Policy 7.1).
func (r VersionRange) String() string {
	signs := map[string]string{"lt": "<<", "le": "<=", "eq": "=", "ne": "!=", "ge": ">=", "gt": ">>"}
	var parts []string
	for _, b := range r {
		parts = append(parts, signs[b.Op]+" "+b.Version)
	}
	return strings.Join(parts, " and ")
}

// has is unknown for what is no version.
func (r VersionRange) has(v string) Truth {
	have, err := version.Parse(v)
	if err != nil {
		return Unknown
	}
	is := True
	for _, b := range r {
		bound, err := version.Parse(b.Version)
		if err != nil {
			return Unknown
		}
		is = is.and(truth(holds(b.Op, version.Compare(have, bound))))
	}
	return is
}

func holds(op string, order int) bool {
	switch op {
	case "lt":
		return order < 0
	case "le":
		return order <= 0
	case "eq":
		return order == 0
	case "ne":
		return order != 0
	case "ge":
		return order >= 0
	}
	return order > 0
}
