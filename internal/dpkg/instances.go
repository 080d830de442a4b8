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
	Arch   string
	Status string // as dpkg-query's ${db:Status-Status}, e.g. "installed"
}

// HasFiles reports whether files of the instance are there, configured or not.
func (i Instance) HasFiles() bool {
	switch i.Status {
	case "", "not-installed", "config-files":
		return false
	}
	return true
}

// Instances returns what dpkg knows of a package.
func (db *DB) Instances(ctx context.Context, pkg string) ([]Instance, error) {
	res, err := db.Tool.Run(ctx, tool.Cmd{
		Path: "dpkg-query",
		Args: []string{"--admindir=" + db.AdminDir, "--show", "--showformat=${Architecture} ${db:Status-Status}\n", "--", pkg},
	})
	var failed *tool.FailedError
	if errors.As(err, &failed) && failed.Code == 1 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot ask dpkg for the instances of %s: %w", pkg, err)
	}
	var all []Instance
	for line := range strings.Lines(string(res.Stdout)) {
		arch, status, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		all = append(all, Instance{Arch: arch, Status: status})
	}
	return all, nil
}
