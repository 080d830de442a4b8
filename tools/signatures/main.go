// Command signatures compares modsig with a vendor's own signatures: those of all
// modules of real kernels.
//
//	signatures [-sample N] [-openssl N] DIR...
//
// Each DIR holds the unpacked packages of one kernel, in the folders that type
// kernel describes; testdata/signatures/run.sh makes them from Debian's. Each
// module must verify with a certificate that is compiled into that kernel, must
// not with a byte changed, and must be made of its parts again, where the vendor
// publishes the parts. `openssl cms` judges some of them too.
//
// Which modules -sample and -openssl take, and which byte is changed, depends
// only on the names. Results are lines of TAP; the last line is their sum, and
// the exit code is 1 if one failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
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
	flags := flag.NewFlagSet("signatures", flag.ContinueOnError)
	flags.SetOutput(stderr)
	e := extent{workers: runtime.GOMAXPROCS(0)}
	flags.IntVar(&e.sample, "sample", 0, "check `N` modules of each kernel; 0 is all")
	flags.IntVar(&e.openssl, "openssl", 50, "show `N` of them to openssl as well")
	if err := flags.Parse(args); err != nil {
		return 64
	}
	if flags.NArg() == 0 || e.sample < 0 || e.openssl < 0 {
		fmt.Fprintln(stderr, "usage: signatures [-sample N] [-openssl N] DIR...")
		return 64
	}

	var judge *openssl
	if path, err := exec.LookPath("openssl"); err == nil {
		judge = &openssl{path}
	}
	out := tap.New(stdout)
	var reports []*report
	for _, dir := range flags.Args() {
		r, err := checkDir(ctx, dir, judge, e)
		if err != nil {
			out.Result(false, fmt.Sprintf("%s: %v", dir, err))
			continue
		}
		r.tap(out)
		if judge == nil && e.openssl > 0 {
			out.Skip(r.kernel+": modules "+sentences[seconded], "openssl is not installed")
		}
		reports = append(reports, r)
	}
	fmt.Fprintln(stdout)
	table(stdout, reports)
	fmt.Fprintln(stdout)
	if !out.Finish() {
		return 1
	}
	return 0
}

func checkDir(ctx context.Context, dir string, judge *openssl, e extent) (*report, error) {
	k, err := readKernel(ctx, dir)
	if err != nil {
		return nil, err
	}
	return k.check(ctx, judge, e)
}
