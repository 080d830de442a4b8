package txn_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys"
	"koweld/internal/txn"
)

// depmod reads what links below the folder lead to, modules and modules.order.
func TestLinksBelowStayInTheRoot(t *testing.T) {
	tests := []struct {
		name, link, target string
		outside            bool
	}{
		{"a module beside", "kernel/a.ko", "b.ko", false},
		{"a module up in the root", "kernel/a.ko", "../../../../usr/a.ko", false},
		{"a module outside", "kernel/a.ko", "../../../../../outside", true},
		{"an absolute one", "kernel/a.ko", "/lib/modules/b.ko", true},
		{"a folder of modules", "extra", "/usr", true},
		{"an index", "modules.order", "../../../../etc", true},
		{"one that depmod passes by", "build", "/usr/src/linux-headers", false},
		{"that leads nowhere", "extra", "gone", false},
		{"that leads to itself", "extra", "extra", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.MkdirAll(filepath.Join(dir, folder, "kernel"), 0o755))
			require.NoError(t, os.Symlink(tt.target, filepath.Join(dir, folder, tt.link)))
			root, err := fsys.OpenRoot(dir)
			require.NoError(t, err)
			defer root.Close()
			err = txn.StaysInside(root, "depmod", folder, func(link string) bool { return link == folder+"/build" })
			if !tt.outside {
				assert.NoError(t, err)
				return
			}
			var outside *txn.OutsideError
			require.ErrorAs(t, err, &outside)
			assert.Equal(t, folder+"/"+tt.link, outside.Path)
		})
	}
}
