package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"koweld/internal/dpkg"
	"koweld/internal/unit"
	"koweld/quirks"
)

func newReconcileCommand(a *app) *cobra.Command {
	var o occasionFlags
	var hook bool
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Make true what quirks want, and take back what they want no longer",
		Long: `Decide all quirks anew, from what is found on the system and from the record of what
was done for them, and do what follows: names are diverted or no longer, and files
that are of no use any more are removed. See koweld-quirk(5).

A quirk holds exactly while its condition does. To reconcile twice is to reconcile
once, and what cannot be known is left as it is. What a quirk wants and must not be
done is refused with the reason, and the exit code 3; the others are done.

With --apt-hook it is called by apt: before dpkg unpacks it reads on standard input,
or on the descriptor that APT_HOOK_INFO_FD names, which packages come and go, and
first does what the end of the run before has missed; with --stage transaction-end
afterwards it reads nothing. Such a hook never keeps apt from its work: what is
wrong is a warning, and the exit code is 0, unless a quirk says that dpkg must not
go on.

What comes can be told by hand as well, before dpkg alone is called.

With --take-back all that was done for quirks is taken back, as before koweld is
removed, as if there were none: the file that a package has by a diversion goes back
to where dpkg lists it, also if its reader does not find it there. See it with
--dry-run first.`,
		Example: `  koweld reconcile
  koweld reconcile --incoming libgcrypt20-hmac=1.8.5-5ubuntu1.fips.1.5
  koweld reconcile --stage upgrade-start --upgrade bionic:focal --candidate tool=2.0`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := a.reconcile(cmd, &o, hook)
			if !hook {
				return err
			}
			return a.hookError(err)
		},
	}
	o.addTo(cmd)
	cmd.Flags().BoolVar(&hook, "apt-hook", false, "apt calls it: read what comes and goes, and never keep apt from its work")
	cmd.Flags().BoolVar(&o.takeBack, "take-back", false, "take back all that was done, as if there were no quirk")
	return cmd
}

// hookWait is how long a hook waits for another koweld.
const hookWait = time.Minute

func (a *app) reconcile(cmd *cobra.Command, flags *occasionFlags, hook bool) error {
	for _, other := range []string{"stage", "apt-hook", "incoming", "candidate", "quirks", "upgrade"} {
		if flags.takeBack && cmd.Flags().Changed(other) {
			return &usageError{err: fmt.Errorf("cannot take back with --%s: give --take-back alone", other)}
		}
	}
	if hook && !cmd.Flags().Changed("stage") {
		flags.stage = string(quirks.PreUnpack)
	}
	o, err := flags.occasion(a)
	if err != nil {
		return err
	}
	if hook && o.Stage == quirks.PreUnpack {
		told, err := a.readAptHook()
		if err != nil {
			return err
		}
		if elsewhere := a.isElsewhere(told); elsewhere != "" {
			a.infof("apt works on the system in %s: no quirk of this one is looked at", elsewhere)
			return nil
		}
		o.Incoming = changesOf(told)
	}
	s, done, err := a.system()
	if err != nil {
		return err
	}
	defer done()
	if hook {
		s.InDpkg = true
		if !cmd.Flags().Changed("wait") {
			s.Wait = hookWait
		}
	}
	a.changes = true
	return a.withSignals(cmd.Context(), func(ctx context.Context) error {
		all, err := s.Reconcile(ctx, o, unit.Options{DryRun: a.dryRun})
		said := a.printReconciled(all, hook)
		if !said && err == nil && !a.json && !a.quiet && !a.script && !hook {
			fmt.Fprintln(a.out, "nothing to do")
		}
		return err
	})
}

// hookError lets through what a quirk refuses, and makes warnings of all else.
func (a *app) hookError(err error) error {
	var left []error
	for _, e := range flatten(err) {
		if is[*unit.AbortError](e) || is[*usageError](e) {
			left = append(left, e)
			continue
		}
		text := e.Error()
		if h := hint(e); h != "" {
			text += "; " + h
		}
		a.warnf("%s", text)
	}
	return errors.Join(left...)
}

// printReconciled prints what was done for quirks, and reports whether that was
// anything.
func (a *app) printReconciled(all []unit.Reconciled, hook bool) (said bool) {
	for i := range all {
		r := &all[i]
		for _, m := range r.Say {
			said = true
			if m.Level == "warning" {
				a.warnf("%s: %s", r.Quirk, m.Text)
			} else {
				a.infof("%s: %s", r.Quirk, m.Text)
			}
		}
		a.result(r, func(out io.Writer) {
			if hook {
				out = a.stderr // standard output is apt's
			}
			for _, step := range r.Steps {
				if said = true; !a.quiet {
					fmt.Fprintf(out, "%s: %s\n", r.Quirk, step)
				}
			}
			if waits := r.State == quirks.Unsure || r.State == quirks.Deferred; waits && !a.quiet {
				said = true
				fmt.Fprintf(out, "%s: %s, since %s\n", r.Quirk, r.State, r.Why)
			}
		})
	}
	return said
}

