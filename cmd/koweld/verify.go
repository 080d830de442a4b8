package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

func newVerifyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [PACKAGE...]",
		Short: "Check every placed byte again",
		Long: `Read every file that was placed and compare it with the record: bytes, mode and
owner, and whether depmod's index has the modules. Nothing is changed.
The exit code is 4 if anything differs.`,
		Args: packages,
		RunE: func(_ *cobra.Command, args []string) error {
			s, done, err := a.system()
			if err != nil {
				return err
			}
			defer done()
			all, err := s.Verify(args)
			differs := false
			for _, v := range all {
				differs = differs || len(v.Differences) > 0
				a.result(v, func(w io.Writer) { a.printVerification(w, &v) })
			}
			if differs {
				err = errors.Join(err, errDiffers)
			}
			return err
		},
	}
}

func (a *app) printVerification(w io.Writer, v *unit.Verification) {
	for _, d := range v.Differences {
		if d.Path == "" {
			fmt.Fprintf(w, "%s: %s\n", v.Package, d.Problem)
			continue
		}
		fmt.Fprintf(w, "%s: %s %s\n", v.Package, d.Path, d.Problem)
	}
	if len(v.Differences) == 0 && !a.quiet {
		fmt.Fprintf(w, "%s: %s, %s: as placed\n", v.Package, count(v.Files, "file"), size(v.Bytes))
	}
}
