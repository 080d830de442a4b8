package autoscripts_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// itself is a script of the package koweld.
func itself(t *testing.T, name string) string {
	at, err := filepath.Abs("../koweld." + name)
	require.NoError(t, err)
	return at
}

// What koweld's own scripts do about quirks at each call of dpkg's: what its prerm has
// taken back is made again where the removal is given up.
func TestScriptsOfKoweldItself(t *testing.T) {
	const hold, trigger, end = "koweld reconcile --apt-hook --stage package", "koweld reconcile --apt-hook --stage trigger", "koweld reconcile --take-back"
	tests := []struct {
		script string
		call   []string
		quirks string // "" for nothing
	}{
		{"postinst", []string{"configure", "1"}, hold},
		{"postinst", []string{"triggered", "koweld"}, trigger},
		{"postinst", []string{"abort-remove"}, hold},
		{"postinst", []string{"abort-remove", "in-favour", "other", "2"}, hold},
		{"postinst", []string{"abort-upgrade", "2"}, ""},
		{"postinst", []string{"abort-deconfigure", "in-favour", "other", "2"}, ""},
		{"prerm", []string{"remove"}, end},
		{"prerm", []string{"remove", "in-favour", "other", "2"}, end},
		{"prerm", []string{"upgrade", "2"}, ""},
		{"prerm", []string{"deconfigure", "in-favour", "other", "2"}, ""},
		{"prerm", []string{"failed-upgrade", "1", "2"}, ""},
	}
	eachShell(t, func(t *testing.T, sh []string) {
		for _, tt := range tests {
			r := newRoot(t)
			m := newMachine(t, sh)
			m.fake("koweld", "")
			got := m.run(r, itself(t, tt.script), tt.call...)
			about := []any{"%s %q", tt.script, tt.call}
			assert.Equal(t, result{}, got, about...)
			want := "koweld maintscript " + tt.script + " koweld " + strings.Join(tt.call, " ") + "\n"
			if tt.quirks != "" {
				want += tt.quirks + "\n"
			}
			assert.Equal(t, want, m.logged(), about...)
		}
	})
}

// What quirks leave to be said is no reason for dpkg to fail, and koweld that is gone
// is not missed.
func TestScriptsOfKoweldItselfGoOn(t *testing.T) {
	eachShell(t, func(t *testing.T, sh []string) {
		r := newRoot(t)
		m := newMachine(t, sh)
		m.fake("koweld", "test \"$1\" = maintscript")
		assert.Zero(t, m.run(r, itself(t, "prerm"), "remove").code)
		m.without("koweld")
		assert.Equal(t, result{}, m.run(r, itself(t, "prerm"), "remove"))
	})
}
