package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

func newQuirkCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quirk",
		Short: "Tell which quirks there are and what they want",
		Long: `The quirk commands decide the quirks of the system and do nothing: koweld reconcile
does what they want. They need no privilege but to look at the files. See
koweld-quirk(5).`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQuirkListCommand(a), newQuirkExplainCommand(a), newQuirkLintCommand(a))
	return cmd
}

func newQuirkListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the quirks, each with its state",
		Long: `List all quirks, and those that are gone and have done something, each with its
state: held, idle, out-of-scope, gone, unknown, deferred or cannot-hold; and the
reason for it. A quirk that is retired is told of.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.decided(cmd, &occasionFlags{stage: "manual"}, func(r *unit.Reconciled) {
				fmt.Fprintf(a.out, "%s: %s, since %s\n", r.Quirk, r.State, r.Why)
			}, nil)
		},
	}
}

func newQuirkExplainCommand(a *app) *cobra.Command {
	var o occasionFlags
	cmd := &cobra.Command{
		Use:   "explain [QUIRK...]",
		Short: "Say of a quirk what it wants and why",
		Long: `Print each condition of a quirk, with whether it is true, false or unknown and what
was found, and what the quirk wants. With --stage, --incoming and the like it is
decided as on another occasion.`,
		Example: `  koweld quirk explain lp1982534-libgcrypt-hmac
  koweld quirk explain --stage pre-unpack --incoming libgcrypt20-hmac=1.8.5-5ubuntu1.fips.1.5`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.decided(cmd, &o, func(r *unit.Reconciled) { fmt.Fprint(a.out, r.Explain()) }, args)
		},
	}
	o.addTo(cmd)
	return cmd
}

// isRecordOf reports whether an error says of a quirk that its record cannot be read.
func isRecordOf(err error, name string) bool {
	return slices.ContainsFunc(flatten(err), func(e error) bool {
		var record *unit.QuirkRecordError
		return errors.As(e, &record) && record.Quirk == name
	})
}

// decided prints the decisions about some quirks; no names are all.
func (a *app) decided(cmd *cobra.Command, flags *occasionFlags, text func(*unit.Reconciled), names []string) error {
	o, err := flags.occasion(a)
	if err != nil {
		return err
	}
	s, done, err := a.system()
	if err != nil {
		return err
	}
	defer done()
	return a.withSignals(cmd.Context(), func(ctx context.Context) error {
		all, err := s.Explain(ctx, o)
		found := map[string]bool{}
		for i := range all {
			r := &all[i]
			if len(names) > 0 && !slices.Contains(names, r.Quirk) {
				continue
			}
			found[r.Quirk] = true
			a.result(r, func(io.Writer) { text(r) })
			if r.Retired(time.Now()) {
				a.warnf("%s is retired since %s: it can be removed", r.Quirk, r.RetireAfter)
			}
		}
		errs := []error{err}
		for _, name := range names {
			if !found[name] && !isRecordOf(err, name) {
				errs = append(errs, &usageError{err: fmt.Errorf("cannot explain %s: there is no such quirk", name), hint: "koweld quirk list lists them"})
			}
		}
		return errors.Join(errs...)
	})
}
