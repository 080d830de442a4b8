package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"koweld/assemble"
	"koweld/assemble/modsig"
	"koweld/assemble/recipe"
)

func newRecipeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recipe",
		Short: "Make, apply and show recipes of modules",
		Long: `A recipe says how the bytes of a module are made of those of its objects. It is made
where the module is built, whatever linked it and whatever came behind the linker,
and shipped beside the objects; where it is applied no linker is needed.

Modules may be compressed by gzip, xz or zstd when they are read, recipes by zstd.
All paths are the caller's. Output goes to a temporary file that is renamed: it
is whole or not there.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newRecipeMakeCommand(a),
		newRecipeApplyCommand(a),
		newRecipeShowCommand(a),
		newRecipeExplainCommand(a),
	)
	return cmd
}

// recipeFile is a recipe and how it lies on the disk.
type recipeFile struct {
	*recipe.Recipe
	size       int64 // of the file, bytes
	compressed bool
}

func readRecipe(path string) (*recipeFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read recipe: %w", err)
	}
	r, err := assemble.ParseRecipe(data, recipe.MaxRecipe)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", path, err)
	}
	return &recipeFile{r, int64(len(data)), !recipe.IsRecipe(data)}, nil
}

// readImage reads the module that a recipe is to form.
func readImage(path string) ([]byte, error) {
	image, err := readModule(path)
	if err != nil {
		return nil, err
	}
	if err := modsig.CheckUnsigned(image); err != nil {
		return nil, fmt.Errorf("cannot make a recipe of %s: %w", path, err)
	}
	return image, nil
}

// readObjects reads objects as [recipe.Make] takes them.
func readObjects(paths []string) ([]recipe.Object, error) {
	objects := make([]recipe.Object, len(paths))
	first := map[string]bool{}
	for i, path := range paths {
		if clean := filepath.Clean(path); first[clean] {
			return nil, &usageError{err: fmt.Errorf("cannot use %s twice", path), hint: "a module is linked of each object once"}
		} else {
			first[clean] = true
		}
		data, err := readObject(path)
		if err != nil {
			return nil, err
		}
		objects[i] = recipe.Object{Name: filepath.Base(path), Data: data}
	}
	return objects, nil
}

// readObject reads an object, which may be large.
func readObject(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read object: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read object: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot read object: %s is not a regular file", path)
	}
	data := assemble.Buffer(info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("cannot read object: %s: %w", path, err)
	}
	return data, nil
}

// aboutFile says which file an error of [recipe.Make] is about.
func aboutFile(err error, module string, objects []string) error {
	e := (*recipe.InputError)(nil)
	if !errors.As(err, &e) {
		return err
	}
	name := module
	for _, path := range objects {
		if filepath.Base(path) == e.Input {
			name = path
		}
	}
	return fmt.Errorf("cannot make a recipe of %s: %s", name, e.Msg)
}
