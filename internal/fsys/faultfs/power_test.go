package faultfs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
)

// left lists what a power cut may leave, each as one line, sorted.
func left(t require.TestingT, d *faultfs.Disk) (all []string) {
	cuts := faultfs.Cuts{Limit: 1000}
	for cut := range cuts.Of(d) {
		var line []string
		for name, e := range cut.All() {
			if e.IsDir() {
				if name != "/" {
					line = append(line, name+"/")
				}
				continue
			}
			line = append(line, fmt.Sprintf("%s=%q", name, e.Data))
		}
		all = append(all, strings.Join(line, " "))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestWhatAPowerCutLeaves(t *testing.T) {
	sync := func(t *testing.T, d *faultfs.Disk, name string) {
		f, err := d.Open(name)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
	}
	more := func(t *testing.T, d *faultfs.Disk, name, text string) {
		f, err := d.OpenAppend(name, 0o644)
		require.NoError(t, err)
		_, err = f.Write([]byte(text))
		require.NoError(t, err)
	}
	tests := []struct {
		name string
		do   func(t *testing.T, d *faultfs.Disk)
		want []string
	}{
		{"nothing", func(*testing.T, *faultfs.Disk) {}, []string{`/a="old"`}},
		{
			"a new file",
			func(t *testing.T, d *faultfs.Disk) { write(t, d, "/f", "text") },
			[]string{`/a="old"`, `/a="old" /f=""`, `/a="old" /f="\x00\x00\x00\x00"`, `/a="old" /f="te"`, `/a="old" /f="text"`},
		},
		{
			"a synced file has no durable name",
			func(t *testing.T, d *faultfs.Disk) {
				write(t, d, "/f", "text")
				sync(t, d, "/f")
			},
			[]string{`/a="old"`, `/a="old" /f="text"`},
		},
		{
			"a durable name has no durable bytes",
			func(t *testing.T, d *faultfs.Disk) {
				write(t, d, "/f", "text")
				require.NoError(t, d.SyncDir("/"))
			},
			[]string{`/a="old" /f=""`, `/a="old" /f="\x00\x00\x00\x00"`, `/a="old" /f="te"`, `/a="old" /f="text"`},
		},
		{
			"what is appended may be lost, what was there not",
			func(t *testing.T, d *faultfs.Disk) { more(t, d, "/a", "new") },
			[]string{`/a="old"`, `/a="old\x00\x00\x00"`, `/a="oldn"`, `/a="oldnew"`},
		},
		{
			"a truncated file",
			func(t *testing.T, d *faultfs.Disk) {
				f, err := d.OpenAppend("/a", 0)
				require.NoError(t, err)
				require.NoError(t, f.Truncate(1))
			},
			[]string{`/a="o"`, `/a="old"`},
		},
		{
			"what was written before it was truncated",
			func(t *testing.T, d *faultfs.Disk) {
				more(t, d, "/a", "new")
				f, err := d.OpenAppend("/a", 0)
				require.NoError(t, err)
				require.NoError(t, f.Truncate(3))
			},
			[]string{`/a="old"`, `/a="oldnew"`},
		},
		{
			"a rename is whole or not",
			func(t *testing.T, d *faultfs.Disk) { require.NoError(t, d.Rename("/a", "/b")) },
			[]string{`/a="old"`, `/b="old"`},
		},
		{
			"an exchange is whole or not, and may outlive what came before it",
			func(t *testing.T, d *faultfs.Disk) {
				write(t, d, "/b", "new")
				sync(t, d, "/b")
				require.NoError(t, d.Exchange("/a", "/b"))
			},
			[]string{`/a="new" /b="old"`, `/a="old"`, `/a="old" /b="new"`},
		},
		{
			"a link and what it came from",
			func(t *testing.T, d *faultfs.Disk) {
				require.NoError(t, d.Link("/a", "/b"))
				require.NoError(t, d.Unlink("/a"))
			},
			[]string{``, `/a="old"`, `/a="old" /b="old"`, `/b="old"`},
		},
		{
			"a folder's own name is its parent's",
			func(t *testing.T, d *faultfs.Disk) {
				require.NoError(t, d.Mkdir("/d", 0o755))
				write(t, d, "/d/f", "text")
				sync(t, d, "/d/f")
				require.NoError(t, d.SyncDir("/d"))
			},
			[]string{`/a="old"`, `/a="old" /d/ /d/f="text"`},
		},
		{
			"what was written before a volume was opened may have failed unseen",
			func(t *testing.T, d *faultfs.Disk) {
				write(t, d, "/f", "text")
				require.NoError(t, syncVolume(t, d, "/", func() { require.NoError(t, d.Rename("/a", "/b")) }))
			},
			[]string{`/b="old"`, `/b="old" /f=""`, `/b="old" /f="\x00\x00\x00\x00"`, `/b="old" /f="te"`, `/b="old" /f="text"`},
		},
		{
			"what was written after it was opened is durable, names and all",
			func(t *testing.T, d *faultfs.Disk) {
				require.NoError(t, syncVolume(t, d, "/", func() {
					require.NoError(t, d.Mkdir("/d", 0o755))
					write(t, d, "/d/f", "text")
					more(t, d, "/a", "new")
				}))
			},
			[]string{`/a="oldnew" /d/ /d/f="text"`},
		},
		{
			"what is written after a volume is synced is not",
			func(t *testing.T, d *faultfs.Disk) {
				require.NoError(t, syncVolume(t, d, "/", func() {}))
				require.NoError(t, d.Unlink("/a"))
			},
			[]string{``, `/a="old"`},
		},
		{
			"a volume is one file system",
			func(t *testing.T, d *faultfs.Disk) {
				require.NoError(t, d.Mkdir("/d", 0o755))
				d.SyncAll()
				require.NoError(t, d.Mount("/d"))
				require.NoError(t, syncVolume(t, d, "/d", func() {
					write(t, d, "/d/f", "text")
					require.NoError(t, d.Unlink("/a"))
				}))
			},
			[]string{`/a="old" /d/ /d/f="text"`, `/d/ /d/f="text"`},
		},
		{
			"a volume that cannot be synced makes nothing durable",
			func(t *testing.T, d *faultfs.Disk) {
				x := faultfs.New(d, faultfs.Error(4, unix.EIO))
				require.ErrorIs(t, syncVolume(t, x, "/", func() {
					require.NoError(t, x.Unlink("/a"))
					require.NoError(t, x.Mkdir("/d", 0o755))
				}), unix.EIO)
			},
			[]string{``, `/a="old"`, `/a="old" /d/`, `/d/`},
		},
		{
			"all is synced",
			func(t *testing.T, d *faultfs.Disk) {
				require.NoError(t, d.Mkdir("/d", 0o755))
				write(t, d, "/d/f", "text")
				require.NoError(t, d.Unlink("/a"))
				d.SyncAll()
			},
			[]string{`/d/ /d/f="text"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := faultfs.NewDisk()
			write(t, d, "/a", "old")
			d.SyncAll()
			tt.do(t, d)
			before := list(t, d, "/")
			assert.Equal(t, tt.want, left(t, d))
			assert.Equal(t, before, list(t, d, "/"), "to ask changes nothing")
		})
	}
}

// syncVolume opens a volume, does something and syncs the volume.
func syncVolume(t *testing.T, x fsys.FS, name string, do func()) error {
	v, err := x.OpenVolume(name)
	require.NoError(t, err)
	do()
	defer v.Close()
	return v.Sync()
}

func TestMetadataIsLostToo(t *testing.T) {
	d := faultfs.NewDisk()
	f, err := d.Create("/f", 0o644)
	require.NoError(t, err)
	require.NoError(t, d.SyncDir("/"))
	require.NoError(t, f.Chmod(0o600))
	cuts := faultfs.Cuts{Limit: 10}
	var modes []string
	for cut := range cuts.Of(d) {
		info, err := cut.Lstat("/f")
		require.NoError(t, err)
		modes = append(modes, info.Mode.String())
	}
	assert.ElementsMatch(t, []string{"-rw-r--r--", "-rw-------"}, modes)
	assert.Equal(t, 2, cuts.Seen())
	for range cuts.Of(d) {
		t.Error("a disk is made twice")
	}
}

// With too many combinations for all of them, those that matter most are
// there: none, all, and each beginning.
func TestSomeOfManyCombinations(t *testing.T) {
	d := faultfs.NewDisk()
	const files = 20
	for i := range files {
		require.NoError(t, d.Mkdir(fmt.Sprintf("/%02d", i), 0o755))
	}
	cuts := faultfs.Cuts{Limit: 10}
	seen := map[string]bool{}
	for cut := range cuts.Of(d) {
		seen[strings.Join(list(t, cut, "/"), " ")] = true
	}
	assert.Equal(t, cuts.Seen(), len(seen))
	assert.Greater(t, len(seen), 3*files)
	for n := range files + 1 {
		fresh := faultfs.NewDisk()
		for i := range n {
			require.NoError(t, fresh.Mkdir(fmt.Sprintf("/%02d", i), 0o755))
		}
		assert.True(t, seen[strings.Join(list(t, fresh, "/"), " ")], "the first %d", n)
	}
}

// Whatever is done: what is there now may be left, and nothing else once all
// is synced; and a disk that a cut has left loses nothing by another.
func TestCutsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := faultfs.NewDisk()
		base := rapid.SampledFrom([]string{"/a", "/b", "/d", "/d/a", "/d/b"})
		for range rapid.IntRange(1, 12).Draw(t, "actions") {
			act := action{
				op: rapid.SampledFrom(actions).Draw(t, "op"), a: base.Draw(t, "a"), b: base.Draw(t, "b"),
				text: "text", perm: 0o755,
			}
			_, _ = act.do(d)
		}
		now := d.Digest()
		cuts := faultfs.Cuts{Limit: 64}
		there := false
		for cut := range cuts.Of(d) {
			there = there || cut.Digest() == now
			again := faultfs.Cuts{Limit: 64}
			for second := range again.Of(cut) {
				require.Equal(t, cut.Digest(), second.Digest())
			}
			require.Equal(t, 1, again.Seen())
		}
		require.True(t, there)
		d.SyncAll()
		synced := faultfs.Cuts{Limit: 64}
		for cut := range synced.Of(d) {
			require.Equal(t, now, cut.Digest())
		}
		require.Equal(t, 1, synced.Seen())
	})
}
