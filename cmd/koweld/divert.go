package main

import (
	"context"

	"github.com/spf13/cobra"

	"koweld/divert"
)

func newDivertCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "divert",
		Short: "Tell what the diversions of dpkg do on this layout of /usr, and change them",
		Long: `The divert commands look at the diversions of dpkg, whoever made them: list, check
and plan change nothing and need no privilege. add and remove change them.

dpkg compares the names of a diversion as strings. Where /usr is merged /bin/x and
/usr/bin/x are one file, and a diversion of the one name means nothing for a package
that ships the other; and dpkg-divert --rename takes the two for hard links of one
file and deletes it. See dpkg-divert(1), and DEP17.`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newDivertListCommand(a),
		newDivertCheckCommand(a),
		newDivertPlanCommand(a),
		newDivertAddCommand(a),
		newDivertRemoveCommand(a),
	)
	return cmd
}

// diversions measures them, with the names of some wants.
func (a *app) diversions(cmd *cobra.Command, wants ...divert.Want) (*divert.State, error) {
	s, done, err := a.system()
	if err != nil {
		return nil, err
	}
	defer done()
	var st *divert.State
	err = a.withSignals(cmd.Context(), func(ctx context.Context) error {
		st, err = s.Diversions(ctx, wants...)
		return err
	})
	return st, err
}
