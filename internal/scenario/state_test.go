package scenario

import (
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
)

// state asks dpkg for the state of each package.
func (s *scene) state() state {
	s.t.Helper()
	code, said := s.run("dpkg-query", "--admindir="+filepath.Join(s.root, "var/lib/dpkg"),
		"--show", "--showformat", "${Package}\t${db:Status-Status}\t${db:Status-Eflag}\t${Version}\n")
	require.Zero(s.t, code, said)
	found := state{}
	for line := range strings.Lines(said) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(s.t, words, 4, line)
		short := callName(words[:1])
		if words[1] == "not-installed" || short == "koweld" {
			continue
		}
		text := words[1]
		if words[2] != "ok" {
			text += " " + words[2]
		}
		found[short] = text + " " + words[3]
	}
	return found
}

// audit is what dpkg finds wrong.
func (s *scene) audit() string {
	s.t.Helper()
	_, said := s.dpkg("--audit")
	return said
}
