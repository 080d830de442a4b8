package txn_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/tool"
	"koweld/internal/txn"
)

const (
	kernel  = "6.1.0-42-amd64"
	folder  = "/lib/modules/" + kernel
	journal = "/var/lib/koweld/journal"
)

// Every old file has oldTime; a new one has newTime or that of its writing.
var (
	oldTime = time.Date(2020, 2, 3, 4, 5, 6, 789, time.UTC)
	newTime = time.Date(2024, 5, 6, 7, 8, 9, 123, time.UTC)
)

// oldTree is what is there before the scenario: "mode text".
var oldTree = map[string]string{
	folder + "/modules.order":    "0644 order",
	folder + "/modules.builtin":  "0644 builtin",
	folder + "/kernel/other.ko":  "0644 not ours",
	folder + "/kernel/old.ko":    "0644 the old module",
	folder + "/kernel/same.ko":   "0600 the same bytes",
	folder + "/updates/gone.ko":  "0644 a module that goes",
	"/etc/acme.conf":             "0600 old conf",
	"/var/lib/koweld/lock":       "0644 1",
	"/var/lib/koweld/saved/gone": "0644 an original that is not needed any more",
}

// A change is an operation of the scenario with the bytes of a Place.
type change struct {
	op    txn.Op
	bytes string
	timed bool // its mtime is newTime
}

// changes are the operations of the scenario, of every kind.
var changes = []change{
	{op: txn.Op{Kind: txn.Mkdir, Path: folder + "/extra", Mode: 0o755}},
	{op: txn.Op{Kind: txn.Mkdir, Path: folder + "/extra/deep", Mode: 0o755}},
	{op: txn.Op{Kind: txn.Place, Path: folder + "/kernel/old.ko", Mode: 0o644}, bytes: "a new module"},
	{op: txn.Op{Kind: txn.Place, Path: folder + "/extra/deep/new.ko", Mode: 0o644}, bytes: "one where nothing was"},
	{op: txn.Op{Kind: txn.Place, Path: folder + "/kernel/same.ko", Mode: 0o644}, bytes: "the same bytes", timed: true},
	{op: txn.Op{Kind: txn.Remove, Path: folder + "/updates/gone.ko"}},
	{op: txn.Op{Kind: txn.Place, Path: "/etc/acme.conf", Mode: 0o640}, bytes: "new conf", timed: true},
	{op: txn.Op{Kind: txn.Remove, Path: "/var/lib/koweld/saved/gone"}},
	{op: txn.Op{Kind: txn.Mkdir, Path: "/var/lib/koweld/packages", Mode: 0o755}},
	{op: txn.Op{Kind: txn.Place, Path: "/var/lib/koweld/packages/acme.json", Mode: 0o644}, bytes: "{}"},
	{op: txn.Op{Kind: txn.Rmdir, Path: folder + "/updates"}},
	{op: txn.Op{Kind: txn.Rmdir, Path: "/var/lib/koweld/saved"}},
	{op: txn.Op{Kind: txn.Rmdir, Path: "/etc"}}, // is not empty: stays
	{op: txn.Op{
		Kind: txn.Depmod, Kernel: kernel, Folder: folder,
		Watch: []string{"kernel/old.ko", "extra/deep/new.ko", "kernel/same.ko"},
	}},
}

// newTree is what is there after the scenario, in the words of [scene.tree].
var newTree = map[string]string{
	"/etc":                               "dir",
	"/etc/acme.conf":                     "0640 new new conf",
	"/lib":                               "dir",
	"/lib/modules":                       "dir",
	folder:                               "dir",
	folder + "/extra":                    "dir",
	folder + "/extra/deep":               "dir",
	folder + "/extra/deep/new.ko":        "0644 now one where nothing was",
	folder + "/kernel":                   "dir",
	folder + "/kernel/old.ko":            "0644 now a new module",
	folder + "/kernel/other.ko":          "0644 old not ours",
	folder + "/kernel/same.ko":           "0644 new the same bytes",
	folder + "/modules.builtin":          "0644 old builtin",
	folder + "/modules.order":            "0644 old order",
	"/var":                               "dir",
	"/var/lib":                           "dir",
	"/var/lib/koweld":                    "dir",
	"/var/lib/koweld/journal":            "dir",
	"/var/lib/koweld/lock":               "0644 old 1",
	"/var/lib/koweld/packages":           "dir",
	"/var/lib/koweld/packages/acme.json": "0644 now {}",
	"the index tells of what is there":   "yes",
	"the journal's folder holds":         "",
	"names that begin with .weld":        "",
}

