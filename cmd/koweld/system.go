package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/tool"
	"koweld/internal/unit"
)

// memoryLimit bounds the modules that are welded at once, in bytes. One that
// is larger is welded alone.
const memoryLimit = 1 << 30

// system opens the root and makes the seams. The caller closes the root.
func (a *app) system() (*unit.System, func(), error) {
	root, err := filepath.Abs(a.root)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot find the root: %w", err)
	}
	below, err := fsys.OpenRoot(root)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open the root %s: %w", root, cause(err))
	}
	// What programs write for all, such as depmod's index, all are to read, whatever
	// root keeps for himself by his umask. dpkg does the same.
	unix.Umask(0o022)
	running := root == "/" && a.getenv("DPKG_ROOT") == ""
	s := &unit.System{
		FS:      below,
		Tool:    tool.Exec{Environ: tool.Environ(a.environ)},
		Now:     time.Now,
		Arch:    debianArch(a.getenv("DPKG_MAINTSCRIPT_ARCH")),
		Procs:   runtime.GOMAXPROCS(0),
		Memory:  memoryLimit,
		Wait:    a.wait,
		InDpkg:  a.getenv("DPKG_RUNNING_VERSION") != "" || a.getenv("DPKG_FRONTEND_LOCKED") != "",
		Epoch:   a.epoch(),
		Running: running,
		Observe: a.observer(),
	}
	s.Multiarch = multiarch[s.Arch]
	s.Tuple = func(arch string) string { return multiarch[arch] }
	// A user may work in a root of their own.
	if uid := os.Geteuid(); uid != 0 {
		s.UID, s.GID = uid, os.Getegid()
		if !running {
			s.Trust.UID = uid
		}
	}
	// dpkg's maintainer scripts have nobody to try again for them.
	if a.script {
		s.Wait = -1
	}
	if running {
		s.Kernel = runningKernel()
	}
	return s, func() { _ = below.Close() }, nil
}

// runningKernel is what uname -r prints, or "".
func runningKernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// epoch is SOURCE_DATE_EPOCH, or zero (reproducible-builds.org). What is no
// number is ignored, as dpkg-deb does.
func (a *app) epoch() time.Time {
	seconds, err := strconv.ParseInt(a.getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// multiarch maps Debian's architectures to their tuples.
var multiarch = map[string]string{
	"amd64":   "x86_64-linux-gnu",
	"arm64":   "aarch64-linux-gnu",
	"armhf":   "arm-linux-gnueabihf",
	"i386":    "i386-linux-gnu",
	"loong64": "loongarch64-linux-gnu",
	"ppc64el": "powerpc64le-linux-gnu",
	"riscv64": "riscv64-linux-gnu",
	"s390x":   "s390x-linux-gnu",
}

// debianArch is what dpkg says, else Debian's name of what we are built for.
func debianArch(dpkg string) string {
	if dpkg != "" && dpkg != "all" {
		return dpkg
	}
	switch runtime.GOARCH {
	case "386":
		return "i386"
	case "arm":
		return "armhf"
	case "ppc64le":
		return "ppc64el"
	}
	return runtime.GOARCH
}

// manifestArgs turns paths of the caller into paths below the root. Names of
// packages stay as they are.
func (a *app) manifestArgs(args []string) ([]string, error) {
	if _, err := a.realRoot(); err != nil {
		return nil, err
	}
	below := make([]string, len(args))
	for i, arg := range args {
		if !isPath(arg) {
			below[i] = arg
			continue
		}
		var err error
		if below[i], err = a.belowRoot("manifest", arg); err != nil {
			return nil, err
		}
	}
	return below, nil
}

// belowRoot turns a path of the caller, of something that is called what, into one
// below the root.
func (a *app) belowRoot(what, arg string) (string, error) {
	root, err := a.realRoot()
	if err != nil {
		return "", err
	}
	path, err := realpath(arg)
	if err != nil {
		return "", fmt.Errorf("cannot find %s %s: %w", what, arg, cause(err))
	}
	rel, err := filepath.Rel(root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", &usageError{
			err:  fmt.Errorf("cannot use %s %s: it is not below the root %s", what, arg, root),
			hint: "what a package installs lies in the root; give another with --root",
		}
	}
	return filepath.Join("/", rel), nil
}

// realRoot is the root without links.
func (a *app) realRoot() (string, error) {
	root, err := realpath(a.root)
	if err != nil {
		return "", fmt.Errorf("cannot open the root %s: %w", a.root, cause(err))
	}
	return root, nil
}

// cause is an error without the path, for a message that names it already.
func cause(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}

// isPath tells the path of a manifest from the name of a package.
func isPath(arg string) bool {
	return strings.Contains(arg, "/") || strings.HasSuffix(arg, ".yaml")
}

func realpath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// signalled says by which signal a run was ended.
type signalled struct{ sig os.Signal }

func (e *signalled) Error() string { return "interrupted by " + e.sig.String() }

// withSignals runs do with a context that SIGINT, SIGTERM and SIGHUP end:
// what was begun is taken back.
func (a *app) withSignals(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if a.changes {
		// Whoever reads what we say may go, as head does: what is written then fails,
		// and we end in order. So does a file that is larger than we may write.
		fails := make(chan os.Signal, 1)
		signal.Notify(fails, syscall.SIGPIPE, syscall.SIGXFSZ)
		defer signal.Stop(fails)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case sig := <-signals:
			cancel(&signalled{sig})
		case <-done:
		}
	}()
	return do(ctx)
}

// changing is the frame of a command that changes units and reports them.
func (a *app) changing(cmd *cobra.Command, do func(context.Context, *unit.System) ([]unit.Change, error)) error {
	s, done, err := a.system()
	if err != nil {
		return err
	}
	defer done()
	a.changes = true
	return a.withSignals(cmd.Context(), func(ctx context.Context) error {
		changes, err := do(ctx, s)
		a.endProgress()
		for i := range changes {
			a.reportChange(&changes[i])
		}
		return err
	})
}
