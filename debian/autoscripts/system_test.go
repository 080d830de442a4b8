package autoscripts_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// On the running system there is no DPKG_ROOT: a mount namespace has folders of
// a root in their places.
func TestPostrmOnTheRunningSystem(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	if err == nil {
		err = exec.CommandContext(t.Context(), unshare, "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "none", "/opt").Run()
	}
	if err != nil {
		t.Skipf("SKIP: the postrm does not run on the running system, it needs CAP_SYS_ADMIN: %v", err)
	}
	eachShell(t, func(t *testing.T, shell []string) {
		r := newRoot(t, "opt/a.conf = a", "lib/modules/"+kernel+"/modules.dep = ")
		before := snapshot(t, r.dir)
		r.place("/opt/a.conf", "acme")
		r.place("/opt/acme/b.conf", "acme")
		r.place(acme, "acme")
		r.recorded()
		require.NoError(t, os.MkdirAll(r.at("/var/lib/dpkg"), 0o755))
		m := newMachine(t, shell)
		cmd := m.command(r, script(t, "postrm", pkg), "remove")
		for i, v := range cmd.Env {
			if strings.HasPrefix(v, "DPKG_ROOT=") {
				cmd.Env[i] = "DPKG_ROOT="
			}
		}
		within := ""
		for _, folder := range []string{"/opt", "/var/lib", "/lib/modules"} {
			within += fmt.Sprintf("mount --bind %q %q\n", r.at(folder), folder)
		}
		cmd.Path = unshare
		cmd.Args = append([]string{unshare, "--mount", "--propagation", "private", "/bin/sh", "-ec", "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n" + within +
			`PATH=` + m.bin + "\n" + `exec "$@"`, "sh"}, cmd.Args...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Empty(t, string(out))
		require.NoError(t, os.Remove(r.at("/var/lib/dpkg")))
		sameTree(t, before, snapshot(t, r.dir))
		assert.Equal(t, "depmod -b / "+kernel+"\n", m.logged())
		assert.NoFileExists(t, filepath.Join("/opt", "a.conf"))
	})
}
