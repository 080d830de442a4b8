package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"koweld/assemble"
	"koweld/assemble/pack"
	"koweld/assemble/recipe"
	"koweld/manifest"
)

func newRecipeMakeCommand(a *app) *cobra.Command {
	var out string
	var compress bool
	cmd := &cobra.Command{
		Use:   "make [-o FILE] [--zstd] MODULE OBJECT…",
		Short: "Make the recipe of a module",
		Long: `Make compares MODULE, unsigned, with the objects it was linked from and writes the
recipe that forms the one of the others. The objects are those that will be shipped,
in the order of the link; inner links do not count. The recipe has been applied and
gave MODULE, byte for byte, before it is written.

What the objects do not explain the recipe spells out: a warning tells where that
is more of the code and data than may be shipped. See explain.`,
		Example: "  koweld recipe make -o acme.recipe acme.ko core.o glue.o acme.mod.o",
		Args:    usage(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSignals(cmd.Context(), func(ctx context.Context) error {
				return a.makeRecipe(ctx, args[0], args[1:], out, compress)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&out, "output", "o", "", "write the recipe to `FILE`; default: MODULE with .recipe for .ko")
	flags.BoolVar(&compress, "zstd", false, "compress the recipe")
	return cmd
}

// recipeMade is the result of make.
type recipeMade struct {
	File     string `json:"file"`
	Size     int    `json:"size"` // bytes
	DryRun   bool   `json:"dryRun,omitempty"`
	Image    string `json:"image"` // sha256
	Bytes    int64  `json:"bytes"` // of the image
	Objects  int    `json:"objects"`
	SpeltOut int64  `json:"speltOut"` // bytes of code and data
	Refused  string `json:"refused,omitempty"`
}

func (a *app) makeRecipe(ctx context.Context, module string, paths []string, out string, compress bool) error {
	r, err := newRecipe(ctx, module, paths)
	if err != nil {
		return err
	}
	data := r.Encode()
	if compress {
		if data, err = pack.Compress(ctx, manifest.Zstd, data); err != nil {
			return err
		}
	}
	if out == "" {
		out = recipeName(module, compress)
	}
	if err := a.putFile(out, data); err != nil {
		return err
	}
	spelt := assemble.SpeltOut(r)
	made := recipeMade{
		File: out, Size: len(data), DryRun: a.dryRun, Image: hex.EncodeToString(r.SHA256[:]),
		Bytes: r.Size, Objects: len(r.Inputs), SpeltOut: spelt.Bytes, Refused: spelt.Refused(),
	}
	a.result(made, func(w io.Writer) {
		if !a.quiet {
			fmt.Fprintf(w, "%s: %d bytes for the %d of %s, from %s\n", out, made.Size, made.Bytes, module, count(made.Objects, "object"))
		}
	})
	if made.Refused != "" {
		a.warnf("%s: %s; koweld recipe explain says why", out, made.Refused)
	}
	return nil
}

// newRecipe makes the recipe of a module.
func newRecipe(ctx context.Context, module string, paths []string) (*recipe.Recipe, error) {
	image, err := readImage(module)
	if err != nil {
		return nil, err
	}
	objects, err := readObjects(paths)
	if err != nil {
		return nil, err
	}
	r, err := recipe.Make(ctx, objects, image)
	if err != nil {
		return nil, aboutFile(err, module, paths)
	}
	return r, nil
}

// recipeName is where the recipe of a module goes by default.
func recipeName(module string, compress bool) string {
	for _, c := range []manifest.Compression{manifest.Gzip, manifest.XZ, manifest.Zstd} {
		module = strings.TrimSuffix(module, c.Suffix())
	}
	name := strings.TrimSuffix(module, ".ko") + ".recipe"
	if compress {
		name += manifest.Zstd.Suffix()
	}
	return name
}
