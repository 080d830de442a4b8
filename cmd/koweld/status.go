package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"koweld/internal/store"
	"koweld/internal/unit"
)

func newStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [PACKAGE...]",
		Short: "Tell what is installed, how it was formed and who signed it",
		Long: `Print the record of each package: its modules with what formed and who signed
them, its files, and what is still to be done. It reads no placed file; use
verify for that. Without packages the quirks are told of that hold, that should and
cannot, that something is on record of, or that koweld reconcile has something to do
for.`,
		Args: packages,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, done, err := a.system()
			if err != nil {
				return err
			}
			defer done()
			all, err := s.Status(args)
			for i := range all {
				a.result(all[i], func(w io.Writer) { a.printStatus(w, &all[i]) })
			}
			if len(args) > 0 {
				return err
			}
			now, qerr := s.QuirksNow(cmd.Context())
			for i := range now {
				a.result(&now[i], func(w io.Writer) {
					fmt.Fprintf(w, "quirk %s: %s, since %s", now[i].Quirk, now[i].State, now[i].Why)
					switch {
					case now[i].Refused != "":
						fmt.Fprintf(w, "; %s", now[i].Refused)
					case len(now[i].Steps) > 0:
						fmt.Fprint(w, "; koweld reconcile has something to do for it")
					}
					fmt.Fprintln(w)
				})
			}
			return errors.Join(err, qerr)
		},
	}
}

func (a *app) printStatus(w io.Writer, st *unit.Status) {
	fmt.Fprintf(w, "%s", st.Package)
	if st.PkgVer != "" {
		fmt.Fprintf(w, " %s", st.PkgVer)
	}
	fmt.Fprintf(w, ": %s", st.State)
	if st.Kernel != "" {
		fmt.Fprintf(w, ", kernel %s", st.Kernel)
	}
	if st.Reason != "" {
		fmt.Fprintf(w, ": %s", st.Reason)
	}
	fmt.Fprintln(w)
	for i := range st.Files {
		f := &st.Files[i]
		fmt.Fprintf(w, "  %s  %s", f.Path, size(f.Size))
		if m := f.Module; m != nil {
			fmt.Fprintf(w, "\n    %s, signed by %s", unit.Formed(m.Engine, m.Tool), m.Signer.Subject)
			if m.Compress != "none" {
				fmt.Fprintf(w, ", %s", m.Compress)
			}
			if a.verbose {
				fmt.Fprintf(w, "\n    image %s\n    signer %s", m.ImageSHA256, m.Signer.SHA256)
			}
		}
		if f.Original != nil {
			fmt.Fprintf(w, "\n    the original is in %s", f.Original.Saved)
		}
		fmt.Fprintln(w)
	}
	switch {
	case st.State == store.Ready:
		fmt.Fprintln(w, "  formed and kept beside the active unit of its group; koweld select switches")
	case st.IsParked():
		fmt.Fprintln(w, "  kept for dpkg to put back or to drop")
	}
	if st.Inputs != "" {
		fmt.Fprintf(w, "  %s\n", st.Inputs)
	}
	for _, d := range st.Altered {
		fmt.Fprintf(w, "  %s %s\n", d.Path, d.Problem)
	}
	if len(st.Pending) > 0 {
		var names []string
		for _, e := range st.Pending {
			names = append(names, string(e))
		}
		fmt.Fprintf(w, "  still to be done: %s; koweld repair does it\n", strings.Join(names, ", "))
	}
	if st.Interrupted {
		fmt.Fprintln(w, "  a run was interrupted; koweld repair ends it")
	}
}
