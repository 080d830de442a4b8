package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"koweld/divert"
)

func newDivertCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Say which diversions do nothing or do harm",
		Long: `Look at every diversion of dpkg as this layout of /usr makes it, and say of each
that is not what it looks like why, with whom, and where the rule comes from:

  harmful  a file is or will be lost, or dpkg will fail
  idle     it does nothing here
  doubt    perhaps as it is meant to be; somebody should look

The exit code is 4 if there is any.`,
		Example: `  koweld divert check
  koweld divert check --root /srv/image --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := a.diversions(cmd)
			if err != nil {
				return err
			}
			r := divertChecked{st.Layout, len(st.Diversions), divert.Check(st)}
			if r.Findings == nil {
				r.Findings = []divert.Finding{}
			}
			a.result(r, func(w io.Writer) { r.print(w, a.quiet) })
			if len(r.Findings) > 0 {
				return errDiffers
			}
			return nil
		},
	}
}

// divertChecked is what check says of a system.
type divertChecked struct {
	Layout     divert.Layout    `json:"layout"`
	Diversions int              `json:"diversions"`
	Findings   []divert.Finding `json:"findings"`
}

func (r *divertChecked) print(w io.Writer, quiet bool) {
	for _, f := range r.Findings {
		about := ""
		if f.Diversion.From != "" {
			about = f.Diversion.String() + ": "
		}
		fmt.Fprintf(w, "%s: %s%s [%s; %s]\n", f.Severity, about, f.Text, f.Kind, f.Source)
		if f.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", f.Hint)
		}
	}
	if !quiet {
		fmt.Fprintf(w, "/usr is %s: %s, %s\n", r.Layout.Usr, count(r.Diversions, "diversion"), count(len(r.Findings), "finding"))
	}
}
