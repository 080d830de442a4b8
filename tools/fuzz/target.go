package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A target is a fuzz function of a package.
type target struct{ pkg, dir, name string }

func (t target) String() string { return t.pkg + "." + t.name }

// targets are those of the module in the working directory.
func targets(ctx context.Context) (all []target, err error) {
	const form = `{{$p := .}}{{range .TestGoFiles}}{{$p.ImportPath}}	{{$p.Dir}}	{{.}}
{{end}}{{range .XTestGoFiles}}{{$p.ImportPath}}	{{$p.Dir}}	{{.}}
{{end}}`
	out, err := exec.CommandContext(ctx, "go", "list", "-f", form, "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list the packages: %w", withOutput(err))
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 {
			continue // an empty line between packages
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(fields[1], fields[2]), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				all = append(all, target{fields[0], fields[1], f.Name.Name})
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("cannot find a fuzz target")
	}
	slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.String(), b.String()) })
	return all, nil
}

// build compiles the target's tests, instrumented.
func (t target) build(ctx context.Context, program string) error {
	out, err := exec.CommandContext(ctx, "go", "test", "-c", "-fuzz=.", "-o", program, t.pkg).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot build the tests of %s: %v\n%s", t.pkg, err, out)
	}
	return nil
}

// A slice is what came of fuzzing for a while.
type slice struct {
	cpu    time.Duration // of the fuzzer and its worker
	failed bool
	output []byte
}

// fuzz runs the target for a time. A context that ends ends the slice.
func (t target) fuzz(ctx context.Context, program, corpus string, length time.Duration) (s slice, err error) {
	cmd := exec.CommandContext(ctx, program, "-test.run=^$", "-test.fuzz=^"+t.name+"$", "-test.fuzztime="+length.String(),
		"-test.parallel=1", "-test.fuzzcachedir="+corpus)
	cmd.Dir = t.dir // where a failing input is kept
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case ctx.Err() != nil && cmd.ProcessState == nil:
		return s, context.Cause(ctx)
	case ctx.Err() != nil:
	case errors.As(err, &exit):
		s.failed = !ranOut(out.Bytes())
	default:
		return s, fmt.Errorf("cannot fuzz %v: %v", t, err)
	}
	s.output = out.Bytes()
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if s.cpu == 0 && !s.failed && ctx.Err() == nil { // it would never end
		return s, fmt.Errorf("cannot fuzz %v: it takes no processor time:\n%s", t, s.output)
	}
	return s, nil
}

// ranOut reports whether a slice only ended in the middle of an input: package
// testing says "context deadline exceeded" then and fails.
func ranOut(output []byte) bool {
	return bytes.Contains(output, []byte("\n    context deadline exceeded\n")) &&
		!bytes.Contains(output, []byte("Failing input written to")) && !bytes.Contains(output, []byte("failure while testing seed"))
}

// withOutput is an error with what the program said.
func withOutput(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	return err
}
