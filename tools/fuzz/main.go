// Fuzz gives each fuzz target of the module a budget of processor time, one
// target after the other:
//
//	fuzz [-cpu D] [-slice D] [-only TEXT] [-cache DIR] [-ledger]
//
// What a target has had is in a ledger in the cache, written after each slice:
// so a run that is stopped goes on where it was, and one with a greater budget
// gives only the rest. The corpus that the fuzzer makes is in the cache too. An
// input that a target fails on is kept by the fuzzer as a seed in the package's
// testdata/fuzz; that target is left then, and the exit code is 1. It runs in
// the repository's root, with one worker on one processor.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	var run run
	flag.DurationVar(&run.budget, "cpu", time.Hour, "processor `time` that each target gets, earlier runs included")
	flag.DurationVar(&run.slice, "slice", time.Minute, "`time` between two entries in the ledger")
	only := flag.String("only", "", "only targets whose name has this `text` in it")
	cache := flag.String("cache", "", "`folder` of ledger and corpus (default koweld/fuzz in the user's cache)")
	ledgerOnly := flag.Bool("ledger", false, "print the ledger and fuzz nothing")
	flag.Parse()
	if flag.NArg() > 0 || run.slice < time.Second {
		flag.Usage()
		os.Exit(64)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	crashed, err := run.main(ctx, os.Stdout, *cache, *only, *ledgerOnly)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
	}
	if err != nil || crashed {
		os.Exit(1)
	}
}

// A run is what the flags say.
type run struct {
	budget, slice time.Duration
}

func (r run) main(ctx context.Context, w io.Writer, cache, only string, ledgerOnly bool) (crashed bool, err error) {
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return false, err
		}
		cache = filepath.Join(user, "koweld", "fuzz")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return false, err
	}
	l, err := readLedger(filepath.Join(cache, "ledger.json"))
	if err != nil {
		return false, err
	}
	all, err := targets(ctx)
	if err != nil {
		return false, err
	}
	var chosen []target
	for _, t := range all {
		if strings.Contains(t.String(), only) {
			chosen = append(chosen, t)
		}
	}
	if !ledgerOnly {
		for _, t := range chosen {
			if err = r.fuzz(ctx, w, t, l, cache); err != nil {
				break
			}
		}
	}
	return l.print(w, chosen, r.budget), err
}

// fuzz gives a target what is left of its budget.
func (r run) fuzz(ctx context.Context, w io.Writer, t target, l *ledger, cache string) error {
	if l.Targets[t.String()].CPU >= r.budget {
		return nil
	}
	dir, err := os.MkdirTemp("", "fuzz-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "fuzz.test")
	if err := t.build(ctx, program); err != nil {
		return err
	}
	for {
		had := l.Targets[t.String()].CPU
		if had >= r.budget {
			return nil
		}
		fmt.Fprintf(w, "fuzz: %v has had %v of %v\n", t, had.Round(time.Second), r.budget)
		s, err := t.fuzz(ctx, program, filepath.Join(cache, "corpus", t.pkg), max(time.Second, min(r.slice, r.budget-had)))
		if err != nil {
			return err
		}
		if err := l.add(t.String(), s); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.failed {
			fmt.Fprintf(w, "fuzz: %v fails:\n%s", t, s.output)
			return nil
		}
	}
}
