package fsys_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// openRoot opens dir as a root and, when the test ends, closes it and requires
// that no new descriptor of anything below dir is left: each test is also a
// test for leaks.
func openRoot(t testing.TB, dir string) *fsys.Root {
	t.Helper()
	before := descriptors(t, dir)
	r, err := fsys.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, r.Close())
		require.Equal(t, before, descriptors(t, dir), "descriptors left open")
	})
	return r
}

// newRoot is a root in a fresh directory that holds the given tree.
func newRoot(t testing.TB, tree ...string) (r *fsys.Root, dir string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	grow(t, dir, tree...)
	return openRoot(t, dir), dir
}

// grow makes a tree on the host. "a/" is a directory, "a = text" a file,
// "a -> b" a symbolic link; parents come by themselves.
func grow(t testing.TB, dir string, tree ...string) {
	t.Helper()
	for _, line := range tree {
		name, text, isFile := strings.Cut(line, " = ")
		link, target, isLink := strings.Cut(line, " -> ")
		switch {
		case isFile:
			mkdir(t, filepath.Dir(filepath.Join(dir, name)))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		case isLink:
			mkdir(t, filepath.Dir(filepath.Join(dir, link)))
			require.NoError(t, os.Symlink(target, filepath.Join(dir, link)))
		default:
			require.True(t, strings.HasSuffix(line, "/"), line)
			mkdir(t, filepath.Join(dir, line))
		}
	}
}

func mkdir(t testing.TB, dir string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
}

// descriptors lists this process's open files below dir.
func descriptors(t testing.TB, dir string) (open []string) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && (target == dir || strings.HasPrefix(target, dir+"/")) {
			open = append(open, target)
		}
	}
	return open
}

// bothWays runs a test with openat2(2) and without.
func bothWays(t *testing.T, test func(t *testing.T, prepare func(*fsys.Root) *fsys.Root)) {
	t.Run("openat2", func(t *testing.T) {
		test(t, func(r *fsys.Root) *fsys.Root { return r })
	})
	t.Run("walk", func(t *testing.T) {
		test(t, func(r *fsys.Root) *fsys.Root { r.WalkOnly(); return r })
	})
}

// read returns what a name that may be a symbolic link holds.
func read(r fsys.FS, name string) (string, error) {
	real, err := r.Resolve(name)
	if err != nil {
		return "", err
	}
	f, err := r.Open(real)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

// code is the errno inside err, 0 for nil. An error that has none, or that is
// neither of the two types that FS promises, fails the test.
func code(t require.TestingT, err error) unix.Errno {
	if err == nil {
		return 0
	}
	var one *fs.PathError
	var two *os.LinkError
	var e unix.Errno
	require.True(t, errors.As(err, &one) || errors.As(err, &two), "%T %v", err, err)
	require.ErrorAs(t, err, &e)
	return e
}

// call is one use of an FS.
type call struct {
	name string
	run  func(r fsys.FS, name string) error
}

// reading are the calls that change nothing.
var reading = []call{
	{"Lstat", func(r fsys.FS, name string) error { _, err := r.Lstat(name); return err }},
	{"Stat", func(r fsys.FS, name string) error { _, err := r.Stat(name); return err }},
	{"Readlink", func(r fsys.FS, name string) error { _, err := r.Readlink(name); return err }},
	{"ReadDir", func(r fsys.FS, name string) error { _, err := r.ReadDir(name); return err }},
	{"Resolve", func(r fsys.FS, name string) error { _, err := r.Resolve(name); return err }},
	{"Space", func(r fsys.FS, name string) error { _, err := r.Space(name); return err }},
	{"Open", func(r fsys.FS, name string) error { return closed(r.Open(name)) }},
	{"OpenTrusted", func(r fsys.FS, name string) error {
		return closed(r.OpenTrusted(name, fsys.Trust{UID: os.Geteuid()}))
	}},
	{"IsMount", func(r fsys.FS, name string) error { _, err := r.IsMount(name); return err }},
}

// syncing are the calls that wait for a disk, which may be busy.
var syncing = []call{
	{"SyncDir", func(r fsys.FS, name string) error { return r.SyncDir(name) }},
	{"OpenVolume", syncVolume},
}

// writing are the calls that may change what name is.
var writing = []call{
	{"Create", func(r fsys.FS, name string) error { return closed(r.Create(name, 0o600)) }},
	{"OpenAppend", func(r fsys.FS, name string) error { return closed(r.OpenAppend(name, 0o600)) }},
	{"Mkdir", func(r fsys.FS, name string) error { return r.Mkdir(name, 0o700) }},
	{"Rmdir", func(r fsys.FS, name string) error { return r.Rmdir(name) }},
	{"Unlink", func(r fsys.FS, name string) error { return r.Unlink(name) }},
	{"Symlink", func(r fsys.FS, name string) error { return r.Symlink("/x", name) }},
	{"Link from", func(r fsys.FS, name string) error { return r.Link(name, "/linked") }},
	{"Link to", func(r fsys.FS, name string) error { return r.Link("/source", name) }},
	{"Rename from", func(r fsys.FS, name string) error { return r.Rename(name, "/renamed") }},
	{"Rename to", func(r fsys.FS, name string) error { return r.Rename("/source", name) }},
	{"RenameNoReplace from", func(r fsys.FS, name string) error { return r.RenameNoReplace(name, "/kept") }},
	{"RenameNoReplace to", func(r fsys.FS, name string) error { return r.RenameNoReplace("/source", name) }},
	{"Exchange", func(r fsys.FS, name string) error { return r.Exchange("/source", name) }},
}

func syncVolume(r fsys.FS, name string) error {
	v, err := r.OpenVolume(name)
	if err != nil {
		return err
	}
	return errors.Join(v.Sync(), v.Close())
}

func allCalls() []call { return slices.Concat(reading, syncing, writing) }

func closed(f fsys.File, err error) error {
	if err != nil {
		return err
	}
	return f.Close()
}
