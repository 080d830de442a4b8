package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

func newSelectCommand(a *app) *cobra.Command {
	var auto bool
	cmd := &cobra.Command{
		Use:   "select [GROUP [VERSION|PACKAGE | --auto]]",
		Short: "Choose which of several streams of a driver is active",
		Long: `Choose, of the units that provide the same for one kernel, which one is active:
by its version, the first parts of its version, or its package. The others lie
ready beside it, and a switch is one step for each kernel: all of one or all of
the other. With --auto the userspace that is installed, the priority and the
version decide again. Loaded modules stay loaded.

Without arguments the groups are listed.`,
		Example: `  koweld select
  koweld select nvidia 535
  koweld select nvidia --auto`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 2, auto && len(args) != 1, len(args) == 2 && args[1] == "":
				return &usageError{err: errors.New("cannot select: give a group and what to select, or a group and --auto")}
			case len(args) > 0 && isPath(args[0]):
				return &usageError{err: fmt.Errorf("cannot select: %s is no group", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 || auto {
				return a.changing(cmd, func(ctx context.Context, s *unit.System) ([]unit.Change, error) {
					choice := ""
					if !auto {
						choice = args[1]
					}
					return s.Select(ctx, args[0], choice, unit.Options{DryRun: a.dryRun})
				})
			}
			s, done, err := a.system()
			if err != nil {
				return err
			}
			defer done()
			groups, err := s.Groups()
			for _, g := range groups {
				if len(args) == 0 || args[0] == g.Group {
					a.result(g, func(w io.Writer) { printGroup(w, &g) })
				}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&auto, "auto", false, "forget the choice")
	return cmd
}

func printGroup(w io.Writer, g *unit.Group) {
	fmt.Fprintf(w, "%s, kernel %s", g.Group, g.Kernel)
	if g.Selected != "" {
		fmt.Fprintf(w, ", selected: %s", g.Selected)
	}
	fmt.Fprintln(w)
	for _, u := range g.Units {
		fmt.Fprintf(w, "  %s %s: %s\n", u.Package, u.Version, u.State)
	}
}
