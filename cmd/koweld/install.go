package main

import (
	"context"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

func newInstallCommand(a *app) *cobra.Command {
	var requirePlaced bool
	cmd := &cobra.Command{
		Use:   "install PACKAGE|MANIFEST...",
		Short: "Weld and place what packages declare",
		Long: `Form every module that a manifest declares, prove that it is what was signed,
attach the signature and place it, with all other files: all of a unit or nothing.

An argument is the name of a package, whose manifest is in
/usr/share/koweld/manifests, or the path of a manifest, which must lie below
the root. What is there already is left alone; a file of nobody that is in the
way is saved, and given back on removal. A file of another package is never
replaced.

A unit whose kernel is not installed waits until it is, which is no error; for
the builder of an image it may be one: --require-placed.`,
		Example: `  koweld install linux-modules-acme-6.1.0-42-amd64
  koweld install --root /srv/image /srv/image/usr/share/koweld/manifests/acme.yaml`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := a.manifestArgs(args)
			if err != nil {
				return err
			}
			return a.changing(cmd, func(ctx context.Context, s *unit.System) ([]unit.Change, error) {
				return s.Install(ctx, args, unit.Options{DryRun: a.dryRun, RequirePlaced: requirePlaced})
			})
		},
	}
	cmd.Flags().BoolVar(&requirePlaced, "require-placed", false, "fail if a unit's kernel is not installed")
	return cmd
}
