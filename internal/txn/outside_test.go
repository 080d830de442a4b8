package txn_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys"
	"koweld/internal/tool"
	"koweld/internal/txn"
)

// ranTool notes that a program ran.
type ranTool struct {
	tool.Exec
	ran bool
}

func (r *ranTool) Run(context.Context, tool.Cmd) (tool.Result, error) {
	r.ran = true
	return tool.Result{}, nil
}

// depmod knows nothing of roots: where a link of the root would lead it to the
// host's modules it must not run.
func TestDepmodStaysInTheRoot(t *testing.T) {
	tests := []struct {
		name, lib string
		inside    bool
	}{
		{"merged", "usr/lib", true},
		{"relative by way of the root", "../lib-of-usr", false},
		{"round about", "./usr/../usr/lib", true},
		{"absolute", "/usr/lib", false},
		{"chain that ends in an absolute one", "second", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "usr/lib/modules", kernel), 0o755))
			require.NoError(t, os.Symlink("usr/lib", filepath.Join(dir, "lib-of-usr")))
			require.NoError(t, os.Symlink("/usr/lib", filepath.Join(dir, "second")))
			require.NoError(t, os.Symlink(tt.lib, filepath.Join(dir, "lib")))
			root, err := fsys.OpenRoot(dir)
			require.NoError(t, err)
			defer root.Close()

			depmod := &ranTool{}
			m := &txn.Manager{FS: root, Tool: depmod, Dir: "/journal"}
			tx, err := m.Begin("unit", []txn.Op{
				{Kind: txn.Place, Path: folder + "/a.ko", Mode: 0o644, UID: os.Getuid(), GID: os.Getgid()},
				{Kind: txn.Depmod, Kernel: kernel, Folder: folder},
			})
			require.NoError(t, err)
			_, _, err = tx.Stage(0, txn.Content{Write: func(w io.Writer) error {
				_, err := w.Write([]byte("module"))
				return err
			}})
			require.NoError(t, err)
			err = tx.Commit(t.Context())
			assert.Equal(t, tt.inside, depmod.ran)
			if tt.inside {
				assert.NoError(t, err)
				return
			}
			var outside *txn.OutsideError
			require.ErrorAs(t, err, &outside)
			assert.NotEmpty(t, outside.Hint())
			assert.NoFileExists(t, filepath.Join(dir, "usr/lib/modules", kernel, "a.ko"))
		})
	}
}
