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
	var arch, pkg string
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
				if err != nil {
					continue
				}
				if pkg != "" && len(all) > 0 && all[0].Package != pkg {
					errs = append(errs, &otherPackageError{name, all[0].Package, pkg})
					continue
				}
				a.printLinted(name, all)
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&admin, "admin", false, "the file is one for /etc/koweld/quirks.d")
	cmd.Flags().StringVar(&pkg, "package", "", "the `PACKAGE` that ships them, which they must name")
	cmd.Flags().StringVar(&arch, "arch", "", "the `ARCHITECTURE` that variables stand for; that of this machine if it is not given")
	return cmd
}

// otherPackageError says that a file of quirks names another package than its own.
type otherPackageError struct{ file, names, pkg string }

func (e *otherPackageError) Error() string {
	return fmt.Sprintf("cannot ship %s in package %s: its package is %q", e.file, e.pkg, e.names)
}

func (e *otherPackageError) Hint() string {
	return "the package holds the diversions, and must be the one that ships the file"
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
