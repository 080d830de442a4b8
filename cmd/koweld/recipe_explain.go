package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"koweld/assemble"
	"koweld/assemble/recipe"
)

func newRecipeExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain RECIPE | MODULE OBJECT…",
		Short: "Say what a recipe spells out, and why",
		Long: `Explain says of each section of the module how much of it the recipe spells out,
since the objects do not explain it, what the usual cause is, and whether lint
would refuse a package with it: of code and data no more than a hundredth may
be spelt out, and no more than 4096 bytes in one run. Given a MODULE and its
objects it makes the recipe and writes nothing.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSignals(cmd.Context(), func(ctx context.Context) error {
				return a.explainRecipe(ctx, args)
			})
		},
	}
}

// recipeExplained is the result of explain.
type recipeExplained struct {
	File     string             `json:"file"`
	Sections []literalExplained `json:"sections"`
	SpeltOut int64              `json:"speltOut"` // bytes of code and data
	Loaded   int64              `json:"loaded"`   // bytes of the sections that are loaded
	Refused  string             `json:"refused,omitempty"`
}

type literalExplained struct {
	Section string      `json:"section,omitempty"` // none: headers, and what lies between sections
	Kind    recipe.Kind `json:"kind"`
	Bytes   int64       `json:"bytes"`
	Longest int64       `json:"longest"` // run, bytes
	Of      int64       `json:"of"`      // bytes of the section
	Cause   string      `json:"cause"`
}

func (a *app) explainRecipe(ctx context.Context, args []string) error {
	r, err := explained(ctx, args)
	if err != nil {
		return err
	}
	spelt := assemble.SpeltOut(r)
	e := recipeExplained{File: args[0], SpeltOut: spelt.Bytes, Loaded: spelt.Loaded, Refused: spelt.Refused()}
	for _, l := range r.Literals() {
		e.Sections = append(e.Sections, literalExplained{l.Section, l.Kind, l.Bytes, l.Longest, l.Of, causes[l.Kind]})
	}
	a.result(e, e.print)
	return nil
}

// explained is the recipe that args are about.
func explained(ctx context.Context, args []string) (*recipe.Recipe, error) {
	if len(args) > 1 {
		return newRecipe(ctx, args[0], args[1:])
	}
	r, err := readRecipe(args[0])
	if err != nil {
		return nil, err
	}
	return r.Recipe, nil
}

// causes say why a recipe has literals of a kind.
var causes = map[recipe.Kind]string{
	recipe.KindHeaders: "the linker makes them: every recipe has them",
	recipe.KindNotes:   "the linker makes the build ID: every recipe has it",
	recipe.KindSymbols: "symbols that no object has as they are, or a table in another order than GNU ld's: another linker, strip, objcopy or objtool",
	recipe.KindRelocs:  "relocations that no object has: objtool adds them to the linked module",
	recipe.KindBTF:     "pahole adds type information to the linked module; build without a vmlinux at hand to leave it out",
	recipe.KindObjtool: "objtool makes these tables for the linked module; give the objects that it wrote (since 6.12: NAME.o behind the inner link)",
	recipe.KindDebug:   "debugging information that was joined or packed anew: strip the objects or the module",
	recipe.KindOther:   "something behind the link adds or changes it",
	recipe.KindCode:    "the linker pads between objects with a few no-ops; what is more is in none of the objects: is one missing, of another build, or changed behind the link?",
	recipe.KindData:    "these data are in none of the objects: is one missing or of another build, or does something behind the link sort or patch them?",
}

func (e *recipeExplained) print(w io.Writer) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s spells out\n", e.File)
	for _, l := range e.Sections {
		name := l.Section
		if name == "" {
			name = "outside of sections"
		}
		fmt.Fprintf(&b, "  %s: %d of %d bytes, at most %d in a run (%s)\n", name, l.Bytes, l.Of, l.Longest, l.Kind)
		fmt.Fprintf(&b, "    %s\n", l.Cause)
	}
	fmt.Fprintf(&b, "of code and data: %d of %d bytes\n", e.SpeltOut, e.Loaded)
	if e.Refused != "" {
		fmt.Fprintf(&b, "lint refuses it: %s\n", e.Refused)
	} else {
		fmt.Fprintf(&b, "lint accepts it\n")
	}
	b.WriteTo(w)
}
