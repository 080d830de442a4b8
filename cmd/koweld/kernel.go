package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

// kernelHooks are the stages at which a kernel's package runs the hooks of
// others (run-parts below /etc/kernel).
var kernelHooks = []string{"preinst", "postinst", "prerm", "postrm"}

func newKernelCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "kernel postinst|postrm VERSION [IMAGE]",
		Short: "Form or take back modules when a kernel comes or goes",
		Long: `What the hooks in /etc/kernel call. At postinst the units that wait for this
kernel are formed and placed, before its initramfs is made. At postrm, when the
kernel is gone, what was placed for it goes as well, and the units wait for it
to come again. At preinst and prerm nothing is done: a removal that fails must
keep its driver.

A unit that cannot be placed is reported and waits on; the exit code is 0 all
the same, for a driver must not break the installation of a kernel.`,
		Example: "  koweld kernel postinst 6.1.0-42-amd64",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) < 2 || len(args) > 3:
				return &usageError{err: errors.New("cannot act: a stage and the version of a kernel must be given")}
			case !slices.Contains(kernelHooks, args[0]):
				return &usageError{err: fmt.Errorf("cannot act at %s: it is none of %s", args[0], strings.Join(kernelHooks, ", "))}
			case args[1] == "" || strings.Contains(args[1], "/") || strings.HasPrefix(args[1], "."):
				return &usageError{err: fmt.Errorf("cannot act: %q is no version of a kernel", args[1])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a.out, a.script = a.stderr, true
			stage, kernel := args[0], args[1]
			err := a.changing(cmd, func(ctx context.Context, s *unit.System) ([]unit.Change, error) {
				opts := unit.Options{DryRun: a.dryRun}
				switch stage {
				case "postinst":
					return s.KernelInstalled(ctx, kernel, opts)
				case "postrm":
					return s.KernelRemoved(ctx, kernel, opts)
				}
				return nil, nil
			})
			a.report(err)
			return nil
		},
	}
}
