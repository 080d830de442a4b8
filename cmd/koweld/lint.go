package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"koweld/internal/fsys"
	"koweld/internal/unit"
)

func newLintCommand(a *app) *cobra.Command {
	var expand bool
	var modules string
	cmd := &cobra.Command{
		Use:   "lint MANIFEST...",
		Short: "Say all that a manifest and its inputs show",
		Long: `Read a manifest strictly, form and prove every module as a target would, and
look at what it says of itself: kernel, name, signer. Nothing is placed, and the
inputs may belong to anybody.

If the root has a dpkg database that knows the package of the manifest, each input
file has to be of that package or of one that it depends on, directly or not; the
digests hold for one version of it, so a dependency on any other is warned about.

A file that the package of one kernel places by a name that is not of that kernel is
warned about: the package of a second kernel would be refused.

No module may have the name of another one of the kernel: one that is built in, or
that is below the folder of its modules in the root or below DIR. It is a warning
if depmod's default order lets ours win, and an error otherwise. In DIR, a folder
such as /lib/modules/KERNEL of an unpacked kernel package, what is below updates
is passed over: it is not the kernel's.

Of each diversion it is asked what else is at its names, in both spellings: whether
the package has a file there, as it says; who ships the target, or has the folder of
it; whether it is of a conffile; who diverts the same, on this system or by another
manifest; and whether its versions are of the past.

With --json, and quicker with --expand beside it, the document says what a tool
that packs the manifest has to know: package, kernel, the features that it needs,
the input files, what each is for and the folders that they are in, and the
diversions with the shell that makes them, for preinst, postinst and postrm.

The exit code is 4 if there are errors and 65 if the manifest is malformed.`,
		Example: `  koweld lint --root debian/acme debian/acme/usr/share/koweld/manifests/acme.yaml
  koweld lint --json --expand /usr/share/koweld/manifests/acme.yaml`,
		Args: usage(cobra.MinimumNArgs(1)),
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
			elsewhere, drop, err := openModules(modules)
			if err != nil {
				return err
			}
			defer drop()
			return a.withSignals(cmd.Context(), func(ctx context.Context) error {
				var errs []error
				for _, arg := range args {
					errs = append(errs, a.lint(ctx, s, arg, expand, elsewhere))
				}
				return errors.Join(errs...)
			})
		},
	}
	cmd.Flags().BoolVar(&expand, "expand", false, "print the manifest in full, with defaults and variables filled in")
	cmd.Flags().StringVar(&modules, "modules", "", "look for modules of the kernel in `DIR` too")
	return cmd
}

// openModules opens the folder of a kernel's modules; nil for "".
func openModules(dir string) (*unit.Modules, func(), error) {
	if dir == "" {
		return nil, func() {}, nil
	}
	switch _, err := os.Stat(filepath.Join(dir, "modules.order")); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, &usageError{
			err:  fmt.Errorf("cannot use %s as the modules of a kernel: it has no modules.order", dir),
			hint: "give a folder such as /lib/modules/KERNEL",
		}
	case err != nil:
		return nil, nil, fmt.Errorf("cannot open %s: %w", dir, cause(err))
	}
	below, err := fsys.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open %s: %w", dir, cause(err))
	}
	return &unit.Modules{FS: below, Name: dir}, func() { _ = below.Close() }, nil
}

// expanded is a manifest in full, and what a tool that packs it has to know.
type expanded struct {
	unit.Declared
	Manifest string `json:"manifest"`
}

func (a *app) lint(ctx context.Context, s *unit.System, arg string, expand bool, elsewhere *unit.Modules) error {
	m, err := s.Load(arg)
	if err != nil {
		return err
	}
	if expand {
		text, err := m.Expand()
		if err != nil {
			return err
		}
		a.result(expanded{unit.Declares(m), string(text)}, func(w io.Writer) { _, _ = w.Write(text) })
		return nil
	}
	scratch, drop, err := a.scratch()
	if err != nil {
		return err
	}
	defer drop()
	r, err := s.Lint(ctx, m, scratch, elsewhere)
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
