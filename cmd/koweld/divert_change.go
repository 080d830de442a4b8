package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"koweld/divert"
	"koweld/internal/unit"
)

func newDivertAddCommand(a *app) *cobra.Command {
	var w wantFlags
	cmd := &cobra.Command{
		Use:   "add NAME (--package PACKAGE | --local) [--to TARGET]",
		Short: "Divert a name",
		Long: `Divert NAME: every package but PACKAGE has its file at TARGET instead, and one that
is there is moved. Where it is so already nothing is done. What must not be done is
refused with the reason and the holder, and the exit code 3.

Where /usr is merged both spellings of a name are diverted, to targets that are two
places, so that it holds whichever spelling a package ships (DEP17, M18).

dpkg-divert --rename is never used: dpkg-divert records the diversion, koweld moves
the file, and a run that is interrupted is taken back by the next one. Meanwhile
dpkg's locks are held, unless dpkg itself runs koweld.

A package that diverts names writes that into its manifest instead: see
koweld-manifest(5).`,
		Example: `  koweld divert add --local --to /usr/bin/tool.orig /usr/bin/tool
  koweld divert add --local --replace --to /usr/bin/tool.old /usr/bin/tool`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return w.change(a, cmd, args[0]) },
	}
	w.addTo(cmd)
	w.addsTo(cmd)
	return cmd
}

func newDivertRemoveCommand(a *app) *cobra.Command {
	w := wantFlags{Want: divert.Want{Absent: true}}
	cmd := &cobra.Command{
		Use:   "remove NAME (--package PACKAGE | --local) [--to TARGET]",
		Short: "Take back the diversion of a name",
		Long: `Take back the diversion of NAME that PACKAGE or the administrator holds, in both
spellings; the file that was diverted comes back to its name. Where there is none
nothing is done.

If another file has come to the name meanwhile that is refused, with the exit code
3; with --save it is put aside beside it, as NAME.koweld-saved-1.`,
		Example: `  koweld divert remove --local /usr/bin/tool
  koweld divert remove --package gone --save /usr/bin/tool`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return w.change(a, cmd, args[0]) },
	}
	w.addTo(cmd)
	w.removesTo(cmd, "")
	return cmd
}

// wantFlags are the flags that say what is wanted of a name.
type wantFlags struct {
	divert.Want
	local, replace bool
}

func (w *wantFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&w.Package, "package", "", "the `PACKAGE` that holds the diversion, and is not diverted")
	flags.BoolVar(&w.local, "local", false, "the administrator holds it: it is for all packages")
	flags.StringVar(&w.To, "to", "", "where other packages have their file; NAME.distrib if it is not given, or any when it ends")
	flags.BoolVar(&w.NoMove, "no-move", false, "leave files where they are")
	flags.BoolVar(&w.Exact, "exact", false, "this spelling of the name is meant and no other; files stay where they are")
}

// addsTo are those of a diversion that is to be there.
func (w *wantFlags) addsTo(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.replace, "replace", false, "replace the diversion that the name has, whoever holds it")
}

// removesTo are those of one that is not.
func (w *wantFlags) removesTo(cmd *cobra.Command, when string) {
	cmd.Flags().BoolVar(&w.Save, "save", false, when+"put a file aside that came to NAME and is nobody's")
}

// complete makes a want of the flags.
func (w *wantFlags) complete(a *app, cmd *cobra.Command, name string) error {
	switch {
	case w.local == (w.Package != ""):
		return &usageError{err: errors.New("cannot tell who holds the diversion: give --package or --local")}
	case w.Save && !w.Absent:
		return &usageError{err: errors.New("cannot save a file: --save is for --remove")}
	case w.replace && w.Absent:
		return &usageError{err: errors.New("cannot replace a diversion by none: --replace is not for --remove")}
	}
	w.From = name
	if w.To == "" && !w.Absent {
		w.To = w.From + ".distrib"
	}
	if !w.replace {
		return nil
	}
	st, err := a.diversions(cmd)
	if err != nil {
		return err
	}
	for _, d := range st.Diversions {
		if d.From == w.From {
			w.Instead = &d
		}
	}
	return nil
}

// change makes it so, or says how with --dry-run.
func (w *wantFlags) change(a *app, cmd *cobra.Command, name string) error {
	if err := w.complete(a, cmd, name); err != nil {
		return err
	}
	s, done, err := a.system()
	if err != nil {
		return err
	}
	defer done()
	a.changes = true
	return a.withSignals(cmd.Context(), func(ctx context.Context) error {
		all, err := s.Divert(ctx, []divert.Want{w.Want}, unit.Options{DryRun: a.dryRun})
		for _, d := range all {
			p := newDivertPlanned(d.Want, d.Layout, d.Steps)
			a.result(p, func(out io.Writer) { a.printDivertDone(out, &p) })
		}
		return err
	})
}

func (a *app) printDivertDone(w io.Writer, p *divertPlanned) {
	if a.dryRun || a.verbose {
		a.printDivertPlan(w, p)
		return
	}
	switch {
	case len(p.Steps) == 0 && a.script, a.quiet:
	case len(p.Steps) == 0:
		fmt.Fprintf(w, "%s: nothing to do\n", p.Want.From)
	case p.Want.Absent:
		fmt.Fprintf(w, "%s: not diverted any more\n", p.Want.From)
	default:
		fmt.Fprintf(w, "%s: diverted to %s\n", p.Want.From, p.Want.To)
	}
}
