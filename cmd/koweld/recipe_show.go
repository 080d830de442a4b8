package main

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"koweld/assemble"
	"koweld/assemble/recipe"
)

func newRecipeShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show RECIPE…",
		Short: "Show what recipes say",
		Long: `Show prints of each RECIPE its header, the objects it is for, and what it spells out
by kind; with -v also how each section of the module is formed. The literals of
symbols and relocations are counted in bytes of the recipe, all others in bytes of
the module.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			var errs []error
			for _, path := range args {
				r, err := readRecipe(path)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				info := describeRecipe(path, r)
				a.result(info, func(w io.Writer) { info.print(w, a.verbose) })
			}
			return errors.Join(errs...)
		},
	}
}

// recipeInfo is what show says of a recipe.
type recipeInfo struct {
	File       string        `json:"file"`
	Size       int64         `json:"size"` // of the file, bytes
	Compressed bool          `json:"compressed,omitempty"`
	Version    int           `json:"version"` // of the format
	Needs      string        `json:"needs"`   // the first release of koweld that can apply it
	Rules      []string      `json:"rules"`
	Machine    string        `json:"machine"`
	Image      imageInfo     `json:"image"`
	Inputs     []inputInfo   `json:"inputs"`
	Sections   []sectionInfo `json:"sections"`
	Literals   []literalInfo `json:"literals"` // by kind
	Loaded     int64         `json:"loaded"`   // bytes of the sections that are loaded
	Refused    string        `json:"refused,omitempty"`
}

type inputInfo struct {
	Name   string `json:"name"`
	Size   uint64 `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

type sectionInfo struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Flags  string `json:"flags,omitempty"`
	Size   uint64 `json:"size"`   // bytes
	Formed string `json:"formed"` // how
}

// literalInfo sums up the literals of one kind.
type literalInfo struct {
	Kind    recipe.Kind `json:"kind"`
	Bytes   int64       `json:"bytes"`
	Longest int64       `json:"longest"` // run, bytes
}

func describeRecipe(path string, r *recipeFile) *recipeInfo {
	spelt := assemble.SpeltOut(r.Recipe)
	info := &recipeInfo{
		File: path, Size: r.size, Compressed: r.compressed,
		Version: recipe.Version, Needs: r.Needs, Rules: r.Rules.Names(),
		Machine:  r.Machine.String(),
		Image:    imageInfo{Size: int(r.Size), SHA256: hex.EncodeToString(r.SHA256[:])},
		Literals: literalsByKind(r.Recipe),
		Loaded:   spelt.Loaded,
		Refused:  spelt.Refused(),
	}
	for _, in := range r.Inputs {
		info.Inputs = append(info.Inputs, inputInfo{in.Name, in.Size, hex.EncodeToString(in.SHA256[:])})
	}
	for _, s := range r.Sections() {
		flags := ""
		if s.Flags != 0 {
			flags = elf.SectionFlag(s.Flags).String()
		}
		info.Sections = append(info.Sections, sectionInfo{s.Name, s.Type.String(), flags, s.Size, s.How})
	}
	return info
}

// literalsByKind sums up literals, in the order in which their kinds occur.
func literalsByKind(r *recipe.Recipe) []literalInfo {
	var all []literalInfo
	at := map[recipe.Kind]int{}
	for _, l := range r.Literals() {
		i, known := at[l.Kind]
		if !known {
			i = len(all)
			at[l.Kind] = i
			all = append(all, literalInfo{Kind: l.Kind})
		}
		all[i].Bytes += l.Bytes
		all[i].Longest = max(all[i].Longest, l.Longest)
	}
	return all
}

func (i *recipeInfo) print(w io.Writer, verbose bool) {
	var b bytes.Buffer
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&b, "  %-9s "+format+"\n", append([]any{key}, args...)...)
	}
	compressed := ""
	if i.Compressed {
		compressed = ", compressed"
	}
	fmt.Fprintf(&b, "%s: recipe of format %d, %d bytes%s\n", i.File, i.Version, i.Size, compressed)
	line("machine:", "%s", i.Machine)
	line("image:", "%d bytes, sha256 %s", i.Image.Size, i.Image.SHA256)
	line("needs:", "koweld %s", i.Needs)
	rules := "none"
	if len(i.Rules) > 0 {
		rules = strings.Join(i.Rules, ", ")
	}
	line("rules:", "%s", rules)
	for _, in := range i.Inputs {
		line("object:", "%s, %d bytes, sha256 %s", in.Name, in.Size, in.SHA256)
	}
	if verbose {
		for _, s := range i.Sections {
			if s.Type == "SHT_NULL" {
				continue
			}
			line("section:", "%s, %d bytes: %s", s.Name, s.Size, s.Formed)
		}
	}
	for _, l := range i.Literals {
		line("literals:", "%d bytes of %s, at most %d in a run", l.Bytes, l.Kind, l.Longest)
	}
	if i.Refused != "" {
		line("refused:", "%s", i.Refused)
	}
	b.WriteTo(w)
}
