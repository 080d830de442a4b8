package faultfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
)

// everything makes each call once; it goes on after an error, as deferred
// functions do, and returns them all.
func everything(x *faultfs.FS) (errs []error) {
	note := func(err error) { errs = append(errs, err) }
	value := func(_ any, err error) { note(err) }
	file := func(f fsys.File, err error) fsys.File { note(err); return f }

	note(x.Mkdir("/d", 0o755))
	if f := file(x.Create("/d/f", 0o644)); f != nil {
		value(f.Write([]byte("0123456789")))
		note(f.Truncate(10))
		note(f.Chmod(0o600))
		note(f.Chown(os.Getuid(), os.Getgid()))
		note(f.SetMtime(time.Unix(1, 0)))
		note(f.Reserve(100))
		value(f.Xattrs())
		note(f.Lock())
		note(f.WriteOut())
		note(f.Sync())
		value(f.Stat())
		note(f.Close())
	}
	if f := file(x.OpenAppend("/d/a", 0o644)); f != nil {
		note(f.Close())
	}
	if f := file(x.Open("/d/f")); f != nil {
		value(f.Read(make([]byte, 4)))
		value(f.ReadAt(make([]byte, 4), 0))
		note(f.Close())
	}
	if f := file(x.OpenTrusted("/d/f", fsys.Trust{Any: true})); f != nil {
		note(f.Close())
	}
	note(x.Symlink("f", "/d/s"))
	note(x.Link("/d/f", "/d/l"))
	note(x.Rename("/d/l", "/d/r"))
	note(x.RenameNoReplace("/d/r", "/d/n"))
	note(x.Exchange("/d/n", "/d/a"))
	value(x.Resolve("/d/s"))
	value(x.Lstat("/d/s"))
	value(x.Stat("/d/s"))
	value(x.Readlink("/d/s"))
	value(x.ReadDir("/d"))
	value(x.Space("/d"))
	note(x.SyncDir("/d"))
	v, err := x.OpenVolume("/d")
	if errors.Is(err, unix.EOPNOTSUPP) { // by an overlay, say
		err = nil
	}
	note(err)
	if v != nil {
		note(v.Sync())
		note(v.Close())
	}
	note(x.Step("another program"))
	for _, name := range []string{"/d/s", "/d/n", "/d/a", "/d/f"} {
		note(x.Unlink(name))
	}
	note(x.Rmdir("/d"))
	return errs
}

func open(t *testing.T) (*fsys.Root, string) {
	t.Helper()
	dir := t.TempDir()
	r, err := fsys.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r, dir
}

