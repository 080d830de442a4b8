package fsys_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"koweld/internal/fsys"
)

func TestResolve(t *testing.T) {
	tree := []string{
		"usr/lib/modules/6.1/acme.ko = merged",
		"lib -> usr/lib",
		"etc/alternatives/ld -> /usr/bin/ld.bfd",
		"usr/bin/ld -> /etc/alternatives/ld",
		"usr/bin/ld.bfd = bfd",
		"a/b/up -> ../../usr",
		"a/b/over -> ../../../../../usr",
		"root -> /",
		"abs/dots -> /../../usr/./lib//",
		"file-slash -> usr/bin/ld.bfd/",
		"file-dot -> usr/bin/ld.bfd/.",
		"file-up -> usr/bin/ld.bfd/..",
		"dir-slash -> usr/lib/",
		"loop -> pool", "pool -> loop",
		"self -> self/x",
		"dangling -> /none/x",
		"c0 = end",
	}
	for i := 1; i <= 41; i++ {
		tree = append(tree, fmt.Sprintf("c%d -> c%d", i, i-1))
	}
	tests := []struct {
		name, in, want string
		err            unix.Errno
	}{
		{"plain", "/usr/bin/ld.bfd", "/usr/bin/ld.bfd", 0},
		{"merged usr", "/lib/modules/6.1/acme.ko", "/usr/lib/modules/6.1/acme.ko", 0},
		{"alternatives", "/usr/bin/ld", "/usr/bin/ld.bfd", 0},
		{"relative up", "/a/b/up/lib", "/usr/lib", 0},
		{"up beyond the root", "/a/b/over/lib", "/usr/lib", 0},
		{"link to the root", "/root/root/lib", "/usr/lib", 0},
		{"unclean target", "/abs/dots/modules", "/usr/lib/modules", 0},
		{"directory with slash", "/dir-slash", "/usr/lib", 0},
		{"file with slash", "/file-slash", "", unix.ENOTDIR},
		{"file with dot", "/file-dot", "", unix.ENOTDIR},
		{"file with parent", "/file-up", "", unix.ENOTDIR},
		{"file as directory", "/c0/x", "", unix.ENOTDIR},
		{"loop", "/loop", "", unix.ELOOP},
		{"loop that grows", "/self", "", unix.ELOOP},
		{"dangling", "/dangling", "", unix.ENOENT},
		{"missing", "/usr/none", "", unix.ENOENT},
		{"40 links", "/c40", "/c0", 0},
		{"41 links", "/c41", "", unix.ELOOP},
	}
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		r, dir := newRoot(t, tree...)
		prepare(r)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				got, err := r.Resolve(tt.in)
				assert.Equal(t, tt.err, code(t, err))
				assert.Equal(t, tt.want, got)
				info, err := r.Stat(tt.in)
				assert.Equal(t, tt.err, code(t, err))
				if tt.err == 0 {
					var st unix.Stat_t
					require.NoError(t, unix.Lstat(filepath.Join(dir, tt.want), &st))
					assert.Equal(t, st.Ino, info.Ino)
				}
			})
		}
	})
}

func TestNoMagicLinkIsFollowed(t *testing.T) {
	canary, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer canary.Close()
	bothWays(t, func(t *testing.T, prepare func(*fsys.Root) *fsys.Root) {
		r := prepare(openRootSlash(t))
		// The text of the links is a path of the host, which this root is.
		for _, name := range []string{
			fmt.Sprintf("/proc/%d/cwd", os.Getpid()),
			fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), canary.Fd()),
		} {
			text, err := os.Readlink(name)
			require.NoError(t, err)
			got, err := r.Resolve(name)
			require.NoError(t, err)
			assert.Equal(t, text, got)
			_, err = r.Stat(name)
			assert.NoError(t, err)
			_, err = r.Lstat(name + "/none")
			assert.Equal(t, unix.ENOENT, code(t, err))
		}
		// That of a pipe is none: only a magic link leads there.
		in, out, err := os.Pipe()
		require.NoError(t, err)
		defer in.Close()
		defer out.Close()
		_, err = r.Stat(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), in.Fd()))
		assert.Equal(t, unix.ENOENT, code(t, err))
	})
}

// names are few, so that random links often hit something.
var names = []string{"a", "b", "c", "d", "."}

// target draws the text of a symbolic link.
func target() *rapid.Generator[string] {
	part := rapid.SampledFrom(append([]string{"..", "..", ""}, names...))
	return rapid.Custom(func(t *rapid.T) string {
		text := strings.Join(rapid.SliceOfN(part, 1, 6).Draw(t, "parts"), "/")
		if rapid.Bool().Draw(t, "absolute") {
			text = "/" + text
		}
		if text == "" {
			return "."
		}
		return text
	})
}

