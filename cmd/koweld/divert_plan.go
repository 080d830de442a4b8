package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"koweld/divert"
)

func newDivertPlanCommand(a *app) *cobra.Command {
	var w wantFlags
	cmd := &cobra.Command{
		Use:   "plan NAME (--package PACKAGE | --local) [--to TARGET] [--remove]",
		Short: "Say how a name would be diverted, or no longer",
		Long: `Print the steps from what is to a diversion of NAME, or with --remove to none; no
steps if it is so already. Nothing is done. What must not be done is refused with
the reason and the holder, and the exit code 3. koweld divert add and koweld divert
remove do it.`,
		Example: `  koweld divert plan --package acme /usr/bin/tool
  koweld divert plan --local --to /usr/bin/tool.orig /usr/bin/tool
  koweld divert plan --remove --package gone /usr/bin/tool`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.complete(a, cmd, args[0]); err != nil {
				return err
			}
			st, err := a.diversions(cmd, w.Want)
			if err != nil {
				return err
			}
			steps, err := divert.Plan(st, w.Want)
			if err != nil {
				return err
			}
			p := newDivertPlanned(w.Want, st.Layout.Usr, steps)
			a.result(p, func(out io.Writer) { a.printDivertPlan(out, &p) })
			return nil
		},
	}
	w.addTo(cmd)
	w.addsTo(cmd)
	cmd.Flags().BoolVar(&w.Absent, "remove", false, "plan that the name is not diverted")
	w.removesTo(cmd, "with --remove: ")
	return cmd
}

// divertPlanned is a plan, with the arguments of dpkg-divert where a step is its.
type divertPlanned struct {
	Want   divert.Want  `json:"want"`
	Layout divert.Usr   `json:"layout"`
	Steps  []divertStep `json:"steps"`
}

type divertStep struct {
	divert.Step
	DpkgDivert []string `json:"dpkgDivert,omitempty"`
}

func newDivertPlanned(w divert.Want, layout divert.Usr, steps []divert.Step) divertPlanned {
	p := divertPlanned{w, layout, []divertStep{}}
	for _, s := range steps {
		p.Steps = append(p.Steps, divertStep{s, s.Args(true)})
	}
	return p
}

func (a *app) printDivertPlan(w io.Writer, p *divertPlanned) {
	for _, s := range p.Steps {
		fmt.Fprintln(w, s)
		if a.verbose && s.DpkgDivert != nil {
			fmt.Fprintf(w, "  dpkg-divert %s\n", strings.Join(s.DpkgDivert, " "))
		}
	}
	if len(p.Steps) == 0 && !a.quiet {
		fmt.Fprintf(w, "%s: nothing to do\n", p.Want.From)
	}
}
