// Mutate tests the proofs: it takes one sync, one record or the order of two
// steps out of internal/txn, again and again, or has one call of dpkg met in
// another way, and each time runs the tests that must notice. It changes no
// file: the go command reads the mutant through an overlay.
//
//	mutate [-list] [-jobs N] [-timeout D] [-only TEXT] transaction|calls
//
// It prints a table of mutants, each with the test that found it, and exits 1
// if one survived. A mutant that does not compile is none. It runs in the
// repository's root.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A subject is what is mutated, and the tests that must notice, the quickest
// first.
type subject struct {
	read   func() ([]mutant, error)
	proofs []proof
}

var subjects = map[string]subject{
	"transaction": {
		func() ([]mutant, error) { return read("internal/txn") },
		[]proof{
			{"./internal/txn", "^TestKilledByPowerCuts"},
			{"./internal/crash", "^TestKilled"},
		},
	},
	"calls": {readCalls, []proof{{"./cmd/koweld", "^TestScript$/^maintscript_(calls|each|kernels|later)$"}}},
}

func main() {
	list := flag.Bool("list", false, "print the mutants and test nothing")
	jobs := flag.Int("jobs", 2, "mutants tested at once")
	timeout := flag.Duration("timeout", 3*time.Minute, "for the tests of one mutant")
	only := flag.String("only", "", "test only mutants whose description has this `text` in it")
	flag.Parse()
	of, known := subjects[flag.Arg(0)]
	if flag.NArg() != 1 || !known || *jobs < 1 {
		flag.Usage()
		os.Exit(64)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	all, err := of.read()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
	var chosen []mutant
	for _, m := range all {
		switch reason := m.isEquivalent(); {
		case !strings.Contains(m.String(), *only):
		case reason != "":
			fmt.Printf("%v: no difference: %s\n", m, reason)
		default:
			chosen = append(chosen, m)
		}
	}
	if *list {
		for _, m := range chosen {
			fmt.Println(m)
		}
		return
	}
	results, err := testAll(ctx, chosen, of.proofs, *jobs, *timeout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
	os.Exit(report(os.Stdout, results))
}

// testAll tests mutants, some at once, and returns what became of each.
func testAll(ctx context.Context, mutants []mutant, proofs []proof, jobs int, timeout time.Duration) ([]result, error) {
	results := make([]result, len(mutants))
	errs := make([]error, len(mutants))
	next := make(chan int)
	var running sync.WaitGroup
	for range jobs {
		running.Go(func() {
			for i := range next {
				results[i], errs[i] = mutants[i].test(ctx, proofs, timeout)
				fmt.Fprintf(os.Stderr, "mutate: %d of %d: %v: %s\n", i+1, len(mutants), mutants[i], results[i])
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	running.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// report prints the table and returns the exit code.
func report(w io.Writer, results []result) int {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var found, survived, none int
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%s\n", r.mutant.at(), r.mutant.what, r)
		switch {
		case r.broken:
			none++
		case r.killer == "":
			survived++
		default:
			found++
		}
	}
	table.Flush()
	fmt.Fprintf(w, "%d mutants: %d found, %d survived; %d more do not compile\n", found+survived, found, survived, none)
	if survived > 0 || found == 0 {
		return 1
	}
	return 0
}
