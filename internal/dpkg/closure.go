package dpkg

import (
	"context"
	"fmt"
	"slices"

	"pault.ag/go/debian/dependency"
)

// Closure are the packages that are there whenever one is configured: itself,
// what it depends on, what those depend on, and the Essential ones. Each
// alternative that is there counts, and so does who provides it.
type Closure struct {
	exact map[string]bool // by package
}

// Has reports whether a package is one of them.
func (c *Closure) Has(pkg string) bool {
	_, has := c.exact[pkg]
	return has
}

// Exact reports whether a package is one of them, and in no other version than
// the one that is there.
func (c *Closure) Exact(pkg string) bool { return c.exact[pkg] }

// Closure returns the closure of a package; nil for one whose files are not there.
func (db *DB) Closure(ctx context.Context, pkg string) (*Closure, error) {
	all, err := db.installed(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot ask dpkg what %s depends on: %w", pkg, err)
	}
	if len(all.depends[pkg]) == 0 {
		return nil, nil
	}
	c := &Closure{exact: make(map[string]bool)}
	var todo []string
	add := func(pkg string, exact bool) {
		if was, has := c.exact[pkg]; !has || exact && !was {
			c.exact[pkg] = exact
			todo = append(todo, pkg)
		}
	}
	add(pkg, true)
	for _, name := range all.essential {
		add(name, false)
	}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		for _, text := range all.depends[at] {
			deps, err := dependency.Parse(text)
			if err != nil {
				return nil, fmt.Errorf("cannot read what %s depends on: %v", at, err)
			}
			for _, rel := range deps.Relations {
				exact := c.exact[at] && !slices.ContainsFunc(rel.Possibilities, isLoose)
				for _, p := range rel.Possibilities {
					for _, name := range all.fulfilling(p) {
						add(name, exact)
					}
				}
			}
		}
	}
	return c, nil
}

// isLoose reports whether several versions fulfil an alternative.
func isLoose(p dependency.Possibility) bool { return p.Version == nil || p.Version.Operator != "=" }
