package main

import (
	"context"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

func newRecoverCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "recover",
		Short: "End interrupted runs, and nothing more",
		Long: `Take back what an interrupted run had not completed and complete what it had, so
that each package has its old set of modules or its new one, whole. Nothing is
formed, verified or left to wait for: this is what the system does at boot,
before anything loads modules, and only if a run was interrupted. Every other
command that writes does it first.`,
		Example: "  koweld recover",
		Args:    usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.changing(cmd, func(ctx context.Context, s *unit.System) ([]unit.Change, error) {
				return s.Recover(ctx, unit.Options{DryRun: a.dryRun})
			})
		},
	}
}
