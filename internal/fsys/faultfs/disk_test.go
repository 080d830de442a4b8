package faultfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
)

// An action is one call, with its arguments.
type action struct {
	op   faultfs.Op
	a, b string
	text string
	perm fs.FileMode
}

func (a action) do(x fsys.FS) (string, error) {
	write := func(f fsys.File, err error) (string, error) {
		if err != nil {
			return "", err
		}
		defer f.Close()
		n, err := f.Write([]byte(a.text))
		return fmt.Sprint(n), err
	}
	switch a.op {
	case faultfs.Create:
		return write(x.Create(a.a, a.perm))
	case faultfs.OpenAppend:
		return write(x.OpenAppend(a.a, a.perm))
	case faultfs.Open:
		data, err := fsys.ReadFile(x, a.a, 100)
		return string(data), err
	case faultfs.OpenTrusted:
		f, err := x.OpenTrusted(a.a, fsys.Trust{Any: true})
		if err != nil {
			return "", err
		}
		defer f.Close()
		data, err := io.ReadAll(f)
		return string(data), err
	case faultfs.Mkdir:
		return "", x.Mkdir(a.a, a.perm)
	case faultfs.Rmdir:
		return "", x.Rmdir(a.a)
	case faultfs.Unlink:
		return "", x.Unlink(a.a)
	case faultfs.Symlink:
		return "", x.Symlink(a.text, a.a)
	case faultfs.Link:
		return "", x.Link(a.a, a.b)
	case faultfs.Rename:
		return "", x.Rename(a.a, a.b)
	case faultfs.RenameNoReplace:
		return "", x.RenameNoReplace(a.a, a.b)
	case faultfs.Exchange:
		return "", x.Exchange(a.a, a.b)
	case faultfs.SyncDir:
		return "", x.SyncDir(a.a)
	case faultfs.Readlink:
		return x.Readlink(a.a)
	case faultfs.IsMount:
		mounted, err := x.IsMount(a.a)
		return fmt.Sprint(mounted), err
	case faultfs.Resolve:
		return x.Resolve(a.a)
	case faultfs.Stat:
		info, err := x.Stat(a.a)
		return describe(info), err
	}
	panic(a.op)
}

var actions = []faultfs.Op{
	faultfs.Create, faultfs.Create, faultfs.OpenAppend, faultfs.Open, faultfs.OpenTrusted, faultfs.Mkdir, faultfs.Mkdir,
	faultfs.Rmdir, faultfs.Unlink, faultfs.Symlink, faultfs.Link, faultfs.Rename, faultfs.RenameNoReplace,
	faultfs.Exchange, faultfs.SyncDir, faultfs.Readlink, faultfs.IsMount, faultfs.Resolve, faultfs.Stat,
}

func describe(i fsys.Info) string {
	text := fmt.Sprint(i.Mode)
	if i.IsRegular() {
		text += fmt.Sprintf(" %d bytes, %d links", i.Size, i.Nlink)
	}
	return text
}

// list tells of everything in a file system, by its own calls.
func list(t require.TestingT, x fsys.FS, dir string) (all []string) {
	entries, err := x.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		info, err := x.Lstat(name)
		require.NoError(t, err)
		text := name + " " + describe(info)
		switch {
		case info.IsRegular():
			data, err := fsys.ReadFile(x, name, 1000)
			require.NoError(t, err)
			text += fmt.Sprintf(" %q", data)
		case info.Mode&fs.ModeSymlink != 0:
			target, err := x.Readlink(name)
			require.NoError(t, err)
			text += " " + target
		}
		all = append(all, text)
		if info.IsDir() {
			all = append(all, list(t, x, name)...)
		}
	}
	return all
}

