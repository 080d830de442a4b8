package divert_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/divert"
	"koweld/internal/fsys/realfs"
)

func TestPlanTellsACopyFromAMove(t *testing.T) {
	s := newScene(t, "split")
	realfs.New(t, realfs.Tmpfs, s.host("/opt"), 16, 16)
	s.file(x, "x")
	w := divert.Want{From: x, To: "/opt/x"}
	steps, err := s.plan(w)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"record the local diversion of /usr/bin/x to /opt/x",
		"copy /usr/bin/x to /opt/x on another file system, and unlink it",
	}, lines(steps))
	s.diverts(divert.Diversion{From: x, To: "/opt/x"})
	s.file("/opt/x", "other's")
	s.file(x, "intruder")
	w.Absent, w.Save = true, true
	steps, err = s.plan(w)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"move /usr/bin/x to /usr/bin/x.koweld-saved-1",
		"copy /opt/x to /usr/bin/x on another file system, and unlink it",
		"forget the local diversion of /usr/bin/x to /opt/x",
	}, lines(steps))
}
