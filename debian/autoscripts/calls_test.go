package autoscripts_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Every call that dpkg makes, with koweld and without.
func TestCalls(t *testing.T) {
	const (
		does   = iota // calls koweld and ends as it does
		alone         // without koweld goes on, and says so
		quiet         // without koweld goes on
		shell         // with koweld calls it; without, or if it fails, the shell does it
		ignore        // does nothing
	)
	tests := []struct {
		script string
		call   []string
		what   int
	}{
		{"postinst", []string{"configure", ""}, does},
		{"postinst", []string{"configure", "1.0-1"}, does},
		{"postinst", []string{"triggered", "/usr/lib/linux-objects/acme /usr/lib/linux-signatures/acme"}, does},
		{"postinst", []string{"abort-upgrade", "1.0-2"}, alone},
		{"postinst", []string{"abort-remove"}, alone},
		{"postinst", []string{"abort-remove", "in-favour", "other", "2"}, alone},
		{"postinst", []string{"abort-deconfigure", "in-favour", "other", "2", "removing", "third", "3"}, alone},
		{"postinst", []string{"of-a-later-dpkg"}, alone},
		{"prerm", []string{"upgrade", "1.0-2"}, quiet},
		{"prerm", []string{"failed-upgrade", "1.0-1", "1.0-2"}, quiet},
		{"prerm", []string{"deconfigure", "in-favour", "other", "2"}, quiet},
		{"prerm", []string{"remove"}, alone},
		{"prerm", []string{"remove", "in-favour", "other", "2"}, alone},
		{"prerm", []string{"of-a-later-dpkg"}, quiet},
		{"postrm", []string{"remove"}, shell},
		{"postrm", []string{"purge"}, shell},
		{"postrm", []string{"disappear", "other", "2"}, shell},
		{"postrm", []string{"upgrade", "1.0-2"}, ignore},
		{"postrm", []string{"failed-upgrade", "1.0-1", "1.0-2"}, ignore},
		{"postrm", []string{"abort-install"}, ignore},
		{"postrm", []string{"abort-install", "1.0-1", "1.0-2"}, ignore},
		{"postrm", []string{"abort-upgrade", "1.0-1", "1.0-2"}, ignore},
		{"postrm", []string{"of-a-later-dpkg"}, ignore},
		{"postrm", nil, ignore},
	}
	eachShell(t, func(t *testing.T, sh []string) {
		for _, tt := range tests {
			called := "koweld maintscript " + tt.script + " " + pkg
			for _, arg := range tt.call {
				called += " " + arg
			}
			called += "\n"
			at := script(t, tt.script, pkg)
			for _, koweld := range []string{"works", "fails", "is missing"} {
				r := newRoot(t, merged...)
				before := snapshot(t, r.dir)
				r.place(acme, "acme")
				r.recorded()
				placed := snapshot(t, r.dir)
				m := newMachine(t, sh)
				m.fake("depmod", ">&2 echo made an index")
				switch koweld {
				case "works":
					m.fake("koweld", ">&2 echo from koweld")
				case "fails":
					m.fake("koweld", ">&2 echo from koweld; exit 3")
				}
				got := m.run(r, at, tt.call...)
				logged := m.logged()
				end := snapshot(t, r.dir)
				about := []any{"%s %q, koweld %s", tt.script, tt.call, koweld}
				byShell := tt.what == shell && koweld != "works"
				if byShell {
					sameTree(t, before, end, about...)
					assert.Contains(t, got.said, "made an index\n", about...)
				} else {
					sameTree(t, placed, end, about...)
				}
				switch {
				case tt.what == ignore:
					assert.Equal(t, result{}, got, about...)
					assert.Empty(t, logged, about...)
				case koweld == "works":
					assert.Equal(t, result{0, "from koweld\n"}, got, about...)
					assert.Equal(t, called, logged, about...)
				case byShell:
					assert.Zero(t, got.code, about...)
				case koweld == "fails":
					assert.Equal(t, result{3, "from koweld\n"}, got, about...)
					assert.Equal(t, called, logged, about...)
				case tt.what == does:
					assert.NotZero(t, got.code, about...)
					assert.NotEmpty(t, got.said, about...)
				case tt.what == alone:
					assert.Zero(t, got.code, about...)
					assert.Regexp(t, "^koweld: warning: koweld is not installed: .*"+pkg+".*\n$", got.said, about...)
				default:
					assert.Equal(t, result{}, got, about...)
				}
			}
		}
	})
}
