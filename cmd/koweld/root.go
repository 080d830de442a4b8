package main

import (
	"github.com/spf13/cobra"
)

// newRootCommand makes the command tree. Help, completion and the man pages
// come from it.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "koweld",
		Short: "Form, prove and place signed kernel modules",
		Long: `koweld forms kernel modules out of the objects and detached signatures that a
package ships, proves that the bytes are the ones that were signed, places them
all or not at all, and takes them back.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.stdin)
	root.SetOut(a.out)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVar(&a.root, "root", a.defaultRoot(), "work on the system below `DIR`")
	flags.BoolVar(&a.dryRun, "dry-run", false, "print what would be done and do nothing")
	flags.BoolVar(&a.json, "json", false, "print one JSON document on standard output")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "say only warnings and errors")
	flags.DurationVar(&a.wait, "wait", 0, "wait so long for another koweld, e.g. 30s")
	root.AddCommand(
		newInstallCommand(a),
		newRemoveCommand(a),
		newStatusCommand(a),
		newVerifyCommand(a),
		newRepairCommand(a),
		newLintCommand(a),
		newSigCommand(a),
	)
	return root
}

// defaultRoot is DPKG_ROOT in a maintainer script, else the running system.
func (a *app) defaultRoot() string {
	if root := a.getenv("DPKG_ROOT"); root != "" {
		return root
	}
	return "/"
}

// usage turns a wrong number of arguments into a usage error.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{err}
		}
		return nil
	}
}
