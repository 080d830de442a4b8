package fsys_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

const stranger = 12345 // a uid and gid of nobody here

// chmod and chown return changes to a path of the host. lchown needs root.
func chmod(name string, mode fs.FileMode) func(dir string) error {
	return func(dir string) error { return os.Chmod(filepath.Join(dir, name), mode) }
}

func chown(name string, uid, gid int) func(dir string) error {
	return func(dir string) error { return os.Lchown(filepath.Join(dir, name), uid, gid) }
}

func TestTrust(t *testing.T) {
	me := os.Geteuid()
	tests := []struct {
		name    string
		open    string
		changes []func(dir string) error
		uid     int    // Trust.UID
		want    string // the error; "" is none
	}{
		{"as it should be", "/a/b/file", nil, me, ""},
		{"by links", "/links/far", nil, me, ""},

		{"file writable by all", "/a/b/file", []func(string) error{chmod("a/b/file", 0o646)}, me, "cannot trust /a/b/file: it is writable by others"},
		{"folder writable by all", "/a/b/file", []func(string) error{chmod("a", 0o757)}, me, "cannot trust /a: it is writable by others"},
		{"the outermost is named", "/a/b/file", []func(string) error{chmod("a/b/file", 0o666), chmod("a", 0o777)}, me, "cannot trust /a: it is writable by others"},
		{"the root itself", "/a/b/file", []func(string) error{chmod("", 0o757)}, me, "cannot trust /: it is writable by others"},
		{"sticky folder", "/a/b/file", []func(string) error{chmod("a", 0o777|fs.ModeSticky)}, me, ""},
		{"sticky file", "/a/b/file", []func(string) error{chmod("a/b/file", 0o646|fs.ModeSticky)}, me, "cannot trust /a/b/file: it is writable by others"},
		{"folder of a link", "/links/far", []func(string) error{chmod("links", 0o757)}, me, "cannot trust /links: it is writable by others"},
		{"folder that a link leads through", "/links/far", []func(string) error{chmod("x", 0o757)}, me, "cannot trust /x: it is writable by others"},
		{"folder that nothing leads through", "/a/b/file", []func(string) error{chmod("x", 0o757)}, me, ""},

		{"a directory", "/a/b", nil, me, "cannot trust /a/b: it is a directory"},
		{"the root", "/", nil, me, "cannot trust /: it is a directory"},
		{"a FIFO", "/fifo", nil, me, "cannot trust /fifo: it is a FIFO"},
		{"a socket", "/socket", nil, me, "cannot trust /socket: it is a socket"},
		{"missing", "/a/b/none", nil, me, "open /a/b/none: no such file or directory"},
		{"missing in a bad folder", "/a/b/none", []func(string) error{chmod("a", 0o777)}, me, "open /a/b/none: no such file or directory"},
		{"dangling", "/links/dangling", nil, me, "open /links/dangling: no such file or directory"},
	}
	asRoot := []struct {
		name    string
		open    string
		changes []func(dir string) error
		uid     int
		want    string
	}{
		{"a device", "/device", nil, 0, "cannot trust /device: it is a device"},
		{"file of another", "/a/b/file", []func(string) error{chown("a/b/file", stranger, 0)}, 0, "cannot trust /a/b/file: it is owned by uid 12345"},
		{"file of the trusted one", "/a/b/file", []func(string) error{chown("a/b/file", stranger, 0)}, stranger, ""},
		{"all of the trusted one", "/a/b/file", []func(string) error{chown("", stranger, 0), chown("a", stranger, 0), chown("a/b", stranger, 0), chown("a/b/file", stranger, 0)}, stranger, ""},
		{"folder of another", "/a/b/file", []func(string) error{chown("a/b", stranger, 0)}, 0, "cannot trust /a/b: it is owned by uid 12345"},
		{"root of another", "/a/b/file", []func(string) error{chown("", stranger, 0)}, 0, "cannot trust /: it is owned by uid 12345"},
		{"sticky folder of another", "/a/b/file", []func(string) error{chown("a", stranger, 0), chmod("a", 0o777|fs.ModeSticky)}, 0, "cannot trust /a: it is owned by uid 12345"},
		{"link of another", "/links/far", []func(string) error{chown("links/far", stranger, 0)}, 0, "cannot trust /links/far: it is a symbolic link owned by uid 12345"},
		{"second link of another", "/links/far", []func(string) error{chown("x/near", stranger, 0)}, 0, "cannot trust /x/near: it is a symbolic link owned by uid 12345"},
		{"link of the trusted one", "/links/far", []func(string) error{chown("links/far", stranger, 0)}, stranger, ""},
		{"file writable by root's group", "/a/b/file", []func(string) error{chmod("a/b/file", 0o664)}, 0, ""},
		{"file writable by another group", "/a/b/file", []func(string) error{chown("a/b/file", 0, stranger), chmod("a/b/file", 0o664)}, 0, "cannot trust /a/b/file: it is writable by others"},
		{"folder writable by another group", "/a/b/file", []func(string) error{chown("a/b", 0, stranger), chmod("a/b", 0o775)}, 0, "cannot trust /a/b: it is writable by others"},
		{"file readable by another group", "/a/b/file", []func(string) error{chown("a/b/file", 0, stranger)}, 0, ""},
		{"a directory of another", "/a/b", []func(string) error{chown("a/b", stranger, 0)}, 0, "cannot trust /a/b: it is owned by uid 12345"},
	}
	if me == 0 {
		tests = append(tests, asRoot...)
	} else {
		t.Run("of other owners", func(t *testing.T) {
			t.Skipf("%d cases are not tested, they need root", len(asRoot))
		})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, dir := newRoot(t, "a/b/file = input", "x/near -> ../a/./b/file", "links/far -> /x/near", "links/dangling -> none")
			special(t, dir)
			for _, change := range tt.changes {
				require.NoError(t, change(dir))
			}
			f, err := r.OpenTrusted(tt.open, fsys.Trust{UID: tt.uid})
			if tt.want != "" {
				assert.EqualError(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			defer f.Close()
			text, err := io.ReadAll(f)
			require.NoError(t, err)
			assert.Equal(t, "input", string(text))
		})
	}
}

func TestTrustErrorsHint(t *testing.T) {
	r, _ := newRoot(t, "dir/")
	_, err := r.OpenTrusted("/dir", fsys.Trust{UID: os.Geteuid()})
	var fault *fsys.TrustError
	require.ErrorAs(t, err, &fault)
	assert.Equal(t, "/dir", fault.Path)
	assert.NotEmpty(t, fault.Hint())
	_, err = r.OpenTrusted("/none", fsys.Trust{})
	assert.Equal(t, unix.ENOENT, code(t, err))
}
