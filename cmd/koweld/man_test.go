package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the man pages anew")

// manDir is where the pages of the commands lie, beside that of the manifest.
const manDir = "../../docs/man"

// commands returns koweld's own commands, the root first.
func commands() []*cobra.Command {
	var all []*cobra.Command
	var add func(c *cobra.Command)
	add = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			add(sub)
		}
	}
	add(newRootCommand(newApp(nil, io.Discard, io.Discard, nil)))
	return all
}

// pageName is the file of a command's man page.
func pageName(c *cobra.Command) string {
	return strings.ReplaceAll(c.CommandPath(), " ", "-") + ".8"
}

// date is the third field of the first macro, which cobra always fills.
var date = regexp.MustCompile(`(?m)^(\.TH "[^"]*" "8") "[^"]*"`)

// page is the man page of a command. There is no date in it: the same commands
// give the same bytes.
func page(t *testing.T, c *cobra.Command) []byte {
	t.Helper()
	c.Root().DisableAutoGenTag = true
	c.DisableAutoGenTag = true
	var b bytes.Buffer
	require.NoError(t, doc.GenMan(c, &doc.GenManHeader{
		Section: "8", Source: "koweld", Manual: "System administration",
	}, &b))
	return date.ReplaceAll(b.Bytes(), []byte(`$1 ""`))
}

func TestManPagesAreThoseOfTheCommands(t *testing.T) {
	var names []string
	for _, c := range commands() {
		names = append(names, pageName(c))
		file := filepath.Join(manDir, pageName(c))
		want := page(t, c)
		if *update {
			require.NoError(t, os.WriteFile(file, want, 0o644))
		}
		got, err := os.ReadFile(file)
		require.NoError(t, err, "go test ./cmd/koweld -update writes it")
		assert.Equal(t, string(want), string(got), "%s: go test ./cmd/koweld -update writes it", file)
	}
	there, err := filepath.Glob(filepath.Join(manDir, "*.8"))
	require.NoError(t, err)
	for _, file := range there {
		assert.Contains(t, names, filepath.Base(file), "the page of no command")
	}
}

func TestManPagesAreWellFormed(t *testing.T) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("mandoc is not installed")
	}
	for _, c := range commands() {
		out, err := exec.Command(mandoc, "-T", "lint", "-W", "error", filepath.Join(manDir, pageName(c))).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
}

func TestEveryCommandAndFlagIsDescribed(t *testing.T) {
	for _, c := range commands() {
		t.Run(c.CommandPath(), func(t *testing.T) {
			require.NotEmpty(t, c.Short)
			assert.True(t, unicode.IsUpper(rune(c.Short[0])), "short: %s", c.Short)
			assert.False(t, strings.HasSuffix(c.Short, "."), "short: %s", c.Short)
			assert.True(t, strings.HasSuffix(c.Long, "."), "long: %s", c.Long)
			for line := range strings.Lines(c.Long) {
				assert.LessOrEqual(t, len([]rune(line)), 85, "long: %s", line)
			}
			if c.HasSubCommands() {
				assert.NotNil(t, c.Args, "an unknown command must be a usage error")
			}
			check := func(f *pflag.Flag) {
				assert.NotEmpty(t, f.Usage, "--%s", f.Name)
				assert.False(t, strings.HasSuffix(f.Usage, "."), "--%s: %s", f.Name, f.Usage)
			}
			c.LocalFlags().VisitAll(check)
			c.PersistentFlags().VisitAll(check)
		})
	}
}

// completions is what a shell is offered after words.
func completions(t *testing.T, words ...string) []string {
	t.Helper()
	var out bytes.Buffer
	code := run(append([]string{"__completeNoDesc"}, words...), strings.NewReader(""), &out, io.Discard, nil)
	require.Zero(t, code)
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

func TestCompletionOffersEveryCommandAndFlag(t *testing.T) {
	for _, c := range commands() {
		path := strings.Fields(c.CommandPath())[1:]
		if c.HasParent() {
			assert.Contains(t, completions(t, append(slices.Clone(path[:len(path)-1]), "")...), c.Name())
		}
		flags := completions(t, append(slices.Clone(path), "--")...)
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			assert.True(t, slices.ContainsFunc(flags, func(s string) bool {
				return strings.TrimSuffix(s, "=") == "--"+f.Name
			}), "%s --%s", c.CommandPath(), f.Name)
		})
	}
}

func TestCompletionScriptIsBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	var script bytes.Buffer
	require.Zero(t, run([]string{"completion", "bash"}, strings.NewReader(""), &script, io.Discard, nil))
	assert.Contains(t, script.String(), "complete -o default -F __start_koweld koweld")
	check := exec.Command(bash, "-n")
	check.Stdin = &script
	out, err := check.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}