// path draws a clean absolute name.
func path() *rapid.Generator[string] {
	part := rapid.SampledFrom(names[:4])
	return rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(part, 1, 5).Draw(t, "path"), "/")
	})
}

// growRandom makes a random tree with the host's own calls.
func growRandom(t *rapid.T, dir string) {
	for range rapid.IntRange(1, 25).Draw(t, "entries") {
		// Below what exists, by the host's lexical name: a parent that is a
		// link out of the tree is not used.
		name := filepath.Join(dir, path().Draw(t, "entry"))
		parent, err := filepath.EvalSymlinks(filepath.Dir(name))
		if err != nil || parent != filepath.Dir(name) {
			continue
		}
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			_ = os.WriteFile(name, []byte(name), 0o644)
		case 1, 2:
			_ = os.Symlink(target().Draw(t, "target"), name)
		default:
			_ = os.Mkdir(name, 0o755)
		}
	}
}

// outcome is what an FS says of a name.
type outcome struct {
	lstat, stat, at         fsys.Info // at: Lstat of what Resolve says
	link                    string
	lerr, serr, rerr, rlerr unix.Errno
	opened, listed          unix.Errno
	entries                 []string
}

func look(t *rapid.T, r *fsys.Root, name string) (o outcome) {
	var err error
	o.lstat, err = r.Lstat(name)
	o.lerr = code(t, err)
	o.stat, err = r.Stat(name)
	o.serr = code(t, err)
	o.link, err = r.Readlink(name)
	o.rlerr = code(t, err)
	resolved, err := r.Resolve(name)
	o.rerr = code(t, err)
	if err == nil {
		o.at, err = r.Lstat(resolved)
		require.NoError(t, err)
	}
	o.opened = code(t, closed(r.Open(name)))
	entries, err := r.ReadDir(name)
	o.listed = code(t, err)
	for _, e := range entries {
		o.entries = append(o.entries, e.Name())
	}
	return o
}

func TestWalkAgreesWithOpenat2(t *testing.T) {
	base := t.TempDir()
	grow(t, base, "dir/")
	r := openRoot(t, base)
	if _, err := r.Stat("/dir"); err != nil || r.IsWalkOnly() {
		t.Skipf("the walk is not compared, openat2 is not available: %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		growRandom(t, dir)
		fast, err := fsys.OpenRoot(dir)
		require.NoError(t, err)
		defer fast.Close()
		slow, err := fsys.OpenRoot(dir)
		require.NoError(t, err)
		defer slow.Close()
		slow.WalkOnly()
		for range 10 {
			name := path().Draw(t, "name")
			want, got := look(t, fast, name), look(t, slow, name)
			require.Equal(t, want, got, name)
			// Resolve and Stat find the same inode or fail alike.
			require.Equal(t, want.serr, want.rerr, name)
			require.True(t, want.stat.SameFile(want.at), name)
		}
	})
}

func FuzzSymlinkText(f *testing.F) {
	for _, text := range []string{"a", "/a", "..", "../../..", "/../a/./b//", "l", "a/", "a/.", "f/", "f/..", "/proc/self/root", "l/x"} {
		f.Add(text, "x")
	}
	f.Add("d/..", "d/f")
	f.Fuzz(func(t *testing.T, text, rest string) {
		dir := t.TempDir()
		grow(t, dir, "d/f = x", "f = y", "x -> d")
		if err := os.Symlink(text, filepath.Join(dir, "l")); err != nil {
			return // not the text of a link
		}
		fast, slow := openRoot(t, dir), openRoot(t, dir)
		slow.WalkOnly()
		name := filepath.Join("/l", rest)
		for _, c := range reading[:5] {
			assert.Equal(t, code(t, c.run(fast, name)), code(t, c.run(slow, name)), "%s %q", c.name, name)
		}
		a, aerr := fast.Stat(name)
		b, berr := slow.Stat(name)
		assert.Equal(t, code(t, aerr), code(t, berr))
		assert.Equal(t, a, b)
	})
}

func FuzzName(f *testing.F) {
	for _, name := range []string{"/", "", "/a", "a", "/a/../b", "//", "/a/", "/l/x", "/\x00", "/..", "/l/../.."} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		base := t.TempDir()
		grow(t, base, "canary = canary", "root/l -> ..", "root/m -> /")
		r := openRoot(t, filepath.Join(base, "root"))
		clean := name != "" && filepath.Clean(name) == name && name[0] == '/' && !strings.Contains(name, "\x00")
		for _, c := range writing[:3] { // Create, OpenAppend, Mkdir
			if err := c.run(r, name); !clean {
				assert.Equal(t, unix.EINVAL, code(t, err), "%q", name)
			}
		}
		entries, err := os.ReadDir(base)
		require.NoError(t, err)
		assert.Len(t, entries, 2)
	})
}
