// Package autoscripts_test runs the snippets that dh_koweld pastes into
// maintainer scripts, in the shells that may be /bin/sh, on scratch roots.
package autoscripts_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// essential are the programs that the postrm may use: each is in an Essential
// package, see TestOnlyEssentialPackages.
var essential = []string{
	"cmp", "cp", "dpkg-query", "find", "flock", "grep", "head", "ls", "mkdir", "mv", "readlink", "rm", "rmdir",
	"sed", "sha256sum", "sort", "stat", "sync", "tr", "xargs",
}

// shells may be /bin/sh.
var shells = []struct {
	name string
	argv []string
}{
	{"dash", []string{"dash"}},
	{"busybox", []string{"busybox", "sh"}},
	{"bash", []string{"bash", "--posix"}},
}

// eachShell runs a test in each shell; in the tier that is to take minutes, in
// the first.
func eachShell(t *testing.T, test func(t *testing.T, shell []string)) {
	t.Helper()
	for i, shell := range shells {
		if i > 0 && os.Getenv("KOWELD_TEST") != "full" {
			return
		}
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath(shell.argv[0])
			if err != nil {
				t.Skipf("SKIP: the snippets do not run in %s, it is not installed", shell.name)
			}
			test(t, append([]string{program}, shell.argv[1:]...))
		})
	}
}

// A machine is what a script finds there: a shell and the programs on PATH.
type machine struct {
	t     testing.TB
	shell []string
	bin   string
	log   string // what fakes were called with
	env   []string
}

// newMachine has the programs of Essential packages, and a depmod that only
// says how it was called.
func newMachine(t testing.TB, shell []string) *machine {
	t.Helper()
	m := &machine{t: t, shell: shell, bin: t.TempDir(), log: filepath.Join(t.TempDir(), "log")}
	for _, name := range essential {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("SKIP: the postrm does not run, %s is not installed", name)
		}
		require.NoError(t, os.Symlink(program, filepath.Join(m.bin, name)))
	}
	m.fake("depmod", "")
	return m
}

// fake puts a program on PATH that logs its call and does body.
func (m *machine) fake(name, body string) {
	m.t.Helper()
	at := filepath.Join(m.bin, name)
	require.NoError(m.t, os.RemoveAll(at))
	text := fmt.Sprintf("#!/bin/sh\necho %q \"$@\" >>%q\n%s\n", name, m.log, body)
	writeProgram(m.t, at, []byte(text))
}

func (m *machine) without(name string) { require.NoError(m.t, os.Remove(filepath.Join(m.bin, name))) }

// logged returns what fakes were called with since the last time.
func (m *machine) logged() string {
	m.t.Helper()
	text, err := os.ReadFile(m.log)
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(m.t, err)
		require.NoError(m.t, os.Remove(m.log))
	}
	return string(text)
}

// script writes the script that a snippet is pasted into.
func script(t testing.TB, name, pkg string) string {
	t.Helper()
	text, err := os.ReadFile(name + "-koweld")
	require.NoError(t, err)
	at := filepath.Join(t.TempDir(), name)
	text = append([]byte("#!/bin/sh\nset -e\n"), bytes.ReplaceAll(text, []byte("#PACKAGE#"), []byte(pkg))...)
	writeProgram(t, at, text)
	return at
}

// result is how a script ended. Signals have a negative code.
type result struct {
	code int
	said string // on standard error
}

// command is one call of a script, as dpkg makes it.
func (m *machine) command(r *root, script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.t.Context(), m.shell[0], append(append(m.shell[1:len(m.shell):len(m.shell)], script), args...)...)
	cmd.Dir = "/"
	cmd.Env = append([]string{
		"PATH=" + m.bin, "LC_ALL=C.UTF-8", "DPKG_ROOT=" + r.dir, "DPKG_ADMINDIR=" + r.at("/var/lib/dpkg"),
		"DPKG_MAINTSCRIPT_PACKAGE=" + pkg, "DPKG_MAINTSCRIPT_ARCH=amd64", "DPKG_MAINTSCRIPT_NAME=postrm",
	}, m.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// run calls a script. debconf owns its standard output: nothing may be there.
func (m *machine) run(r *root, script string, args ...string) result {
	m.t.Helper()
	cmd := m.command(r, script, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(m.t, err)
	}
	require.Empty(m.t, stdout.String())
	return result{cmd.ProcessState.ExitCode(), stderr.String()}
}

// writeProgram writes what will be run. No process may begin meanwhile: until it
// has become another program it would hold the file open, which cannot be run
// then (ETXTBSY of execve(2)).
func writeProgram(t testing.TB, at string, text []byte) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.WriteFile(at, text, 0o755))
}
