package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// counts is what a layer did.
type counts struct {
	passed, failed int
	skipped        []skip
}

type skip struct{ name, reason string }

func (c counts) total() int { return c.passed + c.failed + len(c.skipped) }

// line is one layer's line, on the screen and in a report.
type line struct {
	name    string
	counts  counts
	seconds float64
}

func (l line) String() string {
	return fmt.Sprintf("layer %s: ran %d, skipped %d, %.1f seconds",
		l.name, l.counts.passed+l.counts.failed, len(l.counts.skipped), l.seconds)
}

func (l line) appendTo(report string) error {
	f, err := os.OpenFile(report, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %d %d %s\n", l.counts.passed, l.counts.failed, len(l.counts.skipped), l)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// sum prints each layer of a report again and the total on the last line.
func sum(report string, stdout io.Writer) (int, error) {
	f, err := os.Open(report)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var passed, failed, skipped int
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var p, n, s int
		if _, err := fmt.Sscan(lines.Text(), &p, &n, &s); err != nil {
			return 0, fmt.Errorf("cannot read %s: %v", report, err)
		}
		passed, failed, skipped = passed+p, failed+n, skipped+s
		fmt.Fprintln(stdout, strings.SplitN(lines.Text(), " ", 4)[3])
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	fmt.Fprintf(stdout, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if failed > 0 || passed == 0 {
		return 1, nil
	}
	return 0, nil
}
