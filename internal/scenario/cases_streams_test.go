package scenario

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// streams are the packages of modules as two streams of one driver, the second of
// the higher priority, and the userspace of the first.
func streams(l *lab, t *testing.T) []deb {
	user := packages["user"]
	of := func(manifest, provides string) string {
		return strings.Replace(manifest, "koweld: 1\n", "koweld: 1\nprovides: {group: acme, "+provides+"}\n", 1)
	}
	manifest := func(short, text string) map[string]string {
		return map[string]string{"usr/share/koweld/manifests/" + packages[short] + ".yaml": text}
	}
	return []deb{
		{
			short: "modules", version: "3.0", flavour: "stream", scripts: true,
			files: manifest("modules", of(l.manifestOf(t, "3.0"), `version: "535.1", priority: 1`)+"userspace: ["+user+"]\n"),
			// As dh_koweld writes it: each package has this folder (Policy, 12.5).
			triggers: "interest-noawait /usr/share/doc/" + user + "\n",
		},
		{
			short: "second", version: "1.0", flavour: "stream", scripts: true,
			files: manifest("second", of(l.secondManifest(t), `version: "550.1", priority: 2`)),
		},
		{
			short: "user", version: "535.1", scripts: true,
			files: map[string]string{"usr/share/doc/" + user + "/copyright": "none\n"},
		},
	}
}

// TestUserspaceChooses installs and removes what the active stream depends on,
// after the streams.
func TestUserspaceChooses(t *testing.T) {
	eachCase(t, func(s *scene) {
		active := func(short, when string) {
			s.t.Helper()
			code, said := s.call("status")
			assert.Zero(s.t, code, "%s: %s", when, said)
			for _, other := range []string{"modules", "second"} {
				want := "ready"
				if other == short {
					want = "active"
				}
				assert.Regexp(s.t, "(?m)^"+packages[other]+" [0-9.]+: "+want+",", said, when)
			}
			s.verifies(when)
		}
		s.must("--install", "+objects-3.0", "+signatures-3.0", "+modules-3.0-stream", "+second-1.0-stream")
		active("second", "by priority")
		s.must("--install", "+user-535.1")
		active("modules", "its userspace came")
		s.must(named("--purge", "user")...)
		active("second", "the userspace went")
		s.must("--install", "+user-535.1")
		s.must(named("--purge", "modules")...)
		code, said := s.call("status")
		assert.Zero(s.t, code)
		assert.Regexp(s.t, "(?m)^"+packages["second"]+" 1.0: active,", said)
		s.must(named("--purge", "second", "user", "objects", "signatures")...)
		s.asBefore("purged")
	})
}
