package txn_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys/faultfs"
	"koweld/internal/tool"
	"koweld/internal/txn"
)

func TestDepmodThatIsUnhappyTakesBack(t *testing.T) {
	ours := "depmod: ERROR: failed to load symbols from /r/lib/modules/6.1/kernel/old.ko: Invalid argument\n"
	tests := []struct {
		name   string
		depmod *depmod
		err    string
	}{
		{"says something of ours", &depmod{says: "depmod: WARNING: hm\n" + ours}, "cannot index kernel/old.ko: depmod says: " + strings.TrimSpace(ours)},
		{"says something of ours at last", &depmod{says: "depmod: cannot read kernel/same.ko"}, "cannot index kernel/same.ko: depmod says: depmod: cannot read kernel/same.ko"},
		{"leaves ours out", &depmod{leaves: "extra/deep/new.ko"}, "cannot index extra/deep/new.ko: depmod left it out"},
		{"is not there", &depmod{lost: true}, "cannot find program depmod"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, settings[0])
			defer s.done()
			old := s.tree()
			m := s.manager(s.faulty(faultfs.Fault{}))
			m.Tool = tt.depmod
			assert.EqualError(t, s.run(t.Context(), m), tt.err)
			assert.Equal(t, old, s.tree())
		})
	}
}

func TestDepmodMaySpeakOfOthers(t *testing.T) {
	for _, says := range []string{
		"depmod: WARNING: could not open modules.builtin.modinfo at /r/lib/modules/6.1: No such file or directory\n",
		"depmod: ERROR: failed to load symbols from /r/lib/modules/6.1/kernel/other.ko: Invalid argument\n",
		"depmod: ERROR: failed to load symbols from /r/lib/modules/6.1/mykernel/old.ko: Invalid argument\n",
		"depmod: ERROR: failed to load symbols from /r/lib/modules/6.1/kernel/old.ko.xz: Invalid argument\n",
	} {
		s := newScene(t, settings[0])
		m := s.manager(s.faulty(faultfs.Fault{}))
		m.Tool = &depmod{says: says}
		require.NoError(t, s.run(t.Context(), m), says)
		require.Equal(t, newTree, s.tree())
		s.done()
	}
}

// A file among the index files that is no index file of depmod's, or that is
// one and no regular file, is as it was after a run was taken back.
func TestTakingBackKeepsOddIndexFiles(t *testing.T) {
	s := newScene(t, settings[0])
	defer s.done()
	s.write(folder+"/modules.builtin.ranges", "from the kernel's package")
	require.NoError(t, os.Mkdir(s.host(folder+"/modules.d"), 0o755))
	require.NoError(t, os.Rename(s.host(folder+"/modules.alias"), s.host(folder+"/alias")))
	require.NoError(t, os.Symlink("alias", s.host(folder+"/modules.alias")))
	m := s.manager(s.faulty(faultfs.Fault{}))
	m.Tool = &depmod{leaves: "kernel/old.ko"}
	var left *txn.DepmodError
	require.ErrorAs(t, s.run(t.Context(), m), &left)
	assert.FileExists(t, s.host(folder+"/modules.builtin.ranges"))
	assert.DirExists(t, s.host(folder+"/modules.d"))
	text, err := os.Readlink(s.host(folder + "/modules.alias"))
	require.NoError(t, err)
	assert.Equal(t, "alias", text)
}

func TestJudgeIndex(t *testing.T) {
	tests := []struct {
		name, dep string
		watch     []string
		warnings  []string
		err       string
	}{
		{"nothing to look for", "", nil, nil, ""},
		{"there", "kernel/a.ko:\nupdates/acme.ko: kernel/a.ko\n", []string{"updates/acme.ko"}, nil, ""},
		{"compressed", "kernel/a.ko.xz:\n", []string{"kernel/a.ko.xz"}, nil, ""},
		{"without a newline", "kernel/a.ko:", []string{"kernel/a.ko"}, nil, ""},
		{"left out", "kernel/a.ko: updates/b.ko\n", []string{"updates/b.ko"}, nil, "cannot index updates/b.ko: depmod left it out"},
		{"an empty index", "", []string{"a.ko"}, nil, "cannot index a.ko: depmod left it out"},
		{
			"outranked", "updates/dkms/nvidia.ko.zst:\n",
			[]string{"kernel/nvidia.ko"},
			[]string{"modprobe will take updates/dkms/nvidia.ko.zst and not kernel/nvidia.ko"},
			"",
		},
		{
			"a dash is an underscore", "updates/snd_hda.ko:\n",
			[]string{"kernel/snd-hda.ko"},
			[]string{"modprobe will take updates/snd_hda.ko and not kernel/snd-hda.ko"},
			"",
		},
		{"another that begins so", "kernel/acme2.ko:\n", []string{"kernel/acme.ko"}, nil, "cannot index kernel/acme.ko: depmod left it out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			warnings, err := txn.JudgeIndex([]byte(tt.dep), tt.watch)
			assert.Equal(t, tt.warnings, warnings)
			if tt.err != "" {
				assert.EqualError(t, err, tt.err)
			} else {
				assert.NoError(t, err)
			}
		})
	}
}

