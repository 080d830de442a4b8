package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// skips are the tests that may be skipped.
type skips []allowance

type allowance struct{ tier, layer, test *regexp.Regexp }

func (a skips) allow(tier, layer, test string) bool {
	for _, s := range a {
		if s.tier.MatchString(tier) && s.layer.MatchString(layer) && s.test.MatchString(test) {
			return true
		}
	}
	return false
}

func readSkipsFile(name string) (skips, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readSkips(name, f)
}

// readSkips reads lines of TIER LAYER TEST REASON. In the first three, a star
// stands for any text; blanks in a test's name are written as underscores, as
// the testing package does. The reason must be there.
func readSkips(name string, r io.Reader) (skips, error) {
	var list skips
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		f := strings.Fields(text)
		if len(f) < 4 {
			return nil, fmt.Errorf("%s:%d: want TIER LAYER TEST REASON", name, n)
		}
		list = append(list, allowance{glob(f[0]), glob(f[1]), glob(f[2])})
	}
	return list, lines.Err()
}

func glob(pattern string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.ReplaceAll(quoted, `\*`, `.*`)
	quoted = strings.ReplaceAll(quoted, `_`, `[_ ]`)
	return regexp.MustCompile(`^` + quoted + `$`)
}
