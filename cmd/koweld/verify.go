package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

func newVerifyCommand(a *app) *cobra.Command {
	asDpkg := false
	c := &cobra.Command{
		Use:   "verify [PACKAGE...]",
		Short: "Check every placed byte and every quirk again",
		Long: `Read every file that was placed and compare it with the record: bytes, mode and
owner, and whether depmod's index has the modules. Without packages the quirks are
decided as well, and what koweld reconcile would have to do for one differs.
Nothing is changed. The exit code is 4 if anything differs.

With --dpkg the files that differ are printed as dpkg -V prints those that it knows,
one a line: the word missing, or nine characters, and then the path. The characters
are S for the size, M for the mode, 5 for the digest (here SHA-256), two that are
not looked at, U for the user, G for the group, T for the time of the last change
and one that is not looked at. A dot is what does not differ, a question mark what
was not looked at. A time alone is no difference. Nothing is printed of what is
right; what differs and is no file, such as depmod's index, is told on standard
error.`,
		Args: packages,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, done, err := a.system()
			if err != nil {
				return err
			}
			defer done()
			all, err := s.Verify(cmd.Context(), args)
			differs := false
			for _, v := range all {
				differs = differs || len(v.Differences) > 0
				a.result(v, func(w io.Writer) {
					if asDpkg {
						a.printAsDpkg(w, &v)
						return
					}
					for _, text := range v.Warnings {
						a.warnf("%s: %s", v.Package, text)
					}
					a.printVerification(w, &v)
				})
			}
			if len(args) == 0 {
				held, qerr := s.VerifyQuirks(cmd.Context())
				err = errors.Join(err, qerr)
				for _, v := range held {
					differs = differs || len(v.Differences) > 0
					a.result(v, func(w io.Writer) { a.printQuirkVerification(w, &v, asDpkg) })
				}
			}
			if differs {
				err = errors.Join(err, errDiffers)
			}
			return err
		},
	}
	c.Flags().BoolVar(&asDpkg, "dpkg", false, "print the files that differ as dpkg -V does")
	return c
}

// printQuirkVerification prints what differs, and with asDpkg warns of it.
func (a *app) printQuirkVerification(w io.Writer, v *unit.QuirkVerification, asDpkg bool) {
	for _, d := range v.Differences {
		if line := fmt.Sprintf("quirk %s: %s", v.Quirk, d.Problem); asDpkg {
			a.warnf("%s", line)
		} else {
			fmt.Fprintln(w, line)
		}
	}
	if len(v.Differences) == 0 && !a.quiet && !asDpkg {
		fmt.Fprintf(w, "quirk %s: %s\n", v.Quirk, v.State)
	}
}

func (a *app) printAsDpkg(w io.Writer, v *unit.Verification) {
	for _, d := range v.Differences {
		if d.Checks == "" {
			a.warnf("%s", difference(v, d))
			continue
		}
		// Between them dpkg has a c for a conffile, which none is.
		fmt.Fprintf(w, "%-9s   %s\n", d.Checks, d.Path)
	}
}

// difference is a line about a difference.
func difference(v *unit.Verification, d unit.Difference) string {
	if d.Path == "" {
		return v.Package + ": " + d.Problem
	}
	return v.Package + ": " + d.Path + " " + d.Problem
}

func (a *app) printVerification(w io.Writer, v *unit.Verification) {
	for _, d := range v.Differences {
		fmt.Fprintln(w, difference(v, d))
	}
	if len(v.Differences) == 0 && !a.quiet {
		fmt.Fprintf(w, "%s: %s, %s: as placed\n", v.Package, count(v.Files, "file"), size(v.Bytes))
	}
}
