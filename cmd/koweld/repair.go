package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"koweld/internal/store"
	"koweld/internal/unit"
)

func newRepairCommand(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "repair [--all | PACKAGE...]",
		Short: "End interrupted runs and make verify pass again",
		Long: `Take back or finish whatever run was interrupted, then form anew what is missing
or changed. A file with bytes that koweld did not write is kept and named.
Without packages all are repaired, and what quirks want is made true, as by koweld
reconcile.`,
		Example: "  koweld repair --all",
		Args: cobra.MatchAll(packages, func(_ *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return &usageError{err: errors.New("cannot repair all and some: give --all or packages")}
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changing(cmd, func(ctx context.Context, s *unit.System) ([]unit.Change, error) {
				opts := unit.Options{DryRun: a.dryRun}
				changes, err := s.Repair(ctx, args, opts)
				if len(args) > 0 || is[*store.LockedError](err) {
					return changes, err
				}
				held, qerr := s.RepairQuirks(ctx, opts)
				a.endProgress()
				a.printReconciled(held, false)
				return changes, errors.Join(err, qerr)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "repair all packages (as without arguments)")
	return cmd
}
