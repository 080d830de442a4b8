package scenario

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A lab is what all scenes share.
type lab struct {
	dir    string            // in memory, where it can be
	koweld string            // the program
	debs   map[string]string // packages by name and version, as "modules-1.0"
	sets   map[string]set
	// shipped are all names that packages ship, with the folders they lie in.
	shipped map[string]bool
	seen    contents
	firsts  sync.Map // roots to copy, being made once
}

var shared struct {
	sync.Once
	*lab
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.lab != nil {
		printTallies(os.Stdout)
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// theLab makes it, once. It skips a test on a machine that cannot have one.
func theLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("dpkg is not run: that needs root")
	}
	for _, program := range []string{"dpkg", "dpkg-deb", "depmod", "xz", "zstd", "openssl", "strace"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("dpkg is not run: %v", err)
		}
	}
	shared.Do(func() {
		readSources(t)
		dir, err := os.MkdirTemp("/dev/shm", "koweld-scenario-")
		if err != nil {
			dir, err = os.MkdirTemp("", "koweld-scenario-")
		}
		require.NoError(t, err)
		l := &lab{dir: dir, koweld: filepath.Join(dir, "koweld"), debs: map[string]string{}, shipped: map[string]bool{}}
		shared.lab = l
		build := exec.Command("go", "build", "-buildvcs=false", "-o", l.koweld, "koweld/cmd/koweld")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)
		l.makeSets(t)
		l.packAll(t)
	})
	require.NotNil(t, shared.lab, "the lab could not be made, see the first test")
	return shared.lab
}

// readSources looks at each file that koweld is made of. The go command, which
// keeps results of tests, notes what a test looks at: else it would not see that
// koweld, which is built by another go, has changed.
func readSources(t *testing.T) {
	for _, top := range []string{"assemble", "cmd", "debian", "internal", "manifest"} {
		err := filepath.WalkDir(filepath.Join("../..", top), func(name string, _ fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil {
				_, err = os.Stat(name)
			}
			return err
		})
		require.NoError(t, err)
	}
}

// width is how much is tried: "" little, "full" what CI does, "all".
func width() string { return os.Getenv("KOWELD_TEST") }

// output runs a program that must succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}
