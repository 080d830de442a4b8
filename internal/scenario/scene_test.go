package scenario

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A scene is one root and what happens there.
type scene struct {
	*lab
	t       *testing.T
	release release
	dir     string
	root    string
	base    tree // the root with koweld alone

	told  *os.File
	order *os.File
	heard chan struct{} // closed when nobody listens any more
	ended chan struct{} // a call has ended

	mu     sync.Mutex
	calls  []call // of scripts, in their order
	faults func(name string, nth int) fault
	broken error // the scripts were not understood
}

// A call is one of a maintainer script.
type call struct {
	name   string // "modules 1.0 postinst configure ''"
	before moment
	after  moment
	code   int
	ended  bool
	// counted are the system calls of koweld that change something, if they were.
	counted int
}

// limit ends what hangs. Nothing here lasts a tenth of it.
const limit = 2 * time.Minute

// newScene makes a root of a kernel and koweld, installed by dpkg.
func newScene(t *testing.T, l *lab, r release) *scene {
	t.Helper()
	dir, err := os.MkdirTemp(l.dir, "scene-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &scene{lab: l, t: t, release: r, dir: dir, root: filepath.Join(dir, "root")}
	s.makeKiller()
	s.listen()
	// The first of a release is copied by the others: a copy has the times of files,
	// and koweld has recorded nothing yet.
	first := filepath.Join(l.dir, "first-"+r.name)
	once, _ := l.firsts.LoadOrStore(first, &sync.Once{})
	once.(*sync.Once).Do(func() {
		s.layOut()
		code, said := s.dpkg("--install", "+koweld-1.0")
		require.Zero(t, code, said)
		s.calls = nil
		require.NoError(t, os.Rename(s.root, first))
	})
	output(t, "cp", "-a", first, s.root)
	s.base = s.tree()
	return s
}

// layOut makes what is there before any package: a kernel, an admin's file where
// the package places one, and dpkg's database.
func (s *scene) layOut() {
	t := s.t
	for _, name := range []string{
		folder, "usr/bin", "usr/lib/modprobe.d", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(s.root, name), 0o755))
	}
	require.NoError(t, os.Symlink("usr/lib", filepath.Join(s.root, "lib")))
	for _, name := range []string{
		folder + "/modules.order", folder + "/modules.builtin", folder + "/modules.builtin.modinfo",
		"var/lib/dpkg/status", "var/lib/dpkg/available",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(s.root, name), nil, 0o644))
	}
	original := filepath.Join(s.root, conf)
	require.NoError(t, os.WriteFile(original, []byte(confOf("original")), 0o600))
	if err := unix.Setxattr(original, attribute, []byte("by hand"), 0); !errors.Is(err, unix.ENOTSUP) {
		require.NoError(t, err)
	}
	long := time.Date(2020, 2, 3, 4, 5, 6, 789, time.UTC)
	require.NoError(t, os.Chtimes(original, long, long))
	output(t, "depmod", "-b", s.root, kernel)
}

// makeKiller makes the koweld that is killed.
func (s *scene) makeKiller() {
	t := s.t
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "killer"), 0o755))
	for name, text := range map[string]string{"koweld": strings.ReplaceAll(killer, "KOWELD ", s.koweld+" "), "count": counter} {
		syscall.ForkLock.RLock() // or who is started meanwhile holds it open, and it is busy
		err := os.WriteFile(filepath.Join(s.dir, "killer", name), []byte(text), 0o755)
		syscall.ForkLock.RUnlock()
		require.NoError(t, err)
	}
}

// dpkg runs it on the root and returns its exit code, 137 if it was killed, and
// what it and the scripts said. A word "+modules-1.0" is that package.
func (s *scene) dpkg(words ...string) (int, string) {
	s.t.Helper()
	return s.dpkgUnder(nil, words...)
}

// dpkgUnder is dpkg, run by another program.
func (s *scene) dpkgUnder(runner []string, words ...string) (int, string) {
	s.t.Helper()
	args := []string{
		"dpkg", "--root=" + s.root, "--admindir=" + filepath.Join(s.root, "var/lib/dpkg"), "--log=" + filepath.Join(s.dir, "log"),
		"--force-script-chrootless", "--force-unsafe-io", "--no-pager",
	}
	for _, word := range words {
		word, err := s.debWord(word)
		require.NoError(s.t, err)
		args = append(args, word)
	}
	args = append(slices.Clone(runner), args...)
	code, said := s.run(args[0], args[1:]...)
	s.waitForScripts()
	return code, said
}

