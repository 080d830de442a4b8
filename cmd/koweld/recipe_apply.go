package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"koweld/assemble"
	"koweld/assemble/recipe"
)

func newRecipeApplyCommand(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "apply [-o FILE] RECIPE OBJECT…",
		Short: "Form a module from its objects",
		Long: `Apply forms the unsigned module of RECIPE from its objects, given in the order in
which show lists them, and compares its SHA-256 with that in the recipe. Where it
differs, the object that is not the recipe's is named and nothing is written.
Without -o it only proves that the module can be formed.`,
		Args: usage(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSignals(cmd.Context(), func(ctx context.Context) error {
				return a.applyRecipe(ctx, args[0], args[1:], out)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the module to `FILE`")
	return cmd
}

// recipeApplied is the result of apply.
type recipeApplied struct {
	Recipe string `json:"recipe"`
	File   string `json:"file,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"`
	Size   int64  `json:"size"`  // of the image, bytes
	Image  string `json:"image"` // sha256
}

func (a *app) applyRecipe(ctx context.Context, path string, paths []string, out string) error {
	r, err := readRecipe(path)
	if err != nil {
		return err
	}
	if len(paths) != len(r.Inputs) {
		return &objectsError{path, r.Inputs, len(paths)}
	}
	objects := make([][]byte, len(paths))
	for i, name := range paths {
		if objects[i], err = readObject(name); err != nil {
			return err
		}
	}
	image, err := assemble.ApplyRecipe(ctx, r.Recipe, paths, objects, runtime.GOMAXPROCS(0))
	if err != nil {
		return fmt.Errorf("cannot apply %s: %w", path, err)
	}
	if out != "" {
		if err := a.putFile(out, image); err != nil {
			return err
		}
	}
	applied := recipeApplied{path, out, a.dryRun, r.Size, hex.EncodeToString(r.SHA256[:])}
	a.result(applied, func(w io.Writer) {
		if !a.quiet {
			fmt.Fprintf(w, "%s: forms image %s, %d bytes\n", path, applied.Image, applied.Size)
		}
	})
	return nil
}

// objectsError says that another number of objects was given than a recipe is
// for.
type objectsError struct {
	recipe string
	want   []recipe.Input
	got    int
}

func (e *objectsError) Error() string {
	return fmt.Sprintf("cannot apply %s: it is for %s, not for %d", e.recipe, count(len(e.want), "object"), e.got)
}

// Hint lists the objects.
func (e *objectsError) Hint() string {
	var names []string
	for _, in := range e.want {
		names = append(names, in.Name)
	}
	const most = 8
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d more, see koweld recipe show", len(names)-most))
	}
	return "in this order: " + strings.Join(names, ", ")
}
