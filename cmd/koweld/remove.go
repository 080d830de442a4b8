package main

import (
	"context"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

func newRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove PACKAGE...",
		Short: "Take back what was placed for packages",
		Long: `Remove every file that was placed for a package and give back what lay there
before. It works from the record of what was really done; the manifest may be
gone. A file that somebody changed since is kept and named.`,
		Example: "  koweld remove linux-modules-acme-6.1.0-42-amd64",
		Args:    cobra.MatchAll(usage(cobra.MinimumNArgs(1)), packages),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changing(cmd, func(ctx context.Context, s *unit.System) ([]unit.Change, error) {
				return s.Remove(ctx, args, unit.Options{DryRun: a.dryRun})
			})
		},
	}
}