func FuzzJudgeIndex(f *testing.F) {
	f.Add("kernel/a.ko: kernel/b.ko\nkernel/b.ko:\n", "kernel/a.ko")
	f.Add("updates/a-b.ko.xz:\n", "kernel/a_b.ko")
	f.Add(":", "")
	f.Fuzz(func(t *testing.T, dep, module string) {
		warnings, err := txn.JudgeIndex([]byte(dep), []string{module})
		require.LessOrEqual(t, len(warnings), 1)
		if err != nil {
			require.Empty(t, warnings)
			return
		}
		if len(warnings) == 0 { // then a line really begins with it
			require.Contains(t, "\n"+dep, "\n"+module+":")
		}
	})
}

// FuzzDepmodOutput: what depmod prints decides only by the names in it.
func FuzzDepmodOutput(f *testing.F) {
	f.Add("depmod: ERROR: failed to load symbols from /lib/modules/6.1/kernel/a.ko: Invalid argument\n", "kernel/a.ko")
	f.Add("kernel/a.kokernel/a.ko", "kernel/a.ko")
	f.Add("", "a.ko")
	f.Fuzz(func(t *testing.T, output, module string) {
		if module == "" {
			return
		}
		err := txn.JudgeOutput(output, []string{module})
		if !strings.Contains(output, module) {
			require.NoError(t, err)
		}
		if !strings.ContainsAny(module, " :,;'\"\n") {
			require.Error(t, txn.JudgeOutput(output+"\ndepmod: "+module+": bad\n", []string{module}))
		}
	})
}

// With the real depmod and a real module: it indexes, is outranked, finds
// garbage, and is taken back.
func TestRealDepmod(t *testing.T) {
	if _, err := exec.LookPath("depmod"); err != nil {
		t.Skip("SKIP: the real depmod is not tested, kmod is not installed")
	}
	modules, err := filepath.Glob("../../testdata/acme/package/usr/lib/linux-objects/acme/*/plain.ko")
	require.NoError(t, err)
	require.NotEmpty(t, modules)
	good, err := os.ReadFile(modules[0])
	require.NoError(t, err)

	run := func(s *scene, rel, text string) (*txn.Tx, error) {
		m := &txn.Manager{FS: s.root, Tool: tool.Exec{Environ: tool.Environ(os.Environ())}, Dir: journal}
		tx, err := m.Begin("acme", []txn.Op{
			{Kind: txn.Mkdir, Path: path.Dir(folder + "/" + rel), Mode: 0o755},
			{Kind: txn.Place, Path: folder + "/" + rel, Mode: 0o644, UID: os.Getuid(), GID: os.Getgid()},
			{Kind: txn.Depmod, Kernel: kernel, Folder: folder, Watch: []string{rel}},
		})
		require.NoError(t, err)
		_, _, err = tx.Stage(1, content(text))
		require.NoError(t, err)
		return tx, tx.Commit(t.Context())
	}
	bare := func() *scene {
		s := newScene(t, setting{noIndex: true})
		require.NoError(t, os.RemoveAll(s.host(folder)))
		s.write(folder+"/modules.order", "")
		s.write(folder+"/modules.builtin", "")
		return s
	}

	t.Run("indexes and warns", func(t *testing.T) {
		s := bare()
		defer s.done()
		tx, err := run(s, "kernel/acme.ko", string(good))
		require.NoError(t, err)
		assert.Empty(t, tx.Warnings)
		dep, err := os.ReadFile(s.host(folder + "/modules.dep"))
		require.NoError(t, err)
		assert.Equal(t, "kernel/acme.ko:", strings.TrimSpace(string(dep)))

		tx, err = run(s, "updates/acme.ko", string(good))
		require.NoError(t, err)
		assert.Empty(t, tx.Warnings)
		tx, err = run(s, "extra/acme.ko", string(good))
		require.NoError(t, err)
		assert.Equal(t, []string{"modprobe will take updates/acme.ko and not extra/acme.ko"}, tx.Warnings)
	})
	t.Run("garbage is taken back", func(t *testing.T) {
		s := bare()
		defer s.done()
		_, err := run(s, "kernel/good.ko", string(good))
		require.NoError(t, err)
		before := map[string]string{}
		for _, name := range []string{"modules.dep", "modules.dep.bin", "modules.symbols"} {
			text, err := os.ReadFile(s.host(folder + "/" + name))
			require.NoError(t, err)
			before[name] = string(text)
		}
		_, err = run(s, "kernel/junk.ko", "this is no module")
		var refused *txn.DepmodError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "kernel/junk.ko", refused.Module)
		for name, text := range before {
			now, err := os.ReadFile(s.host(folder + "/" + name))
			require.NoError(t, err)
			assert.Equal(t, text, string(now), name)
		}
		assert.NoFileExists(t, s.host(folder+"/kernel/junk.ko"))
	})
}
