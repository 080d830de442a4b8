package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// newRootCommand makes the command tree. Help, completion and the man pages
// come from it.
func newRootCommand(a *app) *cobra.Command {
	var showVersion bool
	root := &cobra.Command{
		Use:   "koweld",
		Short: "Form, prove and place signed kernel modules",
		Long: `koweld forms kernel modules out of the objects and detached signatures that a
package ships, proves that the bytes are the ones that were signed, places them
all or not at all, and takes them back.

The exit code says what happened:

     0  done, or nothing to do
     1  failed; what was begun has been taken back
     3  refused: a signature, another kernel's module, or a target or diversion that
        is somebody else's
     4  verify, lint or divert check found a difference
     5  failed and not taken back: run koweld repair --all
    64  wrong command line
    65  malformed manifest, recipe or signature
    75  another koweld, or dpkg, is at work: try again, or use --wait

In a maintainer script nothing goes to standard output, a held lock is waited
for, and DPKG_ROOT is the root.`,
		Example: `  koweld status
  koweld verify || koweld repair`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !showVersion {
				return cmd.Help()
			}
			v := programVersion()
			a.result(map[string]string{"version": v}, func(w io.Writer) { fmt.Fprintln(w, "koweld", v) })
			return nil
		},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	// Packages ship what it prints; nobody calls it by hand.
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetIn(a.stdin)
	root.SetOut(a.out)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err: err} })
	root.Flags().BoolVar(&showVersion, "version", false, "print the version and do nothing else")
	flags := root.PersistentFlags()
	flags.StringVar(&a.root, "root", a.defaultRoot(), "work on the system below `DIR`")
	flags.BoolVar(&a.dryRun, "dry-run", false, "print what would be done and do nothing")
	flags.BoolVar(&a.json, "json", false, "print one JSON document on standard output")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "say only warnings and errors")
	flags.DurationVar(&a.wait, "wait", 0, "wait so long for another koweld, or dpkg, to end: a `TIME` such as 30s")
	root.AddCommand(
		newInstallCommand(a),
		newRemoveCommand(a),
		newMaintscriptCommand(a),
		newKernelCommand(a),
		newSelectCommand(a),
		newStatusCommand(a),
		newVerifyCommand(a),
		newRepairCommand(a),
		newRecoverCommand(a),
		newDivertCommand(a),
		newReconcileCommand(a),
		newQuirkCommand(a),
		newLintCommand(a),
		newRecipeCommand(a),
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

// noSuchCommand is met by a first argument that is no command.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := &usageError{err: fmt.Errorf("cannot run %s %s: there is no such command", cmd.CommandPath(), args[0])}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		err.hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return err
}

// packages checks that arguments are names of packages and not paths, which
// would name nothing that is installed.
func packages(_ *cobra.Command, args []string) error {
	for _, arg := range args {
		if isPath(arg) {
			return &usageError{
				err:  fmt.Errorf("cannot take %s for a package: it is a path", arg),
				hint: "give the name of the package; koweld status lists what is installed",
			}
		}
	}
	return nil
}

// usage turns a wrong number of arguments into a usage error.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{err: err, hint: "see " + cmd.CommandPath() + " --help"}
		}
		return nil
	}
}