func TestWithoutAFaultNothingChanges(t *testing.T) {
	r, dir := open(t)
	x := faultfs.New(r, faultfs.Fault{})
	for i, err := range everything(x) {
		require.NoError(t, err, x.Calls()[i].String())
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	assert.Equal(t, r.Host("/d"), x.Host("/d"))
}

func TestCallsAreRecorded(t *testing.T) {
	r, _ := open(t)
	x := faultfs.New(r, faultfs.Error(3, unix.EIO))
	var seen []faultfs.Call
	x.After = func(c faultfs.Call) { seen = append(seen, c) }
	require.NoError(t, x.Symlink("f", "/s"))
	require.ErrorIs(t, x.Rename("/none", "/x"), unix.ENOENT)
	f, err := x.Create("/f", 0o644)
	require.ErrorIs(t, err, unix.EIO)
	require.Nil(t, f)
	f, err = x.Create("/f", 0o644)
	require.NoError(t, err)
	_, err = f.Write([]byte("12345"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	var got []string
	for i, c := range x.Calls() {
		assert.Equal(t, i+1, c.N)
		got = append(got, c.String())
	}
	assert.Equal(t, []string{
		"#1 Symlink f /s",
		"#2 Rename /none /x: rename /none /x: no such file or directory",
		"#3 Create /f: Create /f: input/output error",
		"#4 Create /f",
		"#5 File.Write /f (5 bytes)",
		"#6 File.Close /f",
	}, got)
	assert.Equal(t, x.Calls(), seen)
}

// Each call fails as the interface promises, with the errno, and does nothing.
func TestErrorAtEachCall(t *testing.T) {
	r, _ := open(t)
	clean := faultfs.New(r, faultfs.Fault{})
	everything(clean)
	for i, c := range clean.Calls() {
		r, dir := open(t)
		x := faultfs.New(r, faultfs.Error(i+1, unix.EDQUOT))
		var before, after map[string]string
		x.After = func(c faultfs.Call) {
			switch c.N {
			case i:
				before = look(t, dir)
			case i + 1:
				after = look(t, dir)
			}
		}
		everything(x)
		got := x.Calls()[i]
		require.ErrorIs(t, got.Err, unix.EDQUOT)
		var one *fs.PathError
		var two *os.LinkError
		if c.To == "" {
			require.ErrorAs(t, got.Err, &one)
		} else {
			require.ErrorAs(t, got.Err, &two)
		}
		if i > 0 {
			require.Equal(t, before, after, c.String())
		}
	}
}

// look describes a folder by mode, size and mtime.
func look(t *testing.T, dir string) map[string]string {
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || at == dir {
			return err
		}
		info, err := d.Info()
		require.NoError(t, err)
		all[at] = info.Mode().String()
		if info.Mode().IsRegular() {
			all[at] += info.ModTime().String()
			text, err := os.ReadFile(at)
			require.NoError(t, err)
			all[at] += string(text)
		}
		return nil
	}))
	return all
}

// From the kill on nothing changes, and no descriptor stays open.
func TestKillAtEachCall(t *testing.T) {
	r, _ := open(t)
	clean := faultfs.New(r, faultfs.Fault{})
	everything(clean)
	for i := range clean.Calls() {
		r, dir := open(t)
		x := faultfs.New(r, faultfs.Kill(i+1))
		var killed map[string]string
		x.After = func(c faultfs.Call) {
			if c.N == i {
				killed = look(t, dir)
			}
		}
		everything(x)
		for _, c := range x.Calls()[i:] {
			require.ErrorIs(t, c.Err, faultfs.ErrKilled, c.String())
		}
		if i > 0 {
			require.Equal(t, killed, look(t, dir))
		}
		fds, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		for _, fd := range fds {
			target, _ := os.Readlink("/proc/self/fd/" + fd.Name())
			require.NotEqual(t, filepath.Join(dir, "d/f"), target)
		}
	}
}

func TestShortWrite(t *testing.T) {
	for _, fault := range []faultfs.Fault{faultfs.Short(2), faultfs.Tear(2)} {
		r, dir := open(t)
		x := faultfs.New(r, fault)
		f, err := x.Create("/f", 0o644)
		require.NoError(t, err)
		n, err := f.Write([]byte("0123456789"))
		assert.ErrorIs(t, err, fault.Err)
		assert.Equal(t, 5, n)
		_, err = f.Write([]byte("abc"))
		assert.Equal(t, fault.Sticky, err != nil)
		_ = f.Close()
		text, err := os.ReadFile(filepath.Join(dir, "f"))
		require.NoError(t, err)
		want := "01234abc"
		if fault.Sticky {
			want = "01234"
		}
		assert.Equal(t, want, string(text))
	}
}

func TestSkippedSyncsCountAndCanFail(t *testing.T) {
	x := faultfs.New(faultfs.NewDisk(), faultfs.Error(3, unix.EIO))
	x.SkipSync = true
	require.NoError(t, x.SyncDir("/none"), "it is not done")
	v, err := x.OpenVolume("/")
	require.NoError(t, err)
	require.ErrorIs(t, v.Sync(), unix.EIO)
	require.NoError(t, v.Close())
	assert.Len(t, x.Calls(), 4)
}
