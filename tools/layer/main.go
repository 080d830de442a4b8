// Command layer runs one layer of the tests and says what it did in one line:
//
//	layer NAME: ran N, skipped M, S seconds
//
// A test that fails is shown with its output; one that is skipped with its
// reason. A skip that the file of allowed skips does not list is a failure, so
// that no layer quietly becomes empty.
//
//	layer run -as gotest|tap -tier TIER -skips FILE -to REPORT NAME COMMAND…
//	layer sum REPORT
//
// "run" appends the counts to REPORT; "sum" prints the total of a report as
// "N passed, N failed, N skipped" and exits 1 if anything failed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

const usage = "usage: layer run -as gotest|tap -tier TIER -skips FILE -to REPORT NAME COMMAND...\n" +
	"       layer sum REPORT\n"

// run is main with its surroundings as values; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var code int
	var err error
	switch {
	case len(args) >= 1 && args[0] == "run":
		code, err = runLayer(args[1:], stdout)
	case len(args) == 2 && args[0] == "sum":
		code, err = sum(args[1], stdout)
	default:
		_, _ = io.WriteString(stderr, usage)
		return 64
	}
	if err != nil {
		fmt.Fprintln(stderr, "layer:", err)
		return 1
	}
	return code
}

// readers turn a command's standard output into counts; what people should see
// goes to the writer.
var readers = map[string]func(io.Reader, io.Writer) (counts, error){
	"gotest": readGoTest,
	"tap":    readTAP,
}

func runLayer(args []string, stdout io.Writer) (int, error) {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	as := flags.String("as", "gotest", "what the command prints")
	tier := flags.String("tier", "", "tier, as in the file of allowed skips")
	skipsFile := flags.String("skips", "", "file of allowed skips")
	to := flags.String("to", "", "report to append to")
	if err := flags.Parse(args); err != nil {
		return 0, err
	}
	read, known := readers[*as]
	if !known || flags.NArg() < 2 {
		return 0, errors.New("cannot run: wrong arguments")
	}
	name, command := flags.Arg(0), flags.Args()[1:]
	allowed, err := readSkipsFile(*skipsFile)
	if err != nil {
		return 0, err
	}

	fmt.Fprintf(stdout, "== layer %s\n", name)
	start := time.Now()
	result, err := execute(command, read, stdout)
	if err != nil {
		return 0, err
	}
	for _, s := range result.skipped {
		if allowed.allow(*tier, name, s.name) {
			fmt.Fprintf(stdout, "skipped %s: %s\n", s.name, s.reason)
			continue
		}
		fmt.Fprintf(stdout, "FAIL %s: skipped without leave (%s): %s\n", s.name, *skipsFile, s.reason)
		result.failed++
	}
	l := line{name: name, counts: result, seconds: time.Since(start).Seconds()}
	fmt.Fprintln(stdout, l)
	if err := l.appendTo(*to); err != nil {
		return 0, err
	}
	if result.failed > 0 {
		return 1, nil
	}
	return 0, nil
}

// execute runs the command without standard input. A command that fails
// although no test of it did counts as one failure (a build error, say), and so
// does one that runs no test.
func execute(command []string, read func(io.Reader, io.Writer) (counts, error), stdout io.Writer) (counts, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = stdout
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return counts{}, err
	}
	if err := cmd.Start(); err != nil {
		return counts{}, fmt.Errorf("cannot start %s: %v", command[0], err)
	}
	result, err := read(pipe, stdout)
	if err != nil {
		return counts{}, fmt.Errorf("cannot read what %s prints: %v", command[0], err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && result.failed == 0:
		fmt.Fprintf(stdout, "FAIL %s: %v\n", command[0], err)
		result.failed++
	case err != nil && exit == nil:
		return counts{}, err
	case err == nil && result.total() == 0:
		fmt.Fprintf(stdout, "FAIL %s: no test ran\n", command[0])
		result.failed++
	}
	return result, nil
}
