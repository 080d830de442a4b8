package tool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/tool"
)

// program writes a script and returns its path.
func program(t *testing.T, name, text string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(at, []byte("#!/bin/sh\n"+text), 0o755))
	return at
}

func host() tool.Exec { return tool.Exec{Environ: tool.Environ(os.Environ())} }

func TestEnviron(t *testing.T) {
	tests := []struct {
		name string
		in   []string
		path string
	}{
		{"nothing", nil, "/usr/sbin:/usr/bin:/sbin:/bin"},
		{"empty PATH", []string{"PATH="}, "/usr/sbin:/usr/bin:/sbin:/bin"},
		{"PATH is kept", []string{"A=b", "PATH=/opt:/bin"}, "/opt:/bin"},
		{"all else is not", []string{
			"LD_RUN_PATH=/x", "LD_LIBRARY_PATH=/x", "ELF_PACKAGE_METADATA={}", "LDEMULATION=x", "LANG=de_DE", "LC_ALL=de_DE",
			"TZ=Asia/Tokyo", "DPKG_ROOT=/x", "MODPROBE_OPTIONS=-v", "PATHS=/x", "PATH=/bin",
		}, "/bin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, []string{"PATH=" + tt.path, "LC_ALL=C", "TZ=UTC"}, tool.Environ(tt.in))
		})
	}
}

func TestRunGivesACleanEnvironment(t *testing.T) {
	t.Setenv("LD_RUN_PATH", "/evil")
	t.Setenv("ELF_PACKAGE_METADATA", "{}")
	x := tool.Exec{Environ: tool.Environ([]string{"PATH=/usr/bin:/bin"})}
	res, err := x.Run(t.Context(), tool.Cmd{Path: "env", Env: []string{"EXTRA=1"}})
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "EXTRA=1"}, strings.Fields(string(res.Stdout)))
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	input, err := os.Open(program(t, "input", ""))
	require.NoError(t, err)
	defer input.Close()
	tests := []struct {
		name           string
		cmd            tool.Cmd
		stdout, stderr string
	}{
		{"streams", tool.Cmd{Args: []string{"echo out; echo err >&2"}}, "out\n", "err\n"},
		{"no input", tool.Cmd{Args: []string{"cat"}}, "", ""},
		{"input", tool.Cmd{Args: []string{"cat"}, Stdin: strings.NewReader("text")}, "text", ""},
		{"folder", tool.Cmd{Args: []string{"pwd -P"}, Dir: dir}, dir + "\n", ""},
		{"files", tool.Cmd{Args: []string{"cat <&3"}, Files: []*os.File{input}}, "#!/bin/sh\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cmd.Path, tt.cmd.Args = "sh", append([]string{"-c"}, tt.cmd.Args...)
			res, err := host().Run(t.Context(), tt.cmd)
			require.NoError(t, err)
			assert.Equal(t, tt.stdout, string(res.Stdout))
			assert.Equal(t, tt.stderr, string(res.Stderr))
			assert.Equal(t, tt.stdout+tt.stderr, res.Output())
		})
	}
}

func TestFailuresAreTold(t *testing.T) {
	tests := []struct {
		name, script string
		code         int
		signal       string
		err          string
	}{
		{"exit code", "exit 3", 3, "", "exit code 3"},
		{"with the last words", "seq 9; exit 1", 1, "", "exit code 1: 7; 8; 9"},
		{"errors are the last words", "echo e >&2; echo o; exit 1", 1, "", "exit code 1: o; e"},
		{"signal", "kill -SEGV $$", -1, "segmentation fault", "killed by segmentation fault"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := program(t, "x", tt.script)
			_, err := host().Run(t.Context(), tool.Cmd{Path: at})
			var failed *tool.FailedError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, tt.code, failed.Code)
			assert.Equal(t, tt.signal, failed.Signal)
			assert.EqualError(t, err, "cannot run "+at+": "+tt.err)
		})
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644))
	for _, name := range []string{"koweld-no-such-program", plain, dir, filepath.Join(dir, "none")} {
		_, err := host().Run(t.Context(), tool.Cmd{Path: name})
		var missing *tool.MissingError
		require.ErrorAs(t, err, &missing, name)
		assert.EqualError(t, err, "cannot find program "+name)
	}
	// What is there and cannot start is not missing: the cause is another.
	orphan := filepath.Join(dir, "orphan")
	require.NoError(t, os.WriteFile(orphan, []byte("#!/no/such/interpreter\n"), 0o755))
	for _, c := range []tool.Cmd{{Path: orphan}, {Path: "true", Dir: filepath.Join(dir, "none")}} {
		_, err := host().Run(t.Context(), c)
		var failed *tool.FailedError
		require.ErrorAs(t, err, &failed)
		assert.ErrorIs(t, err, unix.ENOENT)
	}
}

