package dpkg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"
)

// Depends returns what a package whose files are there depends on: Pre-Depends
// and Depends of its first architecture. It is empty for a package that is not
// there.
func (db *DB) Depends(ctx context.Context, pkg string) (*dependency.Dependency, error) {
	lines, err := db.show(ctx, "${Architecture}\t${db:Status-Status}\t${Version}\t${Pre-Depends}, ${Depends}", pkg)
	if err != nil {
		return nil, fmt.Errorf("cannot ask dpkg what %s depends on: %w", pkg, err)
	}
	for _, f := range lines {
		if !(Instance{f[0], f[1], f[2]}).HasFiles() {
			continue
		}
		deps, err := dependency.Parse(f[3])
		if err != nil {
			return nil, fmt.Errorf("cannot read what %s depends on: %v", pkg, err)
		}
		return deps, nil
	}
	return &dependency.Dependency{}, nil
}

// Unmet is a dependency that no package fulfils whose files are there.
type Unmet struct {
	// Package is what is wanted. Of several alternatives it is the one that is
	// there in another version, else the first.
	Package  string
	Relation string // =, >=, <=, >> or <<; "" for any version
	Version  string // that is wanted
	Have     string // the version of Package that is there; "" for none
	Status   string // of Package; "" if dpkg does not know it
	// Text is the dependency as the package has it, with all alternatives.
	Text string
}

// Unmet returns the dependencies of a package that are not fulfilled, in its own
// order. One is fulfilled by a package whose files are there, configured or not
// yet, of any architecture, or by what such a one provides: the question is
// whether what belongs together is there, and not whether dpkg would configure it.
func (db *DB) Unmet(ctx context.Context, pkg string) ([]Unmet, error) {
	deps, err := db.Depends(ctx, pkg)
	if err != nil || len(deps.Relations) == 0 {
		return nil, err
	}
	all, err := db.installed(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot ask dpkg what %s depends on: %w", pkg, err)
	}
	var unmet []Unmet
	for _, rel := range deps.Relations {
		if len(rel.Possibilities) > 0 && !slices.ContainsFunc(rel.Possibilities, all.fulfil) {
			unmet = append(unmet, all.lacking(rel))
		}
	}
	return unmet, nil
}

// database is what dpkg knows, as far as dependencies go.
type database struct {
	instances map[string][]Instance // by package
	// Of packages whose files are there:
	provides  []provided
	depends   map[string][]string // by package, of each architecture
	essential []string
}

// provided is what a package provides.
type provided struct {
	by   string // package
	text string
}

func (db *DB) installed(ctx context.Context) (*database, error) {
	lines, err := db.show(ctx, "${Package}\t${Architecture}\t${db:Status-Status}\t${Version}\t${Essential}\t${Provides}\t${Pre-Depends}, ${Depends}")
	if err != nil {
		return nil, err
	}
	all := &database{instances: make(map[string][]Instance), depends: make(map[string][]string)}
	for _, f := range lines {
		pkg, i := f[0], Instance{f[1], f[2], f[3]}
		all.instances[pkg] = append(all.instances[pkg], i)
		if i.HasFiles() {
			all.depends[pkg] = append(all.depends[pkg], f[6])
		}
		if i.isWhole() && f[4] == "yes" {
			all.essential = append(all.essential, pkg)
		}
		if i.isWhole() && f[5] != "" {
			all.provides = append(all.provides, provided{pkg, f[5]})
		}
	}
	return all, nil
}

// fulfil reports whether one alternative of a dependency is there.
func (all *database) fulfil(p dependency.Possibility) bool { return len(all.fulfilling(p)) > 0 }

// fulfilling are the packages of which each fulfils one alternative of a
// dependency, itself or by what it provides.
func (all *database) fulfilling(p dependency.Possibility) []string {
	var pkgs []string
	for _, i := range all.instances[p.Name] {
		if i.isWhole() && inRange(p.Version, i.Version) {
			pkgs = append(pkgs, p.Name)
			break
		}
	}
	for _, pr := range all.provides {
		if !strings.Contains(pr.text, p.Name) {
			continue
		}
		given, err := dependency.Parse(pr.text)
		if err != nil {
			continue
		}
		for _, g := range given.GetAllPossibilities() {
			// Only what is provided in a version has one (Policy 7.5).
			if g.Name == p.Name && (p.Version == nil || g.Version != nil && inRange(p.Version, g.Version.Number)) {
				pkgs = append(pkgs, pr.by)
			}
		}
	}
	return pkgs
}

// inRange compares a version with what is wanted, nil for any.
func inRange(want *dependency.VersionRelation, have string) bool {
	v, err := version.Parse(have)
	return want == nil || err == nil && want.SatisfiedBy(v)
}

// lacking tells of a dependency that is not fulfilled.
func (all *database) lacking(rel dependency.Relation) Unmet {
	p, have := rel.Possibilities[0], Instance{}
	for _, other := range slices.Backward(rel.Possibilities) {
		for _, i := range all.instances[other.Name] {
			if have.Status == "" || i.isWhole() {
				p, have = other, i
			}
		}
	}
	u := Unmet{Package: p.Name, Status: have.Status, Text: rel.String()}
	if p.Version != nil {
		u.Relation, u.Version = p.Version.Operator, p.Version.Number
	}
	if have.isWhole() {
		u.Have = have.Version
	}
	return u
}