// setting varies a scene.
type setting struct {
	name string
	// noFlags: the file system has neither RENAME_EXCHANGE nor
	// RENAME_NOREPLACE.
	noFlags bool
	// noIndex: depmod never ran for the kernel.
	noIndex bool
	// lostDepmod: there is no depmod when the run is recovered.
	lostDepmod bool
	// batch: files are made durable in a batch, where the system can.
	batch bool
}

var settings = []setting{
	{name: "with renameat2"},
	{name: "without renameat2", noFlags: true},
	{name: "without an index", noIndex: true},
	{name: "without depmod at recovery", lostDepmod: true},
	{name: "without anything", noFlags: true, noIndex: true, lostDepmod: true},
	{name: "in a batch", batch: true},
}

// scene is a root in which the scenario runs.
type scene struct {
	setting
	t    testing.TB
	dir  string
	root *fsys.Root
	ops  []txn.Op
}

func newScene(t testing.TB, how setting) *scene {
	t.Helper()
	dir, err := os.MkdirTemp(memory(t), "koweld-txn-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &scene{setting: how, t: t, dir: dir}
	for name, file := range oldTree {
		mode, text, _ := strings.Cut(file, " ")
		s.write(name, text)
		var perm fs.FileMode
		_, err := fmt.Sscanf(mode, "%o", &perm)
		require.NoError(t, err)
		require.NoError(t, os.Chmod(s.host(name), perm))
		require.NoError(t, os.Chtimes(s.host(name), oldTime, oldTime))
	}
	require.NoError(t, os.Mkdir(s.host(journal), 0o755))
	s.root, err = fsys.OpenRoot(dir)
	require.NoError(t, err)
	if !how.noIndex {
		_, err = (&depmod{}).Run(t.Context(), tool.Cmd{Path: "depmod", Args: []string{"-b", dir, kernel}})
		require.NoError(t, err)
	}
	s.look()
	return s
}

// look plans the operations from what is there now.
func (s *scene) look() { s.ops = plan(s.t, s.root, os.Getuid(), os.Getgid()) }

// plan plans the scenario's operations from what is there now.
func plan(t testing.TB, fsx fsys.FS, uid, gid int) (ops []txn.Op) {
	for _, c := range changes {
		o := c.op
		o.Watch = slices.Clone(o.Watch)
		if o.Kind == txn.Place {
			o.UID, o.GID = uid, gid
		}
		if o.Kind == txn.Place || o.Kind == txn.Remove {
			info, err := fsx.Lstat(o.Path)
			if err == nil {
				o.Was = txn.See(info)
			} else {
				require.ErrorIs(t, err, fs.ErrNotExist)
			}
			if err != nil && o.Kind == txn.Remove {
				continue
			}
		}
		ops = append(ops, o)
	}
	return ops
}

// memory is a folder in memory if there is one: a test makes thousands of
// trees.
func memory(t testing.TB) string {
	const shm = "/dev/shm"
	if unix.Access(shm, unix.W_OK) == nil {
		return shm
	}
	return t.TempDir()
}

// done frees a scene before the test ends: a test has thousands.
func (s *scene) done() {
	require.NoError(s.t, s.root.Close())
	require.NoError(s.t, os.RemoveAll(s.dir))
}

func (s *scene) host(name string) string { return filepath.Join(s.dir, name) }

func (s *scene) write(name, text string) {
	require.NoError(s.t, os.MkdirAll(filepath.Dir(s.host(name)), 0o755))
	require.NoError(s.t, os.WriteFile(s.host(name), []byte(text), 0o644))
}

// faulty is the root with a fault.
func (s *scene) faulty(f faultfs.Fault) *faultfs.FS {
	x := faultfs.New(s.root, f)
	x.SkipSync = true
	return x
}

// manager works on x, with a depmod that fails and dies as x does.
func (s *scene) manager(x *faultfs.FS) *txn.Manager {
	m := &txn.Manager{FS: x, Tool: &depmod{step: x.Step}, Dir: journal}
	if s.batch {
		m.Batch = 1
	}
	if s.noFlags {
		m.FS = noFlags{x}
	}
	return m
}

// run plays the scenario.
func (s *scene) run(ctx context.Context, m *txn.Manager) error { return play(ctx, m, s.ops) }

// play plays the scenario's operations.
func play(ctx context.Context, m *txn.Manager, ops []txn.Op) error {
	tx, err := m.Begin("acme", ops)
	if err != nil {
		return err
	}
	for i, o := range ops {
		if o.Kind != txn.Place {
			continue
		}
		c := changes[slices.IndexFunc(changes, func(c change) bool { return c.op.Path == o.Path })]
		bytes := content(c.bytes)
		if c.timed {
			bytes.Mtime = newTime
		}
		if _, _, err := tx.Stage(i, bytes); err != nil {
			if aerr := tx.Abort(); aerr != nil {
				return aerr
			}
			return err
		}
	}
	return tx.Commit(ctx)
}

// content is what a Place writes.
func content(text string) txn.Content {
	return txn.Content{Write: func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}}
}

