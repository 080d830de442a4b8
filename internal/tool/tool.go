// Package tool runs other programs: ld, depmod, dpkg-query.
//
// A program gets a clean environment (see [Environ]), no standard input
// unless one is given, and its output is captured, never inherited: in a
// maintainer script standard output belongs to debconf.
package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Runner runs programs. It is the seam by which tests replace them.
type Runner interface {
	// Look returns the path of a program: name itself when it is an
	// absolute path of an executable, else the first on PATH. The error
	// is a *MissingError.
	Look(name string) (string, error)
	// Run runs a program to its end. A program that cannot be started is
	// a *MissingError or a *FailedError; one that exits with a code other
	// than 0 or dies of a signal is a *FailedError, beside the Result.
	Run(ctx context.Context, c Cmd) (Result, error)
}

// Cmd is a program to run.
type Cmd struct {
	Path  string   // as Look returned it, or a name to look up
	Args  []string // without argv[0]
	Dir   string   // working directory on the host; "" is the caller's
	Env   []string // added to the clean environment
	Files []*os.File
	Stdin io.Reader
}

// Result is what a program said.
type Result struct {
	Stdout, Stderr []byte // at most OutputLimit bytes each
}

// Output is both streams, the errors last.
func (r Result) Output() string { return string(r.Stdout) + string(r.Stderr) }

// OutputLimit bounds what is kept of each stream, in bytes.
const OutputLimit = 8 << 20

// MissingError says that a program is not there.
type MissingError struct {
	Name string
}

func (e *MissingError) Error() string { return "cannot find program " + e.Name }

// Hint names what ships it.
func (e *MissingError) Hint() string {
	switch filepath.Base(e.Name) {
	case "ld.bfd", "ld":
		return "install the package binutils"
	case "depmod":
		return "install the package kmod, and see that /usr/sbin is on PATH"
	}
	return "install the package that ships " + e.Name
}

// FailedError says that a program failed.
type FailedError struct {
	Cmd    Cmd
	Code   int    // exit code, or -1
	Signal string // name of the signal it died of, or ""
	Output string // last lines of what it printed
	Err    error  // why it could not be run, or nil
}

func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cannot run %s: ", e.Cmd.Path)
	switch {
	case e.Err != nil:
		fmt.Fprint(&b, e.Err)
	case e.Signal != "":
		fmt.Fprintf(&b, "killed by %s", e.Signal)
	default:
		fmt.Fprintf(&b, "exit code %d", e.Code)
	}
	if e.Output != "" {
		fmt.Fprintf(&b, ": %s", e.Output)
	}
	return b.String()
}

// Unwrap returns why it could not be run: the cause of a context that ended.
func (e *FailedError) Unwrap() error { return e.Err }

// Exec runs programs of the host.
type Exec struct {
	Environ []string // the clean environment; see Environ
}

// Environ makes a clean environment out of the caller's: PATH is kept, the
// locale is C, and nothing else is passed on. LD_RUN_PATH, LD_LIBRARY_PATH,
// LDEMULATION and ELF_PACKAGE_METADATA change what ld writes or which ld runs.
func Environ(environ []string) []string {
	path := "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
	for _, kv := range environ {
		if strings.HasPrefix(kv, "PATH=") && len(kv) > len("PATH=") {
			path = kv
		}
	}
	return []string{path, "LC_ALL=C", "TZ=UTC"}
}

// Look implements [Runner].
func (x Exec) Look(name string) (string, error) {
	if filepath.IsAbs(name) {
		if executable(name) {
			return name, nil
		}
		return "", &MissingError{Name: name}
	}
	for _, kv := range x.Environ {
		path, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			if p := filepath.Join(dir, name); filepath.IsAbs(dir) && executable(p) {
				return p, nil
			}
		}
	}
	return "", &MissingError{Name: name}
}

func executable(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// Run implements [Runner].
func (x Exec) Run(ctx context.Context, c Cmd) (Result, error) {
	path, err := x.Look(c.Path)
	if err != nil {
		return Result{}, err
	}
	c.Path = path
	cmd := exec.CommandContext(ctx, path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(append([]string{}, x.Environ...), c.Env...)
	cmd.Stdin = c.Stdin
	cmd.ExtraFiles = c.Files
	// A signal to our process group must not reach the program: we decide
	// when it ends, and what it started ends with it.
	// It dies with us, or with the thread that started it: hence the lock.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = lingering
	var stdout, stderr limited
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	res := Result{Stdout: stdout.kept.Bytes(), Stderr: stderr.kept.Bytes()}
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return res, nil
	}
	f := &FailedError{Cmd: c, Code: -1, Output: tail(res.Output())}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		f.Err = context.Cause(ctx)
	case !errors.As(err, &exit):
		f.Err = err
	default:
		f.Code = exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			f.Signal = ws.Signal().String()
		}
	}
	return res, f
}

// lingering is how long what a program left running may hold its output
// open after it has ended.
const lingering = 2 * time.Second

// killGroup kills a program with all that it started.
func killGroup(pid int) error {
	if err := syscall.Kill(-pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return os.ErrProcessDone
}

// tail is the last few lines of a program's output, on one line.
func tail(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if n := len(lines); n > 3 {
		lines = lines[n-3:]
	}
	return strings.Join(lines, "; ")
}

// limited keeps the first OutputLimit bytes and swallows the rest, so that a
// program that prints without end neither blocks nor fills the memory. The
// buffer is not embedded: io.Copy would take its ReadFrom, past the limit.
type limited struct{ kept bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := OutputLimit - l.kept.Len(); room > 0 {
		l.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
