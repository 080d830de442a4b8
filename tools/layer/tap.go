package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
)

// tapLine is a result of the Test Anything Protocol: "ok 3 - name", "not ok 4 -
// name", "ok 5 - name # SKIP reason".
var tapLine = regexp.MustCompile(`^(not )?ok\b *\d* *(?:- )?(.*?)(?: *# *(?i:skip)\S* *(.*))?$`)

// readTAP counts the results of a script and passes all it prints on.
func readTAP(r io.Reader, out io.Writer) (counts, error) {
	var c counts
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fmt.Fprintln(out, lines.Text())
		m := tapLine.FindStringSubmatchIndex(lines.Text())
		switch {
		case m == nil:
		case m[2] >= 0:
			c.failed++
		case m[6] >= 0:
			c.skipped = append(c.skipped, skip{lines.Text()[m[4]:m[5]], lines.Text()[m[6]:m[7]]})
		default:
			c.passed++
		}
	}
	return c, lines.Err()
}
