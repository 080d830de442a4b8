package fsys_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys"
)

// tracedBase is set in a test binary that runs under strace: the directory
// that holds the hostile root.
const tracedBase = "KOWELD_FSYS_TRACED"

// strace runs some tests of this binary again under strace(1), which judges or
// disturbs their system calls. It skips where ptrace(2) is not permitted.
func strace(t *testing.T, tests string, env []string, args ...string) (output string) {
	t.Helper()
	if os.Getenv(tracedBase) != "" {
		t.Skip("runs under strace already")
	}
	program, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("the system calls are not judged, there is no strace")
	}
	if out, err := exec.Command(program, "-qq", "-e", "trace=none", "true").CombinedOutput(); err != nil {
		t.Skipf("the system calls are not judged, strace does not work: %v %s", err, out)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	args = append(append([]string{"-f", "-qq"}, args...), self, "-test.run="+tests, "-test.v")
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS", "no test has run: %s", out)
	return string(out)
}

// TestHostileTreeIsSurvived makes all calls on a tree full of links that lead
// out. TestNothingOutsideIsOpened runs it again and traces it.
func TestHostileTreeIsSurvived(t *testing.T) {
	base := os.Getenv(tracedBase)
	if base == "" {
		_, base = hostile(t)
	}
	for _, walkOnly := range []bool{false, true} {
		r, err := fsys.OpenRoot(filepath.Join(base, "root"))
		require.NoError(t, err)
		if walkOnly {
			r.WalkOnly()
		}
		_ = os.Chdir("/koweld-begin") // a mark in the trace
		for _, c := range slices.Concat(reading, writing) {
			for _, link := range []string{"up", "dir/up", "far", "relative", "file", "absolute", "absfile", "proc", "chain", "dir/chain"} {
				for _, below := range []string{"", "/canary", "/new", "/dir", "/out/canary"} {
					_ = c.run(r, "/"+link+below)
				}
			}
		}
		for _, c := range syncing {
			_ = c.run(r, "/up")
			_ = c.run(r, "/absolute")
		}
		_ = os.Chdir("/koweld-end")
		require.NoError(t, r.Close())
		text, err := os.ReadFile(filepath.Join(base, "canary"))
		require.NoError(t, err)
		require.Equal(t, "secret", string(text))
	}
}

// opening matches a line of `strace -y` of a call that opens something below a
// descriptor: the descriptor's path and that of the result or the error.
var opening = regexp.MustCompile(`openat2?\((?:\d+<([^>]*)>|(AT_FDCWD\S*)), "(.*?)".* = (?:\d+<([^>]*)>|-1 \w+)`)

func TestNothingOutsideIsOpened(t *testing.T) {
	_, base := hostile(t)
	log := filepath.Join(t.TempDir(), "trace")
	strace(t, "^TestHostileTreeIsSurvived$", []string{tracedBase + "=" + base},
		"-y", "-s", "4096", "-e", "trace=%file,fchdir", "-o", log)

	f, err := os.Open(log)
	require.NoError(t, err)
	defer f.Close()
	root := filepath.Join(base, "root")
	inside := func(p string) bool {
		p = strings.TrimSuffix(p, " (deleted)")
		return p == root || strings.HasPrefix(p, root+"/")
	}
	tracing, opened, others := false, map[string]int{}, 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.Contains(line, `"/koweld-begin"`):
			tracing = true
			continue
		case strings.Contains(line, `"/koweld-end"`):
			tracing = false
			continue
		case !tracing:
			continue
		}
		assert.NotContains(t, line, "AT_FDCWD", "only descriptors of the walk")
		m := opening.FindStringSubmatch(line)
		if m == nil {
			others++
			continue
		}
		assert.True(t, inside(m[1]), line)
		if m[4] != "" {
			assert.True(t, inside(m[4]), line)
			opened[strings.Fields(line)[1][:7]]++
		}
		if !strings.Contains(line, "RESOLVE_IN_ROOT") {
			assert.NotContains(t, m[3], "/", "one component a call: %s", line)
			assert.NotEqual(t, "..", m[3], line)
		}
	}
	t.Logf("traced: %d calls opened something, %d other calls", opened["openat2"]+opened["openat("], others)
	assert.NotZero(t, opened["openat("])
	assert.NotZero(t, others)
}

// TestOlderKernels repeats tests with system calls that fail as they do on
// older kernels, on simpler file systems and in sandboxes.
func TestOlderKernels(t *testing.T) {
	const resolving = "^(TestResolve|TestNoMagicLinkIsFollowed|TestTheRootItself)$"
	tests := []struct {
		name, inject, tests string
	}{
		{"no openat2", "openat2:error=ENOSYS", resolving + "|^TestTrust$"},
		{"openat2 forbidden", "openat2:error=EPERM", resolving},
		{"openat2 of another version", "openat2:error=E2BIG", resolving},
		{"openat2 is disturbed", "openat2:error=EAGAIN", resolving},
		{"openat2 is interrupted", "openat2:error=EINTR:when=1+2", resolving},
		{"no rename flags", "renameat2:error=EINVAL", "^TestRenameNoReplaceKeeps"},
		{"no renameat2", "renameat2:error=ENOSYS", "^TestRenameNoReplaceKeeps"},
		{"renameat2 forbidden", "renameat2:error=EPERM", "^TestRenameNoReplaceKeeps"},
		{"no fallocate", "fallocate:error=EOPNOTSUPP", "^TestReserve"},
		{"fsync is interrupted", "fsync:error=EINTR:when=1+2", "^TestSync|^TestCreatedFiles"},
		{"chmod is interrupted", "fchmod:error=EINTR:when=1+2", "^TestMkdirAndCreate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			syscall, _, _ := strings.Cut(tt.inject, ":")
			log := filepath.Join(t.TempDir(), "trace")
			strace(t, tt.tests, []string{tracedBase + "=none"},
				"--seccomp-bpf", "-e", "trace="+syscall, "-e", "inject="+tt.inject, "-o", log)
			trace, err := os.ReadFile(log)
			require.NoError(t, err)
			assert.Contains(t, string(trace), "(INJECTED)")
		})
	}
}
