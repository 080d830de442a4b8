package diverted

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whole systems of Debian's releases, which testdata/apt has made: dpkg enters the root
// and the scripts run with its own shell and programs. What is diverted is hostname's,
// Essential, which has it in /bin where /usr is split and in bookworm too.
func TestInSystems(t *testing.T) {
	if width() != "all" {
		t.Skip("systems are not entered: that takes KOWELD_TEST=all")
	}
	l := theLab(t)
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	for release, goes := range map[string]string{
		"bullseye": "/bin/hostname", "bookworm": "/usr/bin/hostname.distrib.usr-is-merged",
		"trixie": "/usr/bin/hostname.distrib", "sid": "/usr/bin/hostname.distrib",
	} {
		t.Run(release, func(t *testing.T) {
			base := filepath.Join(cache, "koweld/apt", release, "base.tar")
			if _, err := os.Stat(base); err != nil {
				t.Skipf("%v: testdata/apt/test.sh has not made it", err)
			}
			root := t.TempDir()
			out, err := exec.Command("tar", "-C", root, "-xf", base).CombinedOutput()
			require.NoError(t, err, "%s", out)
			within := func(fail string, args ...string) (string, error) {
				cmd := exec.Command("chroot", append([]string{root}, args...)...)
				cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "KOWELD_SCENE=/run/scene", "KOWELD_FAIL=" + fail}
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			// The scripts look for programs in what the scenes give them.
			require.NoError(t, os.MkdirAll(filepath.Join(root, "run/scene"), 0o755))
			require.NoError(t, os.Symlink("/usr/bin", filepath.Join(root, "run/scene/bin")))
			if release == "bullseye" {
				require.NoError(t, os.Remove(filepath.Join(root, "run/scene/bin")))
				require.NoError(t, os.MkdirAll(filepath.Join(root, "run/scene/bin"), 0o755))
				for _, name := range essential {
					at := "/usr/bin/" + name
					if _, err := os.Lstat(filepath.Join(root, at)); err != nil {
						at = "/bin/" + name
					}
					require.NoError(t, os.Symlink(at, filepath.Join(root, "run/scene/bin", name)))
				}
			}
			bring := func(fail string, d deb) (string, error) {
				to := filepath.Join(root, "run", d.String()+".deb")
				data, err := os.ReadFile(l.build(t, d))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(to, data, 0o644))
				return within(fail, "dpkg", "--install", "/run/"+d.String()+".deb")
			}
			look := func() string {
				out, err := within("", "sh", "-c", `find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /var/log -o -path '/var/lib/dpkg*' -o -path '/var/cache*' \) -prune -o ! -type d -printf '%p %y %m %U:%G %s %T@ %l\n' | sort; dpkg-divert --list | sort; dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n'`)
				require.NoError(t, err, out)
				return out
			}
			const name = "/usr/bin/hostname"
			d := one("from: "+name+`, since: "1"`, name)
			d.name = "acme-hostname"
			before := look()
			want, err := os.ReadFile(filepath.Join(root, "bin/hostname"))
			require.NoError(t, err)
			old := deb{name: d.name, version: "0", files: []string{"/usr/share/acme-hostname"}}

			said, err := bring("", d)
			require.NoError(t, err, said)
			assert.Equal(t, d.text(name), read(t, root, name))
			assert.Equal(t, string(want), read(t, root, goes))
			list, err := within("", "dpkg-divert", "--list", "*hostname*")
			require.NoError(t, err)
			lines := 2
			if release == "bullseye" {
				lines = 1
			}
			assert.Equal(t, lines, strings.Count(list, " by acme-hostname\n"), list)
			said, err = within("", "dpkg", "--purge", d.name)
			require.NoError(t, err, said)
			assert.Equal(t, before, look())

			// An upgrade from a version without it is taken back.
			said, err = bring("", old)
			require.NoError(t, err, said)
			during := look()
			said, err = bring("after acme-hostname 1 preinst upgrade", d)
			require.Error(t, err, said)
			assert.Equal(t, during, look())
			said, err = within("", "dpkg", "--purge", d.name)
			require.NoError(t, err, said)
			assert.Equal(t, before, look())
		})
	}
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	// In a root its links are relative.
	data, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(data)
}
