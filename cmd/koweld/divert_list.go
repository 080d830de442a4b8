package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"koweld/divert"
)

func newDivertListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List all diversions with their holders",
		Long: `List the diversions of dpkg in the order of the diverted names: the name, where
other packages have their file instead, and who holds the diversion. With -v also
what lies at the two names, and which packages are diverted.`,
		Example: `  koweld divert list
  koweld divert list --root /srv/image --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := a.diversions(cmd)
			if err != nil {
				return err
			}
			for _, d := range st.Diversions {
				l := listed(st, d)
				a.result(l, func(w io.Writer) { l.print(w, a.verbose) })
			}
			return nil
		},
	}
}

// divertListed is what list says of a diversion.
type divertListed struct {
	divert.Diversion
	Local bool `json:"local"`
	// HolderStatus is the state in which dpkg has the holder, "" if it has
	// none.
	HolderStatus string      `json:"holderStatus"`
	FromKind     divert.Kind `json:"fromKind"`
	ToKind       divert.Kind `json:"toKind"`
	// Diverted are the packages that ship From and have their file at To.
	Diverted []string `json:"diverted"`
	gone     bool
}

func listed(st *divert.State, d divert.Diversion) divertListed {
	l := divertListed{
		Diversion: d, Local: d.Package == "",
		FromKind: st.Names[d.From].Kind, ToKind: st.Names[d.To].Kind, Diverted: []string{},
	}
	if !l.Local {
		holder := st.Packages[d.Package]
		l.HolderStatus, l.gone = holder.Status, !holder.HasFiles()
	}
	for _, pkg := range st.Names[d.From].Owners {
		if pkg != d.Package && st.Packages[pkg].HasFiles() {
			l.Diverted = append(l.Diverted, pkg)
		}
	}
	return l
}

func (l *divertListed) print(w io.Writer, verbose bool) {
	holder := l.Package
	switch {
	case l.Local:
		holder = "local"
	case l.gone:
		holder += ", not installed"
	}
	fmt.Fprintf(w, "%s -> %s (%s)\n", l.From, l.To, holder)
	if !verbose {
		return
	}
	fmt.Fprintf(w, "  %s: %s\n  %s: %s\n", l.From, l.FromKind, l.To, l.ToKind)
	if len(l.Diverted) > 0 {
		fmt.Fprintf(w, "  diverted: %s\n", strings.Join(l.Diverted, ", "))
	}
}
