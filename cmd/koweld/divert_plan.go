package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"koweld/divert"
)

func newDivertPlanCommand(a *app) *cobra.Command {
	var w divert.Want
	var local bool
	cmd := &cobra.Command{
		Use:   "plan NAME (--package PACKAGE | --local) [--to TARGET] [--remove]",
		Short: "Say how a name would be diverted, or no longer",
		Long: `Print the steps from what is to a diversion of NAME, or with --remove to none; no
steps if it is so already. Nothing is done. What must not be done is refused with
the reason and the holder, and the exit code 3.

Where /usr is merged both spellings of a name are diverted, to targets that are two
places, so that it holds whichever spelling a package ships (DEP17, M18). Files are
moved in steps of their own: dpkg-divert --rename is never used.`,
		Example: `  koweld divert plan --package acme /usr/bin/tool
  koweld divert plan --local --to /usr/bin/tool.orig /usr/bin/tool
  koweld divert plan --remove --package gone /usr/bin/tool`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case local == (w.Package != ""):
				return &usageError{err: errors.New("cannot plan a diversion: give --package or --local, who holds it")}
			case w.Save && !w.Absent:
				return &usageError{err: errors.New("cannot plan a diversion: --save is for --remove")}
			}
			w.From = args[0]
			if w.To == "" && !w.Absent {
				w.To = w.From + ".distrib"
			}
			st, err := a.diversions(cmd, w)
			if err != nil {
				return err
			}
			steps, err := divert.Plan(st, w)
			if err != nil {
				return err
			}
			p := newDivertPlanned(w, st.Layout.Usr, steps)
			a.result(p, func(out io.Writer) { a.printDivertPlan(out, &p) })
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&w.Package, "package", "", "the `PACKAGE` that holds the diversion, and is not diverted")
	flags.BoolVar(&local, "local", false, "the administrator holds it: it is for all packages")
	flags.StringVar(&w.To, "to", "", "where other packages have their file; NAME.distrib if it is not given")
	flags.BoolVar(&w.Absent, "remove", false, "plan that the name is not diverted")
	flags.BoolVar(&w.NoMove, "no-move", false, "leave files where they are")
	flags.BoolVar(&w.Save, "save", false, "with --remove: put a file aside that came to NAME and is nobody's")
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
