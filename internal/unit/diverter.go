package unit

import (
	"context"
	"fmt"
	"strings"

	"koweld/divert"
	"koweld/internal/tool"
	"koweld/internal/txn"
)

// diverter is dpkg-divert, called so that it moves no file. The caller holds
// dpkg's locks. Inside the root nothing is followed out of it: the folder of the
// database is resolved.
type diverter struct{ s *System }

// Diverted implements [txn.Diverter].
func (d diverter) Diverted(from string) (*txn.Diversion, error) {
	all, err := divert.Load(d.s.FS, dpkgAdminDir)
	for _, e := range all {
		if e.From == from {
			return (*txn.Diversion)(&e), err
		}
	}
	return nil, err
}

// Record implements [txn.Diverter].
func (d diverter) Record(ctx context.Context, dv txn.Diversion) error {
	return d.run(ctx, divert.Step{Record: (*divert.Diversion)(&dv)})
}

// Forget implements [txn.Diverter].
func (d diverter) Forget(ctx context.Context, dv txn.Diversion) error {
	return d.run(ctx, divert.Step{Forget: (*divert.Diversion)(&dv)})
}

func (d diverter) run(ctx context.Context, step divert.Step) error {
	const program = "dpkg-divert"
	dir, err := d.s.dpkgDir(program)
	if err != nil {
		return err
	}
	if dir == "" {
		return &NoDpkgError{}
	}
	help, err := d.s.Tool.Run(ctx, tool.Cmd{Path: program, Args: []string{"--help"}})
	if err != nil {
		return fmt.Errorf("cannot ask %s what it knows: %w", program, err)
	}
	knows := func(option string) bool { return strings.Contains(help.Output(), option) }
	args := []string{"--admindir", d.s.FS.Host(dir)}
	if knows("--instdir") { // since dpkg 1.19.2; before, it looks at the host's files
		args = append(args, "--instdir", d.s.FS.Host("/"))
	}
	_, err = d.s.Tool.Run(ctx, tool.Cmd{
		Path: program, Args: append(args, step.Args(knows("--no-rename"))...), Env: []string{"DPKG_NLS=0"},
	})
	return err
}
