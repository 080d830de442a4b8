package unit_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/fsys"
	"koweld/internal/unit"
)

// The columns of dpkg -V are S M 5 D L U G T P.
func TestVerifySaysWhichChecksFail(t *testing.T) {
	flip := func(t *testing.T, name string) {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		data[0] ^= 1
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, data, 0o644))
		require.NoError(t, os.Chtimes(name, info.ModTime(), info.ModTime()))
	}
	touch := func(t *testing.T, name string) {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.NoError(t, os.Chtimes(name, info.ModTime(), info.ModTime().Add(1)))
	}
	tests := []struct {
		name   string
		damage func(t *testing.T, name string)
		want   string // "": no difference
	}{
		{"nothing", func(*testing.T, string) {}, ""},
		{"gone", func(t *testing.T, name string) { require.NoError(t, os.Remove(name)) }, unit.Missing},
		{"another byte", flip, "..5??...?"},
		{"another byte and time", func(t *testing.T, name string) { flip(t, name); touch(t, name) }, "..5??..T?"},
		{"a time alone", touch, ""},
		{"cut short", func(t *testing.T, name string) {
			require.NoError(t, os.Truncate(name, 1))
			require.NoError(t, os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)))
		}, "S.5??..T?"},
		{"another mode", func(t *testing.T, name string) { require.NoError(t, os.Chmod(name, 0o600)) }, ".M.??...?"},
		{"a sticky bit", func(t *testing.T, name string) { require.NoError(t, os.Chmod(name, 0o644|os.ModeSticky)) }, ".M.??...?"},
		{"another mode and byte", func(t *testing.T, name string) {
			flip(t, name)
			require.NoError(t, os.Chmod(name, 0o600))
		}, ".M5??...?"},
		{"a link", func(t *testing.T, name string) {
			require.NoError(t, os.Rename(name, name+".x"))
			require.NoError(t, os.Symlink(name+".x", name))
		}, "?M???????"},
		{"a folder", func(t *testing.T, name string) {
			require.NoError(t, os.Remove(name))
			require.NoError(t, os.Mkdir(name, 0o755))
		}, "?M???????"},
		{"a folder above is gone", func(t *testing.T, name string) {
			require.NoError(t, os.RemoveAll(filepath.Dir(name)))
		}, unit.Missing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, t.TempDir(), true)
			defer s.close()
			require.NoError(t, s.install(s.sound(), s.declare("acme", "1", []item{
				{path: "/opt/acme/acme.conf", text: "options", mode: 0o644},
			})))
			tt.damage(t, s.host("/opt/acme/acme.conf"))
			all, err := s.sound().Verify(t.Context(), nil)
			require.NoError(t, err)
			require.Len(t, all, 1)
			if tt.want == "" {
				assert.Empty(t, all[0].Differences)
			} else if assert.Len(t, all[0].Differences, 1) {
				assert.Equal(t, tt.want, all[0].Differences[0].Checks)
			}
		})
	}
}

// vanishing lists a record that another run removes before it is read.
type vanishing struct{ fsys.FS }

func (v vanishing) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := v.FS.ReadDir(name)
	for _, e := range entries {
		if e.Name() == "goes.json" {
			return entries, errors.Join(err, v.FS.Unlink(name+"/goes.json"))
		}
	}
	return entries, err
}

// What another run removes while all are read is no error.
func TestAllButWhatGoesMeanwhile(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	require.NoError(t, s.install(s.sound(), s.declare("acme", "1", []item{{path: "/opt/acme/acme.conf", text: "options", mode: 0o644}})))
	record, err := os.ReadFile(s.host("/var/lib/koweld/packages/acme.json"))
	require.NoError(t, err)
	racing := func() *unit.System {
		s.write("/var/lib/koweld/packages/goes.json", string(record))
		sys := s.sound()
		sys.FS = vanishing{sys.FS}
		return sys
	}
	states, err := racing().Status(nil)
	require.NoError(t, err)
	assert.Len(t, states, 1)
	all, err := racing().Verify(t.Context(), nil)
	require.NoError(t, err)
	assert.Len(t, all, 1)
	_, err = racing().Verify(t.Context(), []string{"goes", "other"})
	require.ErrorContains(t, err, "cannot find a record of other")
}
