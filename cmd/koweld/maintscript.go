package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"koweld/internal/dpkg"
	"koweld/internal/unit"
)

func newMaintscriptCommand(a *app) *cobra.Command {
	var explain bool
	cmd := &cobra.Command{
		Use:   "maintscript SCRIPT PACKAGE [ARG...]",
		Short: "Do what a call of a maintainer script asks for",
		Long: `Do what is right when dpkg calls a maintainer script: SCRIPT is preinst,
postinst, prerm or postrm, and the arguments are those that dpkg gave it. Every
call that dpkg makes is defined; --explain prints what is done for each. One that
is not known is a warning, and succeeds.

It prints nothing on standard output, one line for each thing that really
happens on standard error, and waits for another koweld to end.`,
		Example: `  koweld maintscript postinst linux-modules-acme-6.1.0-42-amd64 "$@"
  koweld maintscript --explain`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case explain && len(args) > 0:
				return &usageError{err: errors.New("cannot explain a call: --explain takes no arguments")}
			case !explain && len(args) < 2:
				return &usageError{err: errors.New("cannot act: a script and a package must be given")}
			case !explain:
				return packages(nil, args[1:2])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if explain {
				a.explainCalls()
				return nil
			}
			call, err := dpkg.ParseCall(args[0], args[2:])
			if err != nil {
				return &usageError{err: err, hint: hint(err)}
			}
			// debconf owns standard output, and nobody tries again.
			a.out, a.script = a.stderr, true
			return a.changing(cmd, func(ctx context.Context, s *unit.System) ([]unit.Change, error) {
				return s.Maintscript(ctx, args[1], call, unit.Options{DryRun: a.dryRun})
			})
		},
	}
	// What dpkg gives is not for us to read as flags.
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVar(&explain, "explain", false, "print what is done for each call, and why")
	return cmd
}

// explainCalls prints the table of calls.
func (a *app) explainCalls() {
	type rule struct {
		Package string `json:"package,omitempty"` // "" is any
		unit.Rule
	}
	var rules []rule
	for _, r := range unit.Rules {
		rules = append(rules, rule{Rule: r})
	}
	for _, r := range unit.OwnRules {
		rules = append(rules, rule{"koweld", r})
	}
	if a.json {
		for _, r := range rules {
			a.result(r, nil)
		}
		return
	}
	a.result(nil, func(w io.Writer) {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "CALL\tWHAT IS DONE\tWHY\tSOURCE")
		for _, r := range rules {
			name := strings.TrimSpace(strings.Join([]string{string(r.Script), r.Action, r.Args}, " "))
			if r.Package != "" {
				name += " (of " + r.Package + ")"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, r.Do, r.Why, r.Source)
		}
		_ = table.Flush()
	})
}