// recover ends what is open, as the next run would.
func (s *scene) recover(f faultfs.Fault) ([]txn.Recovered, *faultfs.FS, error) {
	x := s.faulty(f)
	m := s.manager(x)
	if s.lostDepmod {
		m.Tool = &depmod{lost: true}
	}
	done, err := m.Recover(s.t.Context())
	return done, x, err
}

// tree describes everything below the root: of a file its mode, its time (old,
// new or now) and its bytes. The index counts as right if it tells of the
// modules that are there, or if it is not there and never was.
func (s *scene) tree() map[string]string {
	got := map[string]string{}
	var weld, open []string
	err := filepath.WalkDir(s.dir, func(at string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(at, s.dir)
		switch {
		case err != nil || name == "":
			return err
		case strings.HasPrefix(filepath.Base(name), ".weld"):
			weld = append(weld, name)
			return nil
		case filepath.Dir(name) == journal:
			open = append(open, name)
			return nil
		case d.IsDir():
			got[name] = "dir"
			return nil
		case filepath.Dir(name) == folder && isIndex(name):
			return nil
		}
		info, err := d.Info()
		require.NoError(s.t, err)
		text, err := os.ReadFile(at)
		require.NoError(s.t, err)
		when := "now"
		switch {
		case info.ModTime().Equal(oldTime):
			when = "old"
		case info.ModTime().Equal(newTime):
			when = "new"
		}
		got[name] = fmt.Sprintf("%04o %s %s", info.Mode().Perm(), when, text)
		return nil
	})
	require.NoError(s.t, err)
	got["names that begin with .weld"] = strings.Join(weld, " ")
	got["the journal's folder holds"] = strings.Join(open, " ")
	got["the index tells of what is there"] = s.index()
	return got
}

// index compares the index with what depmod would write now.
func (s *scene) index() string {
	want := indexOf(s.t, s.host(folder))
	entries, err := os.ReadDir(s.host(folder))
	require.NoError(s.t, err)
	got := map[string]string{}
	for _, e := range entries {
		if isIndex(e.Name()) {
			text, err := os.ReadFile(filepath.Join(s.host(folder), e.Name()))
			require.NoError(s.t, err)
			got[e.Name()] = string(text)
		}
	}
	if len(got) == 0 && s.noIndex || fmt.Sprint(got) == fmt.Sprint(want) {
		return "yes"
	}
	return fmt.Sprintf("no, it is %q and not %q", got, want)
}

