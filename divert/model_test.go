package divert_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"koweld/divert"
)

// diverter is dpkg-divert with --no-rename, or what is thought of it.
type diverter interface {
	// add and remove report whether dpkg-divert exits with 0.
	add(s *scene, d divert.Diversion) bool
	remove(s *scene, d divert.Diversion) bool
}

// model is dpkg-divert as diversion_add and diversion_remove of its source read.
type model struct{}

func (model) add(s *scene, d divert.Diversion) bool {
	info, err := os.Lstat(s.host(d.From))
	if d.From == d.To || err == nil && info.IsDir() {
		return false
	}
	for _, e := range s.records {
		if e == d {
			return true
		}
		if e.From == d.From || e.From == d.To || e.To == d.From || e.To == d.To {
			return false
		}
	}
	s.diverts(append(slices.Clone(s.records), d)...)
	return true
}

func (model) remove(s *scene, d divert.Diversion) bool {
	for i, e := range s.records {
		if e.From != d.From {
			continue
		}
		if e != d {
			return false
		}
		s.diverts(slices.Delete(slices.Clone(s.records), i, i+1)...)
		return true
	}
	return true
}

// do carries out a step as a transaction has to: a move replaces nothing, and
// what is unlinked has another name.
func (s *scene) do(t require.TestingT, by diverter, step divert.Step) {
	switch {
	case step.Record != nil:
		require.True(t, by.add(s, *step.Record), "dpkg-divert refuses to %s", step)
	case step.Forget != nil:
		require.True(t, by.remove(s, *step.Forget), "dpkg-divert refuses to %s", step)
	case step.Move != nil:
		require.NoError(t, s.fs.RenameNoReplace(step.Move.From, step.Move.To), "%s", step)
	case step.Unlink != nil:
		a, err := os.Lstat(s.host(step.Unlink.Name))
		require.NoError(t, err)
		b, err := os.Lstat(s.host(step.Unlink.Keep))
		require.NoError(t, err)
		require.True(t, os.SameFile(a, b), "%s", step)
		require.NoError(t, os.Remove(s.host(step.Unlink.Name)))
	default:
		require.Fail(t, "an empty step")
	}
}

// truename is where dpkg has a package's file (namenodetouse in its source).
func (s *scene) truename(pkg, name string) string {
	for _, d := range s.records {
		if d.From == name && (d.Package == "" || d.Package != pkg) {
			return d.To
		}
	}
	return name
}

// unpack puts a package's files where dpkg puts them, and removes those that it
// no longer has; it reports whether dpkg would.
func (s *scene) unpack(pkg, version string, names ...string) bool {
	for _, name := range names {
		for _, d := range s.records {
			if d.To == name {
				return false // "which is the diverted version of"
			}
		}
		for _, other := range s.owners[name] {
			if other != pkg && s.truename(other, name) == s.truename(pkg, name) {
				return false // "which is also in package"
			}
		}
		if info, err := os.Lstat(s.host(s.truename(pkg, name))); err == nil && info.IsDir() {
			return false
		}
	}
	var old []string
	for name, owners := range s.owners {
		if i := slices.Index(owners, pkg); i >= 0 && !slices.Contains(names, name) {
			old = append(old, name)
			s.owners[name] = slices.Delete(slices.Clone(owners), i, i+1)
		}
	}
	s.ships(pkg, names...)
	for _, name := range names {
		temp := s.host("/unpacked")
		text := fmt.Sprintf("%s %s of %s", name, version, pkg)
		require.NoError(s.t, os.WriteFile(temp, []byte(text), 0o644))
		require.NoError(s.t, os.Rename(temp, s.host(s.truename(pkg, name))))
	}
	for _, name := range old {
		// dpkg spares what it has just unpacked by another name.
		gone, err := os.Lstat(s.host(s.truename(pkg, name)))
		if err != nil || slices.ContainsFunc(names, func(name string) bool {
			kept, err := os.Lstat(s.host(s.truename(pkg, name)))
			return err == nil && os.SameFile(gone, kept)
		}) {
			continue
		}
		require.NoError(s.t, os.Remove(s.host(s.truename(pkg, name))))
	}
	return true
}

// discard removes a package as dpkg does.
func (s *scene) discard(pkg string) {
	for name, owners := range s.owners {
		if i := slices.Index(owners, pkg); i >= 0 {
			s.owners[name] = slices.Delete(slices.Clone(owners), i, i+1)
			_ = os.Remove(s.host(s.truename(pkg, name)))
		}
	}
	delete(s.known, pkg)
}

// contents are the files of the folders in which a property plays, by their
// canonical names.
func (s *scene) contents() map[string]string {
	all := map[string]string{}
	for _, dir := range []string{"/usr/bin", "/bin"} {
		entries, err := os.ReadDir(s.host(dir))
		require.NoError(s.t, err)
		for _, e := range entries {
			data, err := os.ReadFile(s.host(dir + "/" + e.Name()))
			require.NoError(s.t, err)
			all[dir+"/"+e.Name()] = string(data)
		}
	}
	return all
}

func TestTheModelOfDpkgDivert(t *testing.T) {
	s := newScene(t, "merged")
	a, b, c := divert.Diversion{From: "/usr/bin/a", To: "/usr/bin/b"}, divert.Diversion{From: "/usr/bin/b", To: "/usr/bin/c"}, divert.Diversion{From: "/usr/bin/c", To: "/usr/bin/b", Package: "p"}
	by := model{}
	require.True(t, by.add(s, a))
	require.True(t, by.add(s, a), "Leaving")
	require.False(t, by.add(s, b), "clashes")
	require.False(t, by.add(s, c), "clashes")
	require.False(t, by.remove(s, divert.Diversion{From: a.From, To: a.To, Package: "p"}), "mismatch on package")
	require.True(t, by.remove(s, b), "No diversion")
	require.True(t, by.remove(s, a))
	require.Empty(t, s.state().Diversions)
}
