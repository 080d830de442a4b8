package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A module with two targets: one fails at once, one never does.
func module(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	write := func(name, text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o644)) }
	write("go.mod", "module p\n\ngo 1.26\n")
	write("p_test.go", `package p

import (
	"os"
	"testing"
)

func FuzzFails(f *testing.F) {
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if string(b) != "x" {
			t.Fatal("no")
		}
	})
}

func FuzzGood(f *testing.F) {
	f.Fuzz(func(*testing.T, []byte) {
		if pipe := os.Getenv("PIPE"); pipe != "" {
			os.WriteFile(pipe, nil, 0)
			os.Unsetenv("PIPE")
		}
	})
}
`)
	t.Setenv("GOFLAGS", "-mod=mod")
}

func TestBudgetLedgerAndFailure(t *testing.T) {
	module(t)
	cache := t.TempDir()
	// A budget that any slice spends.
	r := run{budget: time.Millisecond, slice: time.Second}
	var out bytes.Buffer
	failed, err := r.main(context.Background(), &out, cache, "", false)
	require.NoError(t, err)
	assert.True(t, failed)
	assert.Contains(t, out.String(), "p.FuzzFails fails:")
	assert.Regexp(t, `p\.FuzzGood +\d+ s +done`, out.String())
	assert.Contains(t, out.String(), "1 of 2 targets")
	seeds, err := filepath.Glob("testdata/fuzz/FuzzFails/*")
	require.NoError(t, err)
	assert.Len(t, seeds, 1, "the failing input is kept")

	// What has been done is not done again, and a failure is not forgotten.
	out.Reset()
	failed, err = r.main(context.Background(), &out, cache, "Good", false)
	require.NoError(t, err)
	assert.False(t, failed)
	assert.NotContains(t, out.String(), "has had 0s of")
	assert.Contains(t, out.String(), "1 of 1 targets")
	out.Reset()
	failed, err = r.main(context.Background(), &out, cache, "", true)
	require.NoError(t, err)
	assert.True(t, failed)
	assert.Contains(t, out.String(), "p.FuzzFails")
}

// A run that is stopped in a slice has that in its ledger: the fuzzed function
// says through a pipe that it is at work.
func TestAStoppedRunIsEntered(t *testing.T) {
	module(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	t.Setenv("PIPE", pipe)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = os.ReadFile(pipe)
		stop()
	}()
	cache := t.TempDir()
	r := run{budget: time.Hour, slice: time.Hour}
	var out bytes.Buffer
	failed, err := r.main(ctx, &out, cache, "Good", false)
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, failed)
	assert.Contains(t, out.String(), "0 of 1 targets")
	l, err := readLedger(filepath.Join(cache, "ledger.json"))
	require.NoError(t, err)
	assert.NotZero(t, l.Targets["p.FuzzGood"].CPU)
}

func TestNoTargetIsAnError(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("go.mod", []byte("module p\n\ngo 1.26\n"), 0o644))
	require.NoError(t, os.WriteFile("p_test.go", []byte("package p\n"), 0o644))
	_, err := run{}.main(context.Background(), io.Discard, t.TempDir(), "", false)
	assert.ErrorContains(t, err, "cannot find a fuzz target")
}

func TestADamagedLedgerIsAnError(t *testing.T) {
	cache := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(cache, "ledger.json"), []byte("{"), 0o644))
	_, err := run{}.main(context.Background(), io.Discard, cache, "", false)
	assert.ErrorContains(t, err, "cannot read the ledger")
}

func TestTheEndOfASliceIsNoFailure(t *testing.T) {
	const end = "fuzz: elapsed: 37s, execs: 269912 (6494/sec)\n--- FAIL: FuzzX (37.13s)\n    context deadline exceeded\nFAIL\n"
	assert.True(t, ranOut([]byte(end)))
	assert.False(t, ranOut([]byte("--- FAIL: FuzzX (0.1s)\n    --- FAIL: FuzzX (0.00s)\n        x_test.go:1: no\nFAIL\n")))
	assert.False(t, ranOut([]byte(end+"    Failing input written to testdata/fuzz/FuzzX/1\n")))
}
