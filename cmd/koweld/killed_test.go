package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// killPoints is how many points of a run are tried.
func killPoints() int {
	if os.Getenv("KOWELD_TEST") == "full" {
		return 60
	}
	return 6
}

// TestKilledWithRealTools kills koweld, which runs real ld and real depmod, by a
// real SIGKILL, at points all over the run: strace counts the calls that change
// something, and one more or less does not matter. In process this is proved at
// each call (internal/crash); here the judges are other programs: sha256sum finds
// every module whole at once, one set after repair, and modinfo reads them.
func TestKilledWithRealTools(t *testing.T) {
	if linked, _ := condition("acme"); !linked {
		t.Skip("needs depmod and GNU ld 2.40, which linked testdata/acme")
	}
	strace, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=chdir", "true").Run()
	}
	if err != nil {
		t.Skipf("koweld is not killed at system calls, strace does not work: %v", err)
	}
	for _, r := range fullRuns {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			// The two sets, as sha256sum has them.
			before := filepath.Join(t.TempDir(), "before")
			require.NoError(t, os.Mkdir(before, 0o755))
			linkedRoot(t, before)
			r.prepare(t, before)
			after := copyRoot(t, before)
			succeeds(t, after, r.args...)
			old, now := sumsOf(t, before), sumsOf(t, after)
			require.NotEqual(t, old, now)

			all := killedAt(t, strace, copyRoot(t, before), r.args, 0)
			require.Greater(t, all, 50)
			kills, undone := 0, 0
			for point := range killPoints() {
				root := copyRoot(t, before)
				n := 1 + point*all/killPoints()
				where := fmt.Sprintf("call %d of %d", n, all)
				if killedAt(t, strace, root, r.args, n) >= 0 {
					continue // it was faster
				}
				kills++
				for _, line := range sumsOf(t, root) {
					require.True(t, slices.Contains(old, line) || slices.Contains(now, line), "%s: %s", where, line)
				}
				succeeds(t, root, "repair", "--all")
				got := sumsOf(t, root)
				if slices.Equal(got, old) {
					undone++
				} else {
					require.Equal(t, now, got, where)
				}
				requireModinfo(t, root)
				left, err := exec.Command("find", root, "-name", ".weld*", "-o", "-name", "*.journal").Output()
				require.NoError(t, err)
				require.Empty(t, string(left), where)
			}
			t.Logf("%d crash points, %d taken back, 0 violations", kills, undone)
			require.NotZero(t, kills)
		})
	}
}

// killedAt runs koweld and kills it at the n-th call that changes something. It
// returns how many there were, or -1 if the kill ended the run. Its tools live
// on; they have ended when it returns.
func killedAt(t *testing.T, strace, root string, args []string, n int) int {
	t.Helper()
	self, err := exec.LookPath("koweld")
	require.NoError(t, err)
	trace, to, err := os.Pipe()
	require.NoError(t, err)
	defer trace.Close()
	cmd := exec.Command(strace, append([]string{
		"-f", "-qq", "--seccomp-bpf", "-o", "/dev/fd/3", "-e", "signal=none",
		"-e", "trace=execve,mkdirat,unlinkat,renameat2,linkat,openat,write,fsync,ftruncate,fallocate", self, "--root", root,
	}, args...)...)
	cmd.ExtraFiles = []*os.File{to}
	require.NoError(t, cmd.Start())
	require.NoError(t, to.Close())
	count, pid := 0, 0
	for lines := bufio.NewScanner(trace); lines.Scan(); {
		if count++; count == 1 { // execve of koweld
			pid, err = strconv.Atoi(strings.Fields(lines.Text())[0])
			require.NoError(t, err)
		}
		if count == n {
			// What strace tells may be of a run that has ended meanwhile.
			if err := unix.Kill(pid, unix.SIGKILL); err != unix.ESRCH {
				require.NoError(t, err)
			}
		}
	}
	_ = cmd.Wait()
	if cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		return -1
	}
	require.Zero(t, cmd.ProcessState.ExitCode())
	return count
}

// copyRoot copies a root as cp -a does.
func copyRoot(t *testing.T, root string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "root")
	out, err := exec.Command("cp", "-a", root, to).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return to
}

// modulesOf are the names, below a root, at which depmod and modprobe look.
func modulesOf(t *testing.T, root string) []string {
	t.Helper()
	out, err := exec.Command("find", filepath.Join(root, "usr/lib/modules"), "-name", "*.ko*").Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// sumsOf is what sha256sum says of the modules, and of the configuration that
// belongs to them.
func sumsOf(t *testing.T, root string) []string {
	t.Helper()
	names := modulesOf(t, root)
	conf, err := filepath.Glob(filepath.Join(root, "usr/lib/modprobe.d/*.conf"))
	require.NoError(t, err)
	if names = append(names, conf...); len(names) == 0 {
		return nil
	}
	out, err := exec.Command("sha256sum", names...).Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(out), root, "")), "\n")
	slices.Sort(lines)
	return lines
}

// requireModinfo has kmod read each module.
func requireModinfo(t *testing.T, root string) {
	t.Helper()
	for _, name := range modulesOf(t, root) {
		out, err := exec.Command("modinfo", "-F", "vermagic", name).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), acmeKernel, name)
	}
}
