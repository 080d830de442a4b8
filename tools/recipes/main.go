// Command recipes makes a recipe for each module of a corpus and applies it.
//
//	recipes [-tamper N] [-ld] [-v] INDEX.tsv...
//
// Each index lists the cases of one set, as testdata/corpus makes them; a case
// is an image and the objects it was linked from. The recipe, encoded and
// decoded, must give the image. It must do so too, or fail, or give an image
// of another digest whose objects it can blame, when a byte of the recipe or of
// an object is changed: -tamper says in how many places, which depend only on
// the case.
//
// With -ld the recorded ld command is run as well, and the time that making
// takes is given as a multiple of that. Results are lines of TAP; tables of
// what was found follow, and the exit code is 1 if a case failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"koweld/tools/tap"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as values; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("recipes", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var e extent
	flags.IntVar(&e.tamper, "tamper", 4, "change a byte of the recipe and of the objects in `N` places each")
	flags.BoolVar(&e.ld, "ld", false, "link as recorded, and compare the times")
	verbose := flags.Bool("v", false, "a line for each case")
	if err := flags.Parse(args); err != nil {
		return 64
	}
	if flags.NArg() == 0 || e.tamper < 0 {
		fmt.Fprintln(stderr, "usage: recipes [-tamper N] [-ld] [-v] INDEX.tsv...")
		return 64
	}
	out := tap.New(stdout)
	r := newReport()
	for _, index := range flags.Args() {
		cases, err := readIndex(index)
		if err != nil {
			out.Result(false, err.Error())
			continue
		}
		set := filepath.Base(filepath.Dir(index))
		if len(cases) == 0 {
			out.Skip(set, "nothing of it could be built")
			continue
		}
		failed := 0
		for _, c := range cases {
			if ctx.Err() != nil {
				out.Result(false, "interrupted")
				return 1
			}
			res, err := c.check(ctx, e)
			if err != nil {
				failed++
				out.Result(false, fmt.Sprintf("%s: %v", c, err))
				continue
			}
			r.add(res)
			if *verbose {
				out.Note(res.String())
			}
		}
		out.Result(failed == 0, fmt.Sprintf("%s: %d of %d cases are equal", set, len(cases)-failed, len(cases)))
	}
	fmt.Fprintln(stdout)
	r.tables(stdout, e)
	fmt.Fprintln(stdout)
	if !out.Finish() {
		return 1
	}
	return 0
}
