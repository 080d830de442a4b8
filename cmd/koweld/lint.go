package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"koweld/internal/unit"
)

func newLintCommand(a *app) *cobra.Command {
	var expand bool
	cmd := &cobra.Command{
		Use:   "lint MANIFEST...",
		Short: "Say all that a manifest and its inputs show",
		Long: `Read a manifest strictly, form and prove every module as a target would, and
look at what it says of itself: kernel, name, signer. Nothing is placed, and the
inputs may belong to anybody. The exit code is 4 if there are errors and 65 if
the manifest is malformed.`,
		Example: "  koweld lint --root debian/acme debian/acme/usr/share/koweld/manifests/acme.yaml",
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := a.manifestArgs(args)
			if err != nil {
				return err
			}
			s, done, err := a.system()
			if err != nil {
				return err
			}
			defer done()
			s.Trust.Any = true // a build tree is the packager's
			return a.withSignals(cmd.Context(), func(ctx context.Context) error {
				var errs []error
				for _, arg := range args {
					errs = append(errs, a.lint(ctx, s, arg, expand))
				}
				return errors.Join(errs...)
			})
		},
	}
	cmd.Flags().BoolVar(&expand, "expand", false, "print the manifest in full, with defaults and variables filled in")
	return cmd
}

func (a *app) lint(ctx context.Context, s *unit.System, arg string, expand bool) error {
	m, err := s.Load(arg)
	if err != nil {
		return err
	}
	if expand {
		text, err := m.Expand()
		if err != nil {
			return err
		}
		a.result(map[string]string{"package": m.Package, "manifest": string(text)}, func(w io.Writer) { _, _ = w.Write(text) })
		return nil
	}
	scratch, drop, err := a.scratch()
	if err != nil {
		return err
	}
	defer drop()
	r, err := s.Lint(ctx, m, scratch)
	if err != nil {
		return err
	}
	a.result(r, func(w io.Writer) { a.printReport(w, r) })
	if r.Failed() {
		return errDiffers
	}
	return nil
}

// scratch makes a folder for the linker: in the caller's temporary folder
// where that is below the root, else in the root.
func (a *app) scratch() (below string, drop func(), err error) {
	root, err := realpath(a.root)
	if err != nil {
		return "", nil, fmt.Errorf("cannot find the root: %w", err)
	}
	parent := root
	if root == "/" {
		parent = os.TempDir()
	}
	dir, err := os.MkdirTemp(parent, ".weld-lint-")
	if err != nil {
		return "", nil, fmt.Errorf("cannot make a folder for the linker: %w", err)
	}
	drop = func() { _ = os.RemoveAll(dir) }
	args, err := a.manifestArgs([]string{dir})
	if err != nil {
		drop()
		return "", nil, err
	}
	return args[0], drop, nil
}

func (a *app) printReport(w io.Writer, r *unit.Report) {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s:%d:%d: %s: %s\n", f.File, f.Line, f.Column, f.Severity, f.Text)
		if f.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", f.Hint)
		}
	}
	if !a.quiet {
		fmt.Fprintf(w, "%s: %s, %s\n", r.Package, count(r.Modules, "module"), count(len(r.Findings), "finding"))
	}
}
