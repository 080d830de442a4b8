package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys/realfs"
)

// These tests run koweld itself, with real ld and depmod, where there is too
// little room. internal/unit does so for every way of having none; here are the
// programs, which must fail as koweld expects.

// fullRun is a command and what comes before it.
type fullRun struct {
	name    string
	prepare func(t *testing.T, root string)
	args    []string
	always  bool // it succeeds however little room there is
}

var fullRuns = []fullRun{
	{name: "install", prepare: func(*testing.T, string) {}, args: []string{"install", acmePackage}},
	{
		name: "upgrade",
		prepare: func(t *testing.T, root string) {
			succeeds(t, root, "install", acmePackage)
			name := filepath.Join(root, acmeManifest)
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(name, bytes.Replace(text, []byte("compress: none"), []byte("compress: zstd"), 1), 0o644))
		},
		args: []string{"install", acmePackage},
	},
	{
		name: "repair",
		prepare: func(t *testing.T, root string) {
			succeeds(t, root, "install", acmePackage)
			require.NoError(t, os.Remove(filepath.Join(root, "lib/modules", acmeKernel, "kernel/acme/acme.ko")))
		},
		args: []string{"repair", "--all"},
	},
	{
		name:    "remove",
		prepare: func(t *testing.T, root string) { succeeds(t, root, "install", acmePackage) },
		args:    []string{"remove", acmePackage}, always: true,
	},
}

// koweld runs the program on a root and returns its exit code and what it said.
func koweld(t *testing.T, root string, attr *syscall.SysProcAttr, args ...string) (int, string) {
	program, err := exec.LookPath("koweld")
	require.NoError(t, err)
	cmd := exec.Command(program, append([]string{"--root", root}, args...)...)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(out)
	}
	require.NoError(t, err)
	return 0, string(out)
}

func succeeds(t *testing.T, root string, args ...string) {
	t.Helper()
	code, said := koweld(t, root, nil, args...)
	require.Zero(t, code, "%v: %s", args, said)
}

// acmeRoot makes a system with one kernel and what testdata/acme ships.
func acmeRoot(t *testing.T, root string) {
	kernel := filepath.Join(root, "usr/lib/modules", acmeKernel)
	for _, folder := range []string{kernel, filepath.Join(root, "usr/lib/modprobe.d"), filepath.Join(root, "var/lib")} {
		require.NoError(t, os.MkdirAll(folder, 0o755))
	}
	require.NoError(t, os.Symlink("usr/lib", filepath.Join(root, "lib")))
	for _, name := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		require.NoError(t, os.WriteFile(filepath.Join(kernel, name), nil, 0o644))
	}
	require.NoError(t, copyTree("../../testdata/acme/package", root))
}

// linkedRoot is one whose modules ld has to form, which needs room too.
func linkedRoot(t *testing.T, root string) {
	acmeRoot(t, root)
	require.NoError(t, dropRecipes(root))
}

// fullTree lists a root without what fills it.
func fullTree(t *testing.T, root string) []string {
	lines, err := listTree(root)
	require.NoError(t, err)
	return slices.DeleteFunc(lines, func(line string) bool {
		name, _, _ := strings.Cut(line, " ")
		return realfs.IsBallast(name) || name == "/var/lib/koweld/lock"
	})
}

// judgeFull checks how a run ended that had too little room; more makes room.
func judgeFull(t *testing.T, root string, r fullRun, old []string, code int, said string, more func()) {
	t.Helper()
	switch code {
	case exitOK:
		succeeds(t, root, "verify")
	case exitFailed:
		require.Equal(t, old, fullTree(t, root), said)
		require.Contains(t, said, "koweld: error: cannot ")
	case exitOpen:
		more()
		succeeds(t, root, "repair", "--all")
		succeeds(t, root, "verify")
	default:
		require.Fail(t, "another exit code", "%d: %s", code, said)
	}
	require.False(t, r.always && code != exitOK, said)
}

// needsAcme skips what cannot be linked or mounted here.
func needsAcme(t *testing.T) {
	if linked, _ := condition("acme"); !linked {
		t.Skip("needs depmod and GNU ld 2.40, which linked testdata/acme")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root with CAP_SYS_ADMIN: mount")
	}
}

// fullStep is how many blocks lie between two runs on a disk that is filling.
func fullStep() int {
	if os.Getenv("KOWELD_TEST") == "full" {
		return 1
	}
	return 7
}

func TestFullDiskWithRealTools(t *testing.T) {
	needsAcme(t)
	for _, kind := range []realfs.Kind{realfs.Tmpfs, realfs.Ext4} {
		for _, r := range fullRuns {
			t.Run(string(kind)+"/"+r.name, func(t *testing.T) {
				codes := map[int]int{}
				var root string
				var v *realfs.Volume
				for free, last := 0, -1; last != exitOK; free += fullStep() {
					if v == nil {
						root = filepath.Join(t.TempDir(), "root")
						v = realfs.New(t, kind, root, 256, 256)
						linkedRoot(t, root)
						r.prepare(t, root)
					}
					old := fullTree(t, root)
					v.Leave(free)
					code, said := koweld(t, root, nil, r.args...)
					judgeFull(t, root, r, old, code, said, v.Empty)
					codes[code]++
					last = code
					if code == exitOpen { // it may be the new set now
						v.Unmount()
						v = nil
					}
				}
				v.Unmount()
				t.Logf("exit codes and how often: %v", codes)
			})
		}
	}
}

