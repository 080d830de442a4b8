package scenario

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestWhatIsPending leaves depmod to koweld's package, and lets that be upgraded
// or removed before its trigger comes.
func TestWhatIsPending(t *testing.T) {
	eachCase(t, func(s *scene) {
		for _, c := range []struct {
			name  string
			acts  func(*scene)
			calls []string
		}{
			{
				"koweld is upgraded",
				func(s *scene) { s.must("--no-triggers", "--install", "+koweld-1.0") },
				[]string{
					"koweld 1.0 prerm upgrade 1.0", "koweld 1.0 preinst upgrade 1.0 1.0",
					"koweld 1.0 postrm upgrade 1.0", "koweld 1.0 postinst configure 1.0",
				},
			},
			{
				"koweld is removed",
				func(s *scene) { s.koweldGoes("--no-triggers", "--remove", "koweld") },
				[]string{"koweld 1.0 prerm remove", "koweld 1.0 postrm remove"},
			},
		} {
			s.sub(c.name, func(s *scene) {
				t := s.t
				s.must(install("1.0")...)
				require.False(t, s.isPending())
				// The name is in the index, so that it does no harm to wait.
				require.NoError(t, os.Remove(filepath.Join(s.root, folder, "kernel/acme/acme.ko")))
				s.must("--no-triggers", "--install", "+modules-1.0")
				s.holds("1.0", "what was lost is back")
				require.True(t, s.isPending(), "depmod is not left to koweld's package")
				s.calls = nil
				c.acts(s)
				var got []string
				for _, c := range s.calls {
					got = append(got, c.name)
				}
				require.Equal(t, c.calls, got)
				assert.False(t, s.isPending(), "it is not done before koweld goes")
				s.holds("1.0", c.name)
			})
		}
	})
}

// TestTwoAtOnce configures two packages at the same time, which dpkg does not, but
// admins and other programs do: each waits for the lock.
func TestTwoAtOnce(t *testing.T) {
	eachCase(t, func(s *scene) {
		t := s.t
		s.must(append(unpack("1.0"), "+second-1.0")...)
		s.must(named("--configure", "objects", "signatures")...)
		require.NoError(t, os.MkdirAll(filepath.Join(s.root, stateDir), 0o755))
		lock, err := os.OpenFile(filepath.Join(s.root, stateDir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		defer lock.Close()
		require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))

		type ending struct {
			short, said string
			err         error
		}
		waits, ends := make(chan string, 2), make(chan ending, 2)
		for _, short := range []string{"modules", "second"} {
			cmd := exec.CommandContext(t.Context(), s.koweld, "maintscript", "postinst", packages[short], "configure", "")
			cmd.Env = []string{
				"PATH=" + s.release.path(s.root), "HOME=" + s.dir, "LC_ALL=C", "DPKG_ROOT=" + s.root,
				"DPKG_ADMINDIR=" + filepath.Join(s.root, "var/lib/dpkg"), "DPKG_MAINTSCRIPT_PACKAGE=" + packages[short],
				"DPKG_MAINTSCRIPT_ARCH=amd64", "DPKG_MAINTSCRIPT_NAME=postinst",
			}
			stderr, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			go func() {
				var said strings.Builder
				in := bufio.NewReader(stderr)
				for {
					line, err := in.ReadString('\n')
					said.WriteString(line)
					if strings.Contains(line, "waiting for the lock") {
						waits <- short
					}
					if err != nil {
						if err != io.EOF {
							fmt.Fprintln(&said, err)
						}
						break
					}
				}
				ends <- ending{short, said.String(), cmd.Wait()}
			}()
		}
		for range 2 {
			select {
			case <-waits:
			case e := <-ends:
				require.Fail(t, "it did not wait", "%s: %v, %s", e.short, e.err, e.said)
			}
		}
		require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_UN))
		for range 2 {
			e := <-ends
			assert.NoError(t, e.err, "%s: %s", e.short, e.said)
		}
		both := func(when string) {
			for _, files := range []set{s.sets["1.0"], secondSet(s.sets["3.0"])} {
				for name, want := range files {
					data, err := os.ReadFile(filepath.Join(s.root, name))
					require.NoError(t, err, when)
					got, err := s.seen.of(name, data)
					require.NoError(t, err, when)
					assert.Equal(t, want, got, "%s %s", name, when)
				}
			}
			s.verifies(when)
		}
		both("after both")
		s.must(configureAll...)
		both("after dpkg")
		s.must(named("--purge", "second")...)
		s.holds("1.0", "less the second")
		s.must(named("--purge", "modules", "objects", "signatures")...)
		s.asBefore("purged")
	})
}

// secondSet is what the second package places: what that one does, elsewhere.
func secondSet(of set) set {
	files := set{}
	for name, sum := range of {
		if name != conf {
			files[strings.Replace(name, "/kernel/acme/", "/extra/", 1)] = sum
		}
	}
	return files
}

// secondManifest is that of the second package.
func (l *lab) secondManifest(t *testing.T) string {
	return strings.NewReplacer("package: "+packages["modules"], "package: "+packages["second"], "kernel/acme/", "extra/").
		Replace(l.manifestOf(t, "3.0"))
}