// waitForScripts waits for the script of a dpkg that was killed.
func (s *scene) waitForScripts() {
	limit := time.After(limit)
	for {
		s.mu.Lock()
		require.NoError(s.t, s.broken)
		running := len(s.calls) > 0 && !s.calls[len(s.calls)-1].ended
		s.mu.Unlock()
		if !running {
			return
		}
		select {
		case <-s.ended:
		case <-limit:
			require.Fail(s.t, "a script does not end", s.calls[len(s.calls)-1].name)
		}
	}
}

// run runs one of dpkg's programs, or koweld, as the scripts see them.
func (s *scene) run(program string, args ...string) (int, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	said, err := os.CreateTemp(s.dir, "said-")
	require.NoError(s.t, err)
	defer said.Close()
	defer os.Remove(said.Name())
	cmd := exec.CommandContext(ctx, "/usr/bin/env", append([]string{program}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = []string{
		"PATH=" + s.release.path(s.root), "HOME=" + s.dir, "LC_ALL=C", "KOWELD_SCENE=" + s.dir,
	}
	// A file and no pipe: scripts outlive a dpkg that is killed.
	cmd.Stdout, cmd.Stderr = said, said
	err = cmd.Run()
	text, readErr := os.ReadFile(said.Name())
	require.NoError(s.t, readErr)
	require.NoError(s.t, ctx.Err(), "%s %v hangs: %s", program, args, text)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled():
		return 128 + int(exit.Sys().(syscall.WaitStatus).Signal()), string(text)
	case errors.As(err, &exit):
		return exit.ExitCode(), string(text)
	}
	require.NoError(s.t, err)
	return 0, string(text)
}

// listen answers the scripts until the test ends.
func (s *scene) listen() {
	open := func(name string) *os.File {
		name = filepath.Join(s.dir, name)
		require.NoError(s.t, unix.Mkfifo(name, 0o600))
		// Both ways, so that neither side waits for the other to open it.
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		require.NoError(s.t, err)
		return f
	}
	s.told, s.order = open("told"), open("order")
	s.heard, s.ended = make(chan struct{}), make(chan struct{}, 1)
	s.t.Cleanup(func() {
		_ = s.told.Close()
		<-s.heard
		_ = s.order.Close()
	})
	go func() {
		defer close(s.heard)
		for in := bufio.NewScanner(s.told); in.Scan(); {
			s.mu.Lock()
			order, err := s.hear(strings.Split(strings.TrimSuffix(in.Text(), "\t"), "\t"))
			if err != nil {
				s.broken = fmt.Errorf("cannot understand %q: %w", in.Text(), err)
				order = orderFail
			}
			s.mu.Unlock()
			if _, err := fmt.Fprintln(s.order, order); err != nil {
				return
			}
			select {
			case s.ended <- struct{}{}:
			default:
			}
		}
	}()
}

// hear takes what a script tells and returns the answer.
func (s *scene) hear(words []string) (string, error) {
	if len(words) < 3 {
		return "", errors.New("too few words")
	}
	now, err := s.look()
	if err != nil {
		return "", err
	}
	if words[0] == "begin" {
		s.calls = append(s.calls, call{name: callName(words[2:]), before: now})
	}
	if len(s.calls) == 0 {
		return "", errors.New("nothing has begun")
	}
	c := &s.calls[len(s.calls)-1]
	var f fault
	if s.faults != nil {
		nth := 0
		for _, earlier := range s.calls[:len(s.calls)-1] {
			if earlier.name == c.name {
				nth++
			}
		}
		f = s.faults(c.name, nth)
	}
	if words[0] == "begin" {
		return f.atBegin(words[1])
	}
	c.after, c.ended = now, true
	if _, err := fmt.Sscan(words[2], &c.code); err != nil {
		return "", err
	}
	if f.kind == countCalls {
		c.counted = s.counted()
	}
	return f.atEnd(words[1])
}

// counted reads what the counter wrote; 0 if koweld was not called.
func (s *scene) counted() (n int) {
	name := filepath.Join(s.dir, "counted")
	text, err := os.ReadFile(name)
	if err == nil {
		_, _ = fmt.Sscan(string(text), &n)
		_ = os.Remove(name)
	}
	return n
}

// callName is how the tables write a call: without the names of the packages
// that differ from the ones tested, and an empty word as ”. The names of a
// trigger are of no certain order.
func callName(words []string) string {
	if n := len(words); n > 3 && words[3] == "triggered" {
		words = words[:4:4]
	}
	for i, word := range words {
		if word == "" {
			words[i] = "''"
		}
		for short, name := range packages {
			if word == name {
				words[i] = short
			}
		}
	}
	return strings.Join(words, " ")
}