// TestFileSizeLimit limits the size of the files that koweld and its tools may
// write: setrlimit(2), RLIMIT_FSIZE.
func TestFileSizeLimit(t *testing.T) {
	needsAcme(t)
	program, err := exec.LookPath("prlimit")
	if err != nil {
		t.Skip("the size of files is not limited, there is no prlimit")
	}
	for _, r := range fullRuns {
		t.Run(r.name, func(t *testing.T) {
			codes := map[int]int{}
			for limit := 0; limit <= 16384; limit += 512 * fullStep() {
				root := filepath.Join(t.TempDir(), "root")
				linkedRoot(t, root)
				r.prepare(t, root)
				old := fullTree(t, root)
				self, err := exec.LookPath("koweld")
				require.NoError(t, err)
				cmd := exec.Command(program, append([]string{fmt.Sprintf("--fsize=%d", limit), self, "--root", root}, r.args...)...)
				out, _ := cmd.CombinedOutput() // to a pipe, which has no limit
				code := cmd.ProcessState.ExitCode()
				judgeFull(t, root, r, old, code, string(out), func() {})
				codes[code]++
			}
			t.Logf("exit codes and how often: %v", codes)
		})
	}
}

// TestQuota lets a folder have only so many blocks more: a quota group of
// btrfs, which binds root as well. A removal may need room there.
func TestQuota(t *testing.T) {
	needsAcme(t)
	for _, program := range []string{"mkfs.btrfs", "btrfs"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("a quota is not tested, it needs btrfs-progs: %v", err)
		}
	}
	v := realfs.New(t, realfs.Btrfs, filepath.Join(t.TempDir(), "mnt"), 65536, 0)
	btrfs := func(args ...string) {
		t.Helper()
		out, err := exec.Command("btrfs", args...).CombinedOutput()
		require.NoError(t, err, "%v: %s", args, out)
	}
	btrfs("quota", "enable", v.Dir)
	for _, r := range fullRuns {
		mayPass := r.always // as elsewhere, but it is not promised
		r.always = false
		t.Run(r.name, func(t *testing.T) {
			codes := map[int]int{}
			denied := 0
			for free, last := 0, -1; last != exitOK; free += fullStep() {
				root := filepath.Join(v.Dir, fmt.Sprintf("%s-%d", r.name, free))
				btrfs("subvolume", "create", root)
				linkedRoot(t, root)
				r.prepare(t, root)
				old := fullTree(t, root)
				v.Sync() // the group is charged then
				btrfs("qgroup", "limit", fmt.Sprint(v.Referenced(root)+int64(free)*4096), root)
				code, said := koweld(t, root, nil, r.args...)
				if strings.Contains(said, unix.EDQUOT.Error()) {
					denied++
				}
				judgeFull(t, root, r, old, code, said, func() { btrfs("qgroup", "limit", "none", root) })
				codes[code]++
				last = code
				btrfs("subvolume", "delete", root)
			}
			t.Logf("exit codes and how often: %v; the quota was the reason %d times", codes, denied)
			require.True(t, denied > 0 || mayPass, "the quota has not been met")
		})
	}
}

// TestUserQuota lets a user install into a root of their own on a tmpfs that limits
// what the user may have: a quota does not bind root.
func TestUserQuota(t *testing.T) {
	needsAcme(t)
	const user = 65534
	for blocks := 70; blocks <= 140; blocks += fullStep() {
		dir := t.TempDir()
		for up := dir; up != "/" && up != os.TempDir(); up = filepath.Dir(up) {
			require.NoError(t, os.Chmod(up, 0o755))
		}
		root := filepath.Join(dir, "root")
		require.NoError(t, os.Mkdir(root, 0o755))
		err := unix.Mount("none", root, "tmpfs", 0, fmt.Sprintf("mode=755,size=4m,usrquota,usrquota_block_hardlimit=%d", blocks*4096))
		if err != nil {
			t.Skipf("a quota is not tested, it needs CONFIG_TMPFS_QUOTA and CAP_SYS_ADMIN: %v", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(root, unix.MNT_DETACH) })
		linkedRoot(t, root)
		require.NoError(t, filepath.WalkDir(root, func(name string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(name, user, user)
		}))
		as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		old := fullTree(t, root)
		code, said := koweld(t, root, as, "install", acmePackage)
		judgeFull(t, root, fullRuns[0], old, code, said, func() {
			require.NoError(t, unix.Mount("none", root, "tmpfs", unix.MS_REMOUNT, "usrquota_block_hardlimit=8m"))
		})
		if code == exitOK {
			code, said = koweld(t, root, as, "remove", acmePackage)
			require.Zero(t, code, said)
		}
	}
}
