package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

func newStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [PACKAGE...]",
		Short: "Tell what is installed, how it was formed and who signed it",
		Long: `Print the record of each package: its modules with what formed and who signed
them, its files, and what is still to be done. It reads no placed file; use
verify for that.`,
		Args: packages,
		RunE: func(_ *cobra.Command, args []string) error {
			s, done, err := a.system()
			if err != nil {
				return err
			}
			defer done()
			all, err := s.Status(args)
			for i := range all {
				a.result(all[i], func(w io.Writer) { a.printStatus(w, &all[i]) })
			}
			return err
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
	if st.IsParked() {
		fmt.Fprintln(w, "  kept for dpkg to put back or to drop")
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