// A Disk is a file system like the real one: it does the same, and fails with
// the same errno.
func TestDiskIsLikeTheRealOne(t *testing.T) {
	top := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(top, "")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		require.NoError(t, os.Chmod(dir, 0o755))
		root, err := fsys.OpenRoot(dir)
		require.NoError(t, err)
		defer root.Close()
		disk := faultfs.NewDisk()
		base := rapid.SampledFrom([]string{"a", "b", "d", "e", "s"})
		folder := rapid.SampledFrom([]string{"/", "/", "/d", "/d/e", "/s"})
		target := rapid.SampledFrom([]string{"d", "/d", "../d", "a", "e", "s", "/none", ".", "d/../a"})
		for range rapid.IntRange(1, 60).Draw(t, "actions") {
			in := folder.Draw(t, "folder")
			act := action{
				op: rapid.SampledFrom(actions).Draw(t, "op"),
				a:  path.Join(in, base.Draw(t, "a")), b: path.Join(in, base.Draw(t, "b")),
				text: target.Draw(t, "text"), perm: rapid.SampledFrom([]fs.FileMode{0o700, 0o755, 0o644}).Draw(t, "perm") | 0o400,
			}
			got, gerr := act.do(disk)
			want, werr := act.do(root)
			if werr == nil {
				require.Equal(t, want, got, "%+v", act)
			}
			var gno, wno unix.Errno
			require.Equal(t, werr == nil, gerr == nil, "%+v: %v, not %v", act, gerr, werr)
			var trust *fsys.TrustError
			if errors.As(werr, &trust) {
				require.ErrorAs(t, gerr, &trust)
			} else if werr != nil {
				require.ErrorAs(t, werr, &wno)
				require.ErrorAs(t, gerr, &gno, "%+v", act)
				require.Equal(t, wno, gno, "%+v", act)
			}
			require.Equal(t, list(t, root, "/"), list(t, disk, "/"), "%+v", act)
		}
	})
}

func TestEverythingOnADisk(t *testing.T) {
	x := faultfs.New(faultfs.NewDisk(), faultfs.Fault{})
	for i, err := range everything(x) {
		require.NoError(t, err, x.Calls()[i].String())
	}
}

func TestDiskLocks(t *testing.T) {
	d := faultfs.NewDisk()
	first, err := d.OpenAppend("/lock", 0o644)
	require.NoError(t, err)
	second, err := d.OpenAppend("/lock", 0o644)
	require.NoError(t, err)
	require.NoError(t, first.Lock())
	require.NoError(t, first.Lock())
	require.ErrorIs(t, second.Lock(), unix.EWOULDBLOCK)
	require.NoError(t, first.Close())
	require.NoError(t, second.Lock())
	require.ErrorIs(t, first.Close(), os.ErrClosed)
}

func TestDiskKeepsDirectoriesWhereTheyAre(t *testing.T) {
	d := faultfs.NewDisk()
	require.NoError(t, d.Mkdir("/d", 0o755))
	require.NoError(t, d.Mkdir("/e", 0o755))
	write(t, d, "/f", "text")
	require.ErrorIs(t, d.Rename("/d", "/e/d"), unix.EXDEV)
	require.ErrorIs(t, d.RenameNoReplace("/d", "/e/d"), unix.EXDEV)
	write(t, d, "/d/g", "text")
	require.ErrorIs(t, d.Exchange("/f", "/d/g"), unix.EXDEV)
	d.NoExchange = true
	write(t, d, "/h", "text")
	require.ErrorIs(t, d.Exchange("/f", "/h"), unix.EINVAL)
}

func TestClonesArePrivate(t *testing.T) {
	d := faultfs.NewDisk()
	write(t, d, "/f", "text")
	sum := d.Digest()
	c := d.Clone()
	require.Equal(t, sum, c.Digest())
	f, err := c.OpenAppend("/f", 0)
	require.NoError(t, err)
	_, err = f.Write([]byte(" and more"))
	require.NoError(t, err)
	require.NoError(t, c.Unlink("/f"))
	assert.Equal(t, sum, d.Digest())
	assert.NotEqual(t, sum, c.Digest())
}

// What All tells of a disk, Put makes again.
func TestPutMakesADiskAgain(t *testing.T) {
	d := faultfs.NewDisk()
	require.NoError(t, d.Mkdir("/d", 0o700))
	write(t, d, "/d/f", "text")
	require.NoError(t, d.Link("/d/f", "/l"))
	require.NoError(t, d.Symlink("d/f", "/s"))
	c := faultfs.NewDisk()
	for name, e := range d.All() {
		if name != "/" {
			require.NoError(t, c.Put(name, e))
		}
	}
	assert.Equal(t, list(t, d, "/"), list(t, c, "/"))
	want, err := d.Lstat("/l")
	require.NoError(t, err)
	got, err := c.Lstat("/d/f")
	require.NoError(t, err)
	assert.Equal(t, want, got)
	var exists *fs.PathError
	require.True(t, errors.As(c.Put("/d", faultfs.Entry{}), &exists))
	assert.Equal(t, unix.EEXIST, exists.Err)
}

func write(t *testing.T, d *faultfs.Disk, name, text string) {
	f, err := d.Create(name, 0o644)
	require.NoError(t, err)
	_, err = f.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