// occasionFlags say on which occasion quirks are decided.
type occasionFlags struct {
	stage, upgrade      string
	quirks              string
	incoming, candidate []string
	takeBack            bool
}

func (o *occasionFlags) addTo(cmd *cobra.Command) {
	words := make([]string, len(quirks.Stages))
	for i, s := range quirks.Stages {
		words[i] = string(s)
	}
	flags := cmd.Flags()
	flags.StringVar(&o.stage, "stage", string(quirks.Manual), "the occasion, a `STAGE`: "+strings.Join(words, ", "))
	flags.StringArrayVar(&o.incoming, "incoming", nil, "a `PACKAGE=VERSION` that is going to be unpacked, or PACKAGE= that goes")
	flags.StringArrayVar(&o.candidate, "candidate", nil, "the same of a package that an upgrader has marked: `PACKAGE=VERSION`")
	flags.StringVar(&o.quirks, "quirks", "", "the folder `DIR` of quirks that a release upgrader brings along; they are kept while something is on record of them")
	flags.StringVar(&o.upgrade, "upgrade", "", "the releases of an upgrade that is under way, `FROM:TO`")
	_ = cmd.RegisterFlagCompletionFunc("stage", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

func (o *occasionFlags) occasion(a *app) (unit.Occasion, error) {
	var out unit.Occasion
	if o.quirks != "" {
		var err error
		if out.Carried, err = a.belowRoot("the folder", o.quirks); err != nil {
			return out, err
		}
	}
	for _, s := range quirks.Stages {
		if string(s) == o.stage {
			out.Stage = s
		}
	}
	switch {
	case o.takeBack:
		out.Stage = quirks.TakeBack
	case out.Stage == "":
		return out, &usageError{err: fmt.Errorf("cannot reconcile at %q: there is no such stage", o.stage)}
	}
	var err error
	if out.Incoming, err = parseChanges(o.incoming); err != nil {
		return out, err
	}
	if out.Candidate, err = parseChanges(o.candidate); err != nil {
		return out, err
	}
	if o.upgrade != "" {
		from, to, ok := strings.Cut(o.upgrade, ":")
		if !ok || from == "" || to == "" {
			return out, &usageError{err: fmt.Errorf("cannot read --upgrade %q: it is FROM:TO", o.upgrade)}
		}
		out.Upgrade = &quirks.Upgrade{From: from, To: to}
	}
	return out, nil
}

// parseChanges reads PACKAGE=VERSION and PACKAGE:ARCH=VERSION.
func parseChanges(args []string) (quirks.Changes, error) {
	var all quirks.Changes
	for _, arg := range args {
		name, version, ok := strings.Cut(arg, "=")
		name, arch, _ := strings.Cut(name, ":")
		if !ok || !dpkg.IsPackageName(name) {
			return all, &usageError{err: fmt.Errorf("cannot read %q: it is PACKAGE=VERSION", arg)}
		}
		all.List = append(all.List, quirks.Change{Package: name, Arch: arch, Version: version})
	}
	return all, nil
}

// aptHookLimit bounds what is read from apt, in bytes: its configuration, and a
// line for each package.
const aptHookLimit = 64 << 20

// readAptHook reads what apt tells.
func (a *app) readAptHook() (*dpkg.AptHook, error) {
	in := a.stdin
	if fd := a.getenv("APT_HOOK_INFO_FD"); fd != "" && fd != "0" {
		n, err := strconv.ParseUint(fd, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("cannot read what apt tells: APT_HOOK_INFO_FD is %q", fd)
		}
		f := os.NewFile(uintptr(n), "what apt tells")
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, aptHookLimit))
	if err != nil {
		return nil, fmt.Errorf("cannot read what apt tells: %w", err)
	}
	return dpkg.ParseAptHook(data)
}

// isElsewhere names the root that apt works on, if it is another than ours.
func (a *app) isElsewhere(told *dpkg.AptHook) string {
	there := filepath.Join("/", told.Config["RootDir"], told.Config["Dir"])
	if root, err := filepath.Abs(a.root); err == nil && root == there {
		return ""
	}
	return there
}

// changesOf is what a run of dpkg brings.
func changesOf(told *dpkg.AptHook) quirks.Changes {
	all := quirks.Changes{Complete: true}
	for _, c := range told.Changes {
		arch := c.NewArch
		if c.Do == dpkg.AptRemove {
			arch = c.OldArch
		}
		all.List = append(all.List, quirks.Change{Package: c.Package, Arch: arch, Version: c.New})
	}
	return all
}