func TestHints(t *testing.T) {
	for name, want := range map[string]string{
		"depmod": "install the package kmod, and see that /usr/sbin is on PATH", "/sbin/depmod": "install the package kmod, and see that /usr/sbin is on PATH",
		"ld.bfd": "install the package binutils", "x": "install the package that ships x",
	} {
		assert.Equal(t, want, (&tool.MissingError{Name: name}).Hint())
	}
}

func TestLook(t *testing.T) {
	first, second := program(t, "acme", ""), program(t, "acme", "")
	dir := t.TempDir() // holds a folder of that name
	require.NoError(t, os.Mkdir(filepath.Join(dir, "acme"), 0o755))
	path := func(dirs ...string) tool.Exec {
		return tool.Exec{Environ: []string{"PATH=" + strings.Join(dirs, ":")}}
	}
	got, err := path("", ".", "relative", dir, filepath.Dir(first), filepath.Dir(second)).Look("acme")
	require.NoError(t, err)
	assert.Equal(t, first, got)
	got, err = path().Look(second)
	require.NoError(t, err)
	assert.Equal(t, second, got)
	var missing *tool.MissingError
	_, err = path(dir).Look("acme")
	assert.ErrorAs(t, err, &missing)
	_, err = tool.Exec{}.Look("acme")
	assert.ErrorAs(t, err, &missing)
}

// A program that prints without end neither blocks nor fills the memory.
func TestOutputIsBounded(t *testing.T) {
	at := program(t, "loud", fmt.Sprintf("head -c %d /dev/zero; head -c %d /dev/zero >&2; exit 4", 2*tool.OutputLimit+1, tool.OutputLimit/2))
	res, err := host().Run(t.Context(), tool.Cmd{Path: at})
	var failed *tool.FailedError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, 4, failed.Code)
	assert.Equal(t, tool.OutputLimit, len(res.Stdout))
	assert.Equal(t, tool.OutputLimit/2, len(res.Stderr))
}

// A context that ends kills the program and what it started; the cause is
// told. The programs hold a pipe, by which they say that they run and, when it
// ends, that they are gone.
func TestContextKills(t *testing.T) {
	alive, held, err := os.Pipe()
	require.NoError(t, err)
	defer alive.Close()
	// A child of the shell holds its output open, as hooks of
	// update-initramfs do.
	at := program(t, "slow", "sleep 1000 &\necho >&3\nwait\n")
	cause := errors.New("told to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		_, err := alive.Read(make([]byte, 1))
		assert.NoError(t, err)
		cancel(cause)
	}()
	_, err = host().Run(ctx, tool.Cmd{Path: at, Files: []*os.File{held}})
	assert.ErrorIs(t, err, cause)
	assert.EqualError(t, err, "cannot run "+at+": told to stop")
	require.NoError(t, held.Close())
	require.NoError(t, alive.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = alive.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
}

func TestContextThatHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	marker := filepath.Join(t.TempDir(), "ran")
	_, err := host().Run(ctx, tool.Cmd{Path: "touch", Args: []string{marker}})
	assert.ErrorIs(t, err, context.Canceled)
	assert.NoFileExists(t, marker)
}
