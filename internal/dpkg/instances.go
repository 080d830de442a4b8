package dpkg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"koweld/internal/tool"
)

// Instance is a package of one architecture: a Multi-Arch: same package may
// have several.
type Instance struct {
	Arch    string
	Status  string // as dpkg-query's ${db:Status-Status}, e.g. "installed"
	Version string
}

// HasFiles reports whether files of the instance are there, configured or not.
func (i Instance) HasFiles() bool {
	switch i.Status {
	case "", "not-installed", "config-files":
		return false
	}
	return true
}

// isWhole reports whether all its files are there: of one that is half-installed
// some may be missing.
func (i Instance) isWhole() bool { return i.HasFiles() && i.Status != "half-installed" }

// Instances returns what dpkg knows of a package, one for each architecture,
// removed ones that left their conffiles included.
func (db *DB) Instances(ctx context.Context, pkg string) ([]Instance, error) {
	lines, err := db.show(ctx, "${Architecture}\t${db:Status-Status}\t${Version}", pkg)
	if err != nil {
		return nil, fmt.Errorf("cannot ask dpkg for the instances of %s: %w", pkg, err)
	}
	var all []Instance
	for _, f := range lines {
		all = append(all, Instance{Arch: f[0], Status: f[1], Version: f[2]})
	}
	return all, nil
}

// show asks for fields of packages, separated by tabs, and returns them by line.
// A package that is not known has none; no names are all that are known.
func (db *DB) show(ctx context.Context, format string, pkgs ...string) ([][]string, error) {
	args := []string{"--admindir=" + db.AdminDir, "--show", "--showformat=" + format + "\n", "--"}
	res, err := db.Tool.Run(ctx, tool.Cmd{Path: "dpkg-query", Args: append(args, pkgs...)})
	var failed *tool.FailedError
	// 1: some package is not known.
	if err != nil && !(errors.As(err, &failed) && failed.Code == 1) {
		return nil, err
	}
	var all [][]string
	for line := range strings.Lines(string(res.Stdout)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) == strings.Count(format, "\t")+1 {
			all = append(all, fields)
		}
	}
	return all, nil
}

// InstancesOf is Instances for several packages at once, by name. One that dpkg
// does not know is not in the answer.
func (db *DB) InstancesOf(ctx context.Context, pkgs []string) (map[string][]Instance, error) {
	all := make(map[string][]Instance)
	for len(pkgs) > 0 {
		n := min(batch, len(pkgs))
		lines, err := db.show(ctx, "${Package}\t${Architecture}\t${db:Status-Status}\t${Version}", pkgs[:n]...)
		if err != nil {
			return nil, fmt.Errorf("cannot ask dpkg for the instances of packages: %w", err)
		}
		for _, f := range lines {
			all[f[0]] = append(all[f[0]], Instance{Arch: f[1], Status: f[2], Version: f[3]})
		}
		pkgs = pkgs[n:]
	}
	return all, nil
}
