package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// A proof is a set of tests of one package.
type proof struct{ pkg, run string }

// A result is what became of a mutant.
type result struct {
	mutant mutant
	broken bool   // it does not compile
	killer string // the test that found it; "" if it survived
}

func (r result) String() string {
	switch {
	case r.broken:
		return "does not compile"
	case r.killer == "":
		return "SURVIVED"
	}
	return "found by " + r.killer
}

// test runs the proofs on a mutant until one fails.
func (m mutant) test(ctx context.Context, proofs []proof, timeout time.Duration) (r result, err error) {
	r.mutant = m
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(dir)
	if err != nil {
		return r, err
	}
	for _, p := range proofs {
		cmd := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-vet=off", "-count=1", "-failfast",
			"-timeout", timeout.String(), "-run", p.run, p.pkg)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return r, context.Cause(ctx)
		case err == nil:
			continue
		case !errors.As(err, &exit):
			return r, err
		}
		r.killer = failed(out)
		r.broken = r.killer == ""
		if r.broken && !bytes.Contains(out, []byte("[build failed]")) {
			return r, fmt.Errorf("cannot tell what became of %v:\n%s", m, out)
		}
		return r, nil
	}
	return r, nil
}

// overlay writes the mutant and what makes the go command read it.
func (m mutant) overlay(dir string) (string, error) {
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, "mutant.go")
	if err := os.WriteFile(changed, m.source, 0o644); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o644)
}

var (
	failLine = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
	timedOut = regexp.MustCompile(`(?m)^panic: test timed out`)
	panicked = regexp.MustCompile(`(?m)^panic: (.*)`)
)

// failed is the innermost of the tests that failed; "" if none did.
func failed(output []byte) (name string) {
	for _, m := range failLine.FindAllSubmatch(output, -1) {
		if len(m[1]) > len(name) {
			name = string(m[1])
		}
	}
	if name != "" {
		return name
	}
	if timedOut.Match(output) {
		return "the time limit"
	}
	if m := panicked.FindSubmatch(output); m != nil {
		return "a panic: " + string(m[1])
	}
	return ""
}
