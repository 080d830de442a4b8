package fsys_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// hostile is a root among files that nothing may touch: base/canary,
// base/out/canary. The links in it lead there for whoever follows them as the
// host does.
func hostile(t *testing.T) (r *fsys.Root, base string) {
	base = t.TempDir()
	grow(t, base,
		"canary = secret", "out/canary = secret", "out/dir/",
		"root/source = s", "root/dir/file = inside",
		"root/up -> ..", "root/dir/up -> ../..", "root/far -> ../../../../../../../../../../../..",
		"root/relative -> ../out", "root/file -> ../canary",
		"root/absolute -> "+base+"/out", "root/absfile -> "+base+"/canary",
		"root/proc -> /proc/self/cwd", "root/chain -> dir/up/out", "root/dir/chain -> ../relative",
	)
	return openRoot(t, filepath.Join(base, "root")), base
}

// snapshot describes all of a tree but the given directory.
func snapshot(t *testing.T, base, but string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(base, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p == but:
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[p] = info.Mode().String() + " " + info.ModTime().String()
		if d.Type().IsRegular() {
			text, err := os.ReadFile(p)
			all[p] += " " + string(text)
			return err
		}
		return nil
	}))
	return all
}

func TestNoLinkLeadsOut(t *testing.T) {
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		for _, c := range slices.Concat(reading, writing) {
			t.Run(c.name, func(t *testing.T) {
				r, base := hostile(t)
				prepare(r)
				before := snapshot(t, base, filepath.Join(base, "root"))
				for _, link := range []string{"up", "dir/up", "far", "relative", "file", "absolute", "absfile", "proc", "chain", "dir/chain"} {
					for _, below := range []string{"", "/canary", "/new", "/dir", "/out/canary", "/dir/new"} {
						_ = c.run(r, "/"+link+below) // it may succeed, inside
						text, _ := read(r, "/"+link+below)
						require.NotEqual(t, "secret", text, "/"+link+below)
					}
				}
				assert.Equal(t, before, snapshot(t, base, filepath.Join(base, "root")))
			})
		}
	})
}

// meanwhile runs change over and over until the test's calls are done.
func meanwhile(t *testing.T, change func()) (stop func()) {
	t.Helper()
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				change()
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

func exchange(t *testing.T, a, b string) {
	assert.NoError(t, unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE))
}

func TestNoRaceLeadsOut(t *testing.T) {
	const calls = 10_000
	races := []struct {
		name   string
		tree   []string // beside canary and out/canary
		change func(t *testing.T, base string)
	}{
		{
			"directory becomes a relative link",
			[]string{"root/dir/file = inside", "root/link -> ../out"},
			func(t *testing.T, base string) { exchange(t, base+"/root/dir", base+"/root/link") },
		},
		{
			"directory becomes an absolute link",
			[]string{"root/dir/file = inside", "root/link -> /../../../../.."},
			func(t *testing.T, base string) { exchange(t, base+"/root/dir", base+"/root/link") },
		},
		{
			// While the walk is in deep, deep is moved out of the root:
			// its ".." is then the host's.
			"directory on the way is moved out",
			[]string{"root/dir -> a/deep/up", "root/a/deep/up -> ../../x/../..", "root/a/x/file = inside", "out/deep/"},
			func(t *testing.T, base string) { exchange(t, base+"/root/a/deep", base+"/out/deep") },
		},
	}
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		for _, race := range races {
			t.Run(race.name, func(t *testing.T) {
				base := t.TempDir()
				grow(t, base, "canary = secret", "out/canary = secret", "out/file = secret", "root/")
				grow(t, base, race.tree...)
				r := prepare(openRoot(t, filepath.Join(base, "root")))
				stop := meanwhile(t, func() { race.change(t, base) })
				for range calls / 10 {
					for _, name := range []string{"/dir/canary", "/dir/file", "/dir/out/canary"} {
						text, err := read(r, name)
						assert.NotEqual(t, "secret", text)
						code(t, err)
						_, err = r.Stat(name)
						code(t, err)
						if f, err := r.OpenTrusted(name, fsys.Trust{UID: os.Geteuid()}); err == nil {
							text, err := fsys.ReadFile(openFile{r, f}, name, 100)
							assert.NoError(t, err)
							assert.Equal(t, "inside", string(text))
						}
					}
					_ = r.Unlink("/dir/canary")
					if f, err := r.Create("/dir/new", 0o644); err == nil {
						assert.NoError(t, f.Close())
						_ = r.Unlink("/dir/new")
					}
				}
				stop()
				for _, name := range []string{"canary", "out/canary", "out/file"} {
					text, err := os.ReadFile(filepath.Join(base, name))
					require.NoError(t, err)
					assert.Equal(t, "secret", string(text))
				}
				for _, name := range []string{"new", "out/new"} {
					assert.NoFileExists(t, filepath.Join(base, name))
				}
			})
		}
	})
}

// openFile is an FS whose Open returns a file that is open already.
type openFile struct {
	fsys.FS
	f fsys.File
}

func (o openFile) Open(string) (fsys.File, error) { return o.f, nil }

func TestNoRaceMakesAnInputTrusted(t *testing.T) {
	r, dir := newRoot(t, "input = good", "other = bad")
	require.NoError(t, os.Chmod(filepath.Join(dir, "other"), 0o666))
	stop := meanwhile(t, func() { exchange(t, dir+"/input", dir+"/other") })
	for range 5000 {
		f, err := r.OpenTrusted("/input", fsys.Trust{UID: os.Geteuid()})
		if err != nil {
			assert.EqualError(t, err, "cannot trust /input: it is writable by others")
			continue
		}
		text, err := fsys.ReadFile(openFile{r, f}, "/input", 100)
		assert.NoError(t, err)
		assert.Equal(t, "good", string(text))
	}
	stop()
}

func TestNoRaceOpensAnotherKind(t *testing.T) {
	base := t.TempDir()
	grow(t, base, "canary = secret", "root/file = text", "root/link -> "+base+"/canary")
	dir := filepath.Join(base, "root")
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	for other, refusal := range map[string]unix.Errno{"fifo": unix.EOPNOTSUPP, "link": unix.ELOOP} {
		t.Run(other, func(t *testing.T) {
			r := openRoot(t, dir)
			stop := meanwhile(t, func() { exchange(t, dir+"/file", dir+"/"+other); exchange(t, dir+"/file", dir+"/"+other) })
			for range 5000 {
				f, err := r.Open("/file")
				if err != nil {
					assert.Equal(t, refusal, code(t, err))
					continue
				}
				text, err := fsys.ReadFile(openFile{r, f}, "/file", 100)
				assert.NoError(t, err)
				assert.Equal(t, "text", string(text))
			}
			stop()
		})
	}
}
