package autoscripts_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/store"
)

const (
	kernel = "6.1.0-56-amd64"
	pkg    = "linux-modules-acme-" + kernel
	mods   = "/lib/modules/" + kernel
	state  = "/var/lib/koweld"
	saved  = state + "/saved/" + pkg
)

// A root is a scratch system with what koweld keeps of one package. Names are
// absolute, below it.
type root struct {
	t      testing.TB
	dir    string
	record store.Record
	sums   []string // entries of the list
}

// newRoot makes a root of lines: "dir/", "link -> target" or "file = text".
func newRoot(t testing.TB, lines ...string) *root {
	t.Helper()
	r := &root{t: t, dir: t.TempDir(), record: store.Record{Package: pkg, Kernel: kernel}}
	for _, line := range append([]string{"var/lib/"}, lines...) {
		name, target, isLink := strings.Cut(line, " -> ")
		file, text, isFile := strings.Cut(line, " = ")
		switch {
		case isLink:
			require.NoError(t, os.MkdirAll(path.Dir(r.at(name)), 0o755))
			require.NoError(t, os.Symlink(target, r.at(name)))
		case isFile:
			r.put(file, text)
		default:
			require.NoError(t, os.MkdirAll(r.at(line), 0o755))
		}
	}
	return r
}

func (r *root) at(name string) string { return path.Join(r.dir, name) }

// epoch is when every file of a root was written, unless a test says otherwise.
var epoch = time.Unix(1_000_000_000, 123_456_789)

func (r *root) put(name, text string) {
	r.t.Helper()
	require.NoError(r.t, os.MkdirAll(path.Dir(r.at(name)), 0o755))
	require.NoError(r.t, os.WriteFile(r.at(name), []byte(text), 0o644))
	require.NoError(r.t, os.Chtimes(r.at(name), epoch, epoch))
}

func (r *root) drop(names ...string) {
	r.t.Helper()
	for _, name := range names {
		require.NoError(r.t, os.RemoveAll(r.at(name)))
	}
}

func (r *root) link(target, name string) {
	r.t.Helper()
	require.NoError(r.t, os.Symlink(target, r.at(name)))
}

// place does what koweld does: it saves what is there and makes the folders
// that are missing.
func (r *root) place(name, text string) {
	r.t.Helper()
	file := store.File{Path: name, SHA256: digest(text), Size: int64(len(text)), Mode: 0o644}
	var missing []string
	for dir := path.Dir(name); !exists(r.at(dir)); dir = path.Dir(dir) {
		missing = append(missing, dir)
	}
	slices.Reverse(missing)
	r.record.Dirs = append(r.record.Dirs, missing...)
	if exists(r.at(name)) {
		file.Original = r.save(name)
	}
	r.put(name, text)
	require.NoError(r.t, os.Chtimes(r.at(name), time.Now(), time.Now()))
	r.record.Files = append(r.record.Files, file)
	r.sums = append(r.sums, file.SHA256+"  "+name)
	if file.Original != nil {
		r.sums = append(r.sums, file.Original.SHA256+"  "+file.Original.Saved)
	}
}

// save moves an original to where it waits for the way back.
func (r *root) save(name string) *store.Original {
	r.t.Helper()
	to := saved + name
	for n := 2; exists(r.at(to)); n++ {
		to = fmt.Sprintf("%s~%d%s", saved, n, name)
	}
	require.NoError(r.t, os.MkdirAll(path.Dir(r.at(to)), 0o755))
	text, err := os.ReadFile(r.at(name))
	require.NoError(r.t, err)
	require.NoError(r.t, os.Rename(r.at(name), r.at(to)))
	return &store.Original{Saved: to, SHA256: digest(string(text))}
}

// park is what the prerm leaves of a placed file without an original.
func (r *root) park(name string) {
	r.t.Helper()
	parked := store.ParkedName(pkg, name)
	require.NoError(r.t, os.Rename(r.at(name), r.at(parked)))
	for i, entry := range r.sums {
		if sum, found := strings.CutSuffix(entry, "  "+name); found {
			r.sums[i] = sum + "  " + parked
		}
	}
}

// recorded writes the record and the list.
func (r *root) recorded() {
	r.t.Helper()
	text, err := store.Encode(&r.record)
	require.NoError(r.t, err)
	r.put(state+"/packages/"+pkg+".json", string(text))
	r.put(state+"/packages/"+pkg+".sha256", strings.Join(r.sums, "\x00")+"\x00")
	r.put(state+"/lock", "")
}

// snapshot is the whole tree, a line each: type, mode, owner, and of files
// the time, the bytes and the attributes.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sys := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%v %d:%d", info.Mode(), sys.Uid, sys.Gid)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(at)
			if err != nil {
				return err
			}
			line += " -> " + target
		case info.Mode().IsRegular():
			text, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			// Who wrote the lock last does not matter.
			mtime := info.ModTime().UnixNano()
			if path.Base(at) == "lock" {
				mtime = 0
			}
			if len(text) > 200 {
				text = []byte(digest(string(text)))
			}
			line += fmt.Sprintf(" %d %q %v", mtime, text, attributes(at))
		}
		all[strings.TrimPrefix(at, dir)] = line
		return nil
	})
	require.NoError(t, err)
	return all
}

// sameTree compares snapshots and shows only what differs.
func sameTree(t testing.TB, want, got map[string]string, about ...any) {
	t.Helper()
	var missing, extra []string
	for name, line := range want {
		if got[name] != line {
			missing = append(missing, name+" "+line)
		}
	}
	for name, line := range got {
		if want[name] != line {
			extra = append(extra, name+" "+line)
		}
	}
	slices.Sort(missing)
	slices.Sort(extra)
	if len(missing)+len(extra) > 0 {
		assert.Fail(t, "not that tree: - wanted, + there", "- %s\n+ %s\n%s",
			strings.Join(missing, "\n- "), strings.Join(extra, "\n+ "), fmt.Sprint(about...))
	}
}

// attributes are the extended attributes that a user may set.
func attributes(at string) []string {
	buf := make([]byte, 1<<16)
	n, err := unix.Llistxattr(at, buf)
	if err != nil {
		return nil
	}
	var all []string
	for name := range strings.SplitSeq(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		value := make([]byte, 1<<16)
		m, err := unix.Lgetxattr(at, name, value)
		if err == nil {
			all = append(all, name+"="+string(value[:m]))
		}
	}
	slices.Sort(all)
	return all
}

// copyOf is another root with the same tree.
func (r *root) copyOf(t testing.TB) *root {
	t.Helper()
	other := &root{t: t, dir: t.TempDir()}
	out, err := exec.Command("cp", "-a", r.dir+"/.", other.dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return other
}

func exists(at string) bool {
	_, err := os.Lstat(at)
	return err == nil
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
