package autoscripts_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What koweld itself placed, with real modules and the real depmod, the shell
// takes back without it.
func TestPostrmTakesBackWhatKoweldPlaced(t *testing.T) {
	depmod, err := exec.LookPath("depmod")
	if err != nil {
		t.Skip("SKIP: koweld places nothing for the shell to take back, kmod is not installed")
	}
	koweld := filepath.Join(t.TempDir(), "koweld")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", koweld, "koweld/cmd/koweld").CombinedOutput()
	require.NoError(t, err, "%s", out)

	acmeRoot := func(t *testing.T) *root {
		r := newRoot(t, "usr/lib/", "lib -> usr/lib", "usr/lib/modprobe.d/", mods+"/modules.order = ", mods+"/modules.builtin = ",
			mods+"/modules.builtin.modinfo = ", conf+" = options acme gentle=0")
		require.NoError(t, os.CopyFS(r.dir, os.DirFS("../../testdata/acme/package")))
		plain, err := os.ReadFile(r.at("/usr/lib/linux-objects/acme/" + kernel + "/plain.ko"))
		require.NoError(t, err)
		r.put(mods+"/kernel/stand-in.ko", string(plain))
		require.NoError(t, os.Chmod(r.at(conf), 0o600))
		_ = unix.Setxattr(r.at(conf), "user.note", []byte("by hand"), 0)
		run(t, depmod, "-b", r.dir, kernel)
		return r
	}
	t.Run("killed", func(t *testing.T) {
		r := acmeRoot(t)
		before := withoutIndexTimes(snapshot(t, r.dir))
		bin := t.TempDir()
		writeProgram(t, filepath.Join(bin, "depmod"), []byte("#!/bin/sh\nkill -KILL $PPID\n"))
		cmd := exec.CommandContext(t.Context(), koweld, "--root", r.dir, "install", pkg)
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		require.Error(t, cmd.Run())
		killed := snapshot(t, r.dir)
		got := newMachine(t, []string{"/bin/sh"}).run(r, script(t, "postrm", pkg), "purge")
		assert.Zero(t, got.code)
		assert.Contains(t, got.said, "koweld: warning: a run of koweld was killed: ")
		sameTree(t, killed, snapshot(t, r.dir))
		run(t, koweld, "--root", r.dir, "repair", "--all")
		run(t, koweld, "--root", r.dir, "remove", pkg)
		sameTree(t, before, withoutIndexTimes(snapshot(t, r.dir)))
	})
	tests := []struct {
		name string
		do   func(r *root)
		// after is what differs from the root before.
		after func(r *root)
		said  []string
	}{
		{"as it was placed", nil, nil, nil},
		{
			"parked by the prerm",
			func(r *root) {
				run(r.t, koweld, "--root", r.dir, "maintscript", "prerm", pkg, "remove")
				require.NoFileExists(r.t, r.at(acme))
				require.FileExists(r.t, r.at(parked))
			},
			nil, nil,
		},
		{
			"put back after the prerm",
			func(r *root) {
				run(r.t, koweld, "--root", r.dir, "maintscript", "prerm", pkg, "remove")
				run(r.t, koweld, "--root", r.dir, "maintscript", "postinst", pkg, "abort-remove")
				require.FileExists(r.t, r.at(acme))
			},
			nil, nil,
		},
		{
			"with a changed module",
			func(r *root) { r.put(acme, "changed") },
			func(r *root) { r.put(saved+acme+".changed", "changed"); r.put(state+"/lock", "") },
			[]string{acme + " is not what koweld placed: kept as " + saved + acme + ".changed"},
		},
		{
			"a second time, with names taken",
			func(r *root) {
				run(r.t, koweld, "--root", r.dir, "remove", pkg)
				r.put(saved+conf, "of an older install")
				run(r.t, koweld, "--root", r.dir, "install", pkg)
			},
			func(r *root) { r.put(saved+conf, "of an older install"); r.put(state+"/lock", "") },
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachShell(t, func(t *testing.T, shell []string) {
				r := acmeRoot(t)
				want := r.copyOf(t)
				run(t, koweld, "--root", r.dir, "install", pkg)
				require.FileExists(t, r.at(acme))
				if tt.do != nil {
					tt.do(r)
				}
				if tt.after != nil {
					tt.after(want)
				}
				m := newMachine(t, shell)
				m.without("depmod")
				require.NoError(t, os.Symlink(depmod, path.Join(m.bin, "depmod")))
				for _, said := range [][]string{tt.said, nil} {
					got := m.run(r, script(t, "postrm", pkg), "purge")
					assert.Equal(t, result{0, lines(said)}, got)
					sameTree(t, withoutIndexTimes(snapshot(t, want.dir)), withoutIndexTimes(snapshot(t, r.dir)))
				}
			})
		})
	}
}

var indexTime = regexp.MustCompile(` \d+ "`)

// withoutIndexTimes drops when depmod wrote its files.
func withoutIndexTimes(tree map[string]string) map[string]string {
	for name, line := range tree {
		if strings.HasPrefix(path.Base(name), "modules.") {
			tree[name] = indexTime.ReplaceAllString(line, ` "`)
		}
	}
	return tree
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	require.NoError(t, err, "%s %q: %s", name, args, out)
}