func isIndex(name string) bool {
	base := filepath.Base(name)
	return strings.HasPrefix(base, "modules.") && base != "modules.order" && base != "modules.builtin"
}

// noFlags is a file system without renameat2(2): a name is moved by two calls,
// and a kill may come between them.
type noFlags struct{ *faultfs.FS }

func (n noFlags) Exchange(a, b string) error {
	return &os.LinkError{Op: "exchange", Old: a, New: b, Err: unix.EINVAL}
}

func (n noFlags) RenameNoReplace(oldname, newname string) error {
	if err := n.Link(oldname, newname); err != nil {
		return err
	}
	return n.Unlink(oldname)
}

// depmod is a depmod. It indexes as the real one does: everything with ".ko"
// in its name, dotfiles too, each index file under another name first.
type depmod struct {
	step func(name string) error // is told of each step; its error ends the run
	lost bool                    // it is not there
	// says is printed, and leaves is a module that is not indexed. The exit
	// code is 0.
	says   string
	leaves string
	runs   int
}

// pid tells the processes of the fake apart, as it does in the names of the
// files that depmod has not renamed yet.
var pid atomic.Int64

func (d *depmod) Look(name string) (string, error) {
	if d.lost {
		return "", &tool.MissingError{Name: name}
	}
	return "/sbin/" + name, nil
}

func (d *depmod) Run(ctx context.Context, c tool.Cmd) (tool.Result, error) {
	if d.lost {
		return tool.Result{}, &tool.MissingError{Name: c.Path}
	}
	if c.Path != "depmod" || len(c.Args) != 3 || c.Args[0] != "-b" {
		return tool.Result{}, fmt.Errorf("the fake depmod does not know %q", c.Args)
	}
	d.runs++
	if err := d.write(ctx, filepath.Join(c.Args[1], "lib/modules", c.Args[2])); err != nil {
		return tool.Result{}, &tool.FailedError{Cmd: c, Code: -1, Err: err}
	}
	return tool.Result{Stderr: []byte(d.says)}, nil
}

func (d *depmod) write(ctx context.Context, dir string) error {
	step := func(name string) error {
		if d.step != nil {
			if err := d.step(name); err != nil {
				return err
			}
		}
		return context.Cause(ctx)
	}
	if err := step("depmod starts"); err != nil {
		return err
	}
	index, id := indexOf(nil, dir), pid.Add(1)
	if d.leaves != "" {
		index["modules.dep"] = strings.ReplaceAll(index["modules.dep"], d.leaves+":\n", "")
	}
	for _, name := range []string{"modules.alias", "modules.dep", "modules.dep.bin"} {
		temp := filepath.Join(dir, fmt.Sprintf("%s.%d.42.99", name, id))
		if err := os.WriteFile(temp, []byte(index[name][:len(index[name])/2]), 0o644); err != nil {
			return err
		}
		if err := step("depmod wrote half of " + name); err != nil {
			return err
		}
		if err := os.WriteFile(temp, []byte(index[name]), 0o644); err != nil {
			return err
		}
		if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
			return err
		}
		if err := step("depmod wrote " + name); err != nil {
			return err
		}
	}
	return nil
}

// indexOf is the index of a folder. That its files are the whole truth is
// seen from the digest in each.
func indexOf(t testing.TB, dir string) map[string]string {
	var dep, all strings.Builder
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".ko") {
			return err
		}
		text, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, at)
		fmt.Fprintf(&dep, "%s:\n", rel)
		fmt.Fprintf(&all, "%s %x\n", rel, sha256.Sum256(text))
		return err
	})
	if t != nil {
		require.NoError(t, err)
	}
	return map[string]string{
		"modules.dep":     dep.String(),
		"modules.alias":   all.String(),
		"modules.dep.bin": "\x00" + dep.String() + all.String(),
	}
}
