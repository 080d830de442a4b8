// Command blockwrites makes disks of a record of what was written to one: the
// disk as a power cut would have left it. The record is that of dm-log-writes
// (Documentation/admin-guide/device-mapper/log-writes.rst), which QEMU's driver
// blklogwrites keeps.
//
//	blockwrites list LOG
//	blockwrites points [-every] LOG
//	blockwrites apply -at N [-lose | -seed S] LOG DISK
//
// "list" prints what was recorded: number, kind, offset and length in bytes.
// "points" prints where the power may be cut, a line for each: the number of the
// entry before which it is, and "kept" or "lost" for what was not flushed by then.
// Those are the flushes that had something to flush, or with -every all writes as
// well, and the end. Each disk is named once: what has lost its writes since the
// last flush is the disk before that flush, unless some went through (FUA).
//
// "apply" writes the entries before N to DISK, a copy of the disk as it was when
// the record began. What was written since the last flush may be lost: with
// -lose all of it is, with -seed some of it, by lot. Writes that went through to
// the medium (FUA) stay.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `usage: blockwrites list LOG
       blockwrites points [-every] LOG
       blockwrites apply -at N [-lose | -seed S] LOG DISK
`

var errUsage = errors.New("wrong arguments")

// run is main with its surroundings as values; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var err error
	switch {
	case len(args) == 2 && args[0] == "list":
		err = list(args[1], stdout)
	case len(args) > 1 && args[0] == "points":
		err = points(args[1:], stdout, stderr)
	case len(args) > 1 && args[0] == "apply":
		err = applyTo(args[1:], stderr)
	default:
		err = errUsage
	}
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(stderr, usage)
		return 64
	case err != nil:
		fmt.Fprintln(stderr, "blockwrites:", err)
		return 1
	}
	return 0
}

func list(name string, stdout io.Writer) error {
	l, err := openLog(name)
	if err != nil {
		return err
	}
	defer l.close()
	for i, e := range l.entries {
		fmt.Fprintln(stdout, i, e.kind(), e.offset, e.length)
	}
	return nil
}

func points(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("points", flag.ContinueOnError)
	flags.SetOutput(stderr)
	every := flags.Bool("every", false, "also before each write")
	if flags.Parse(args) != nil || flags.NArg() != 1 {
		return errUsage
	}
	l, err := openLog(flags.Arg(0))
	if err != nil {
		return err
	}
	defer l.close()
	for _, p := range l.points(*every) {
		fmt.Fprintln(stdout, p)
	}
	return nil
}

func applyTo(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("apply", flag.ContinueOnError)
	flags.SetOutput(stderr)
	at := flags.Int("at", -1, "the power is cut before entry `N`")
	lose := flags.Bool("lose", false, "what was not flushed is lost")
	seed := flags.Uint64("seed", 0, "of what was not flushed some is lost, by lot of this `number`")
	if flags.Parse(args) != nil || flags.NArg() != 2 || *at < 0 || *lose && *seed > 0 {
		return errUsage
	}
	l, err := openLog(flags.Arg(0))
	if err != nil {
		return err
	}
	defer l.close()
	if *at > len(l.entries) {
		return fmt.Errorf("cannot stop before entry %d: there are %d", *at, len(l.entries))
	}
	disk, err := os.OpenFile(flags.Arg(1), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	var loss loss
	switch {
	case *lose:
		loss = all
	case *seed > 0:
		loss = some(*seed)
	}
	err = l.apply(disk, *at, loss)
	if closeErr := disk.Close(); err == nil {
		err = closeErr
	}
	return err
}
