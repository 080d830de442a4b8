package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"koweld/quirks"
)

func newQuirkLintCommand(a *app) *cobra.Command {
	var admin bool
	var arch string
	cmd := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Read files of quirks and say what is wrong",
		Long: `Read files of quirks as koweld reads them on a system, and say what is wrong, each
with its line and column. The exit code is 65 if anything is. Nothing is decided.`,
		Example: `  koweld quirk lint debian/acme.quirks.yaml`,
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			host := quirks.Host{Arch: quirks.Arch{Name: debianArch(arch)}}
			host.Arch.Multiarch = multiarch[host.Arch.Name]
			var errs []error
			for _, name := range args {
				data, err := os.ReadFile(name)
				if err != nil {
					errs = append(errs, fmt.Errorf("cannot read quirks %s: %w", name, cause(err)))
					continue
				}
				all, err := quirks.Parse(quirks.Source{File: name, Data: data, Admin: admin}, host)
				errs = append(errs, err)
				if err == nil {
					a.printLinted(name, all)
				}
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&admin, "admin", false, "the file is one for /etc/koweld/quirks.d")
	cmd.Flags().StringVar(&arch, "arch", "", "the `ARCHITECTURE` that variables stand for; that of this machine if it is not given")
	return cmd
}

// lintedQuirks is a file that is right.
type lintedQuirks struct {
	File   string   `json:"file"`
	Quirks []string `json:"quirks"` // their ids
}

func (a *app) printLinted(name string, all []*quirks.Quirk) {
	l := lintedQuirks{File: name, Quirks: []string{}}
	for _, q := range all {
		l.Quirks = append(l.Quirks, q.ID)
	}
	a.result(l, func(out io.Writer) {
		if !a.quiet {
			fmt.Fprintf(out, "%s: %s\n", name, count(len(all), "quirk"))
		}
	})
}
