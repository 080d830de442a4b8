package unit_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/internal/store"
	"koweld/internal/unit"
)

func (s *scene) record(pkg string) *store.Record {
	r, err := (&store.Store{FS: s.fs, Dir: unit.StateDir}).Load(pkg)
	require.NoError(s.t, err)
	return r
}

func (s *scene) inode(name string) uint64 {
	info, err := s.fs.Lstat(name)
	require.NoError(s.t, err)
	return info.Ino
}

func TestASecondUnitIsRefusedATarget(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	one := item{path: "updates/one.ko", module: true, text: "a", compress: "none"}
	require.NoError(t, s.install(s.sound(), s.declare("first", "1", []item{one})))
	before := s.tree()

	err := s.install(s.sound(), s.declare("second", "1", []item{one}))

	var refused *unit.TargetError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "the koweld unit first owns it", refused.Reason)
	assert.Equal(t, before, s.tree())
}

func TestAReplacedUnitGivesItsTargets(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	one := item{path: "updates/one.ko", module: true, text: "a", compress: "none"}
	two := item{path: "updates/two.ko", module: true, text: "a", compress: "none"}
	conf := item{path: "/etc/acme/a.conf", text: "a", mode: 0o644}
	s.write(conf.path, "by hand")
	require.NoError(t, s.install(s.sound(), s.declare("first", "1", []item{one, two, conf})))
	inode := s.inode(one.target())

	conf.text = "b"
	require.NoError(t, s.install(s.sound(), s.declare("second", "1", []item{one, conf}, "replaces: [first]")))

	assert.Equal(t, inode, s.inode(one.target()), "what is right already is not formed again")
	first, second := s.record("first"), s.record("second")
	require.Len(t, first.Files, 1)
	assert.Equal(t, two.target(), first.Files[0].Path)
	require.Len(t, second.Files, 2)
	original := second.Find(conf.path).Original
	require.NotNil(t, original)
	assert.Equal(t, unit.StateDir+"/saved/second/etc/acme/a.conf", original.Saved)
	s.verified()

	// It does not take them back, nor does it mind.
	held := s.tree()
	require.NoError(t, s.install(s.sound(), "/in/first/1.yaml"))
	_, err := s.sound().Repair(s.ctx(), nil, unit.Options{})
	require.NoError(t, err)
	assert.Equal(t, held, s.tree())

	require.NoError(t, s.remove(s.sound(), "first"))
	require.NoError(t, s.remove(s.sound(), "second"))
	assert.FileExists(t, s.host(conf.path))
	assert.NoFileExists(t, s.host(one.target()))
	assert.NoDirExists(t, s.host(unit.StateDir+"/packages"))
}

func TestAUnitThatGaveAllIsGone(t *testing.T) {
	s := newScene(t, t.TempDir(), false)
	defer s.close()
	one := item{path: "updates/one.ko", module: true, text: "a", compress: "none"}
	require.NoError(t, s.install(s.sound(), s.declare("first", "1", []item{one})))
	require.NoError(t, s.install(s.sound(), s.declare("second", "1", []item{one}, "replaces: [first, other]")))
	assert.Nil(t, s.record("first"))
	require.NoError(t, s.remove(s.sound(), "first")) // its prerm comes late
	s.verified()
	require.NoError(t, s.remove(s.sound(), "second"))
	assert.NoDirExists(t, s.host("/lib/modules/"+kernel+"/updates"))
}

func TestHandedOverThenRemovedIsIdentity(t *testing.T) {
	check(t, func(t *rapid.T, s *scene) {
		before := s.tree()
		require.NoError(t, s.install(s.sound(), s.declare("first", "1", draw(t, "first"))))
		require.NoError(t, s.install(s.sound(), s.declare("second", "1", draw(t, "second"), "replaces: [first]")))
		s.verified()
		order := rapid.Permutation([]string{"first", "second"}).Draw(t, "order")
		for _, pkg := range order {
			require.NoError(t, s.remove(s.sound(), pkg))
			s.verified()
		}
		assert.Equal(t, before, s.tree())
	})
}
