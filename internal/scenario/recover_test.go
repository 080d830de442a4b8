package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tries is how often an admin does the same again before they give up.
const tries = 4

// converge does what an admin does who wants the scenario's goal: what is pending
// is configured, what dpkg wants reinstalled or removed is.
func (s *scene) converge(sc scenario, what string) {
	t := s.t
	t.Helper()
	var said string
	for range tries {
		if s.reached(sc) {
			return
		}
		if _, said = s.dpkg(configureAll...); s.reached(sc) {
			return
		}
		_, more := s.dpkg(sc.again(s.state())...)
		said += more
	}
	require.Fail(t, "it does not converge", "%s: %v, %s%s", what, s.state(), said, s.audit())
}

// again is the command by which the goal is asked for. What dpkg wants to be
// reinstalled before it goes is.
func (sc scenario) again(now state) []string {
	for _, other := range sc.others {
		if now[other] != "installed 1.0" {
			return deconfigure("+" + other + "-1.0")
		}
	}
	for short, state := range now {
		if strings.Contains(state, "reinstreq") && isAnother(short) && !slices.Contains(sc.others, short) {
			return append([]string{"--force-remove-reinstreq"}, named("--purge", short)...)
		}
	}
	for _, short := range three {
		words := strings.Fields(now[short])
		if sc.placed() == "none" && slices.Contains(words, "reinstreq") {
			return installOne("+" + short + "-" + sc.lastVersion(short, words[len(words)-1]))
		}
	}
	// What dpkg was about to remove goes, once nothing depends on it.
	if goes := removing(now); sc.placed() == "none" && isGone(now["modules"]) && len(goes) > 0 {
		return named("--purge", goes...)
	}
	switch sc.goal {
	case "removed":
		return named("--remove", "modules")
	case "purged":
		return named("--purge", "modules")
	}
	words := []string{"--install"}
	for _, short := range three {
		// Another package may have taken the place of one.
		if !(short == "signatures" && now["heir"] != "") {
			words = append(words, fmt.Sprintf("+%s-%s", short, sc.goal))
		}
	}
	return words
}

// three are the packages that scenarios are about, in the order of their
// dependencies.
var three = []string{"objects", "signatures", "modules"}

// isAnother reports whether a package is none of the three.
func isAnother(short string) bool { return !slices.Contains(three, short) }

// lastVersion is the last one of a package that an admin has asked for: dpkg may be
// on its way from the recorded one to it, and files of both be there.
func (sc scenario) lastVersion(short, recorded string) string {
	version := recorded
	for _, st := range sc.steps {
		for _, word := range st.dpkg {
			if v, found := strings.CutPrefix(word, "+"+short+"-"); found {
				version = v
			}
		}
	}
	return version
}

// removing are those of the three that dpkg was killed over as it removed them.
func removing(now state) (shorts []string) {
	for _, short := range three {
		if strings.HasPrefix(now[short], "half-") {
			shorts = append(shorts, short)
		}
	}
	return shorts
}

// isGone reports whether nothing but settings is left of a package.
func isGone(state string) bool { return state == "" || strings.HasPrefix(state, "config-files ") }

// placed is the set that is placed when the goal is reached.
func (sc scenario) placed() string {
	if sc.goal == "removed" || sc.goal == "purged" {
		return "none"
	}
	return sc.goal
}

// reached reports whether dpkg is content and the packages are as wanted.
func (s *scene) reached(sc scenario) bool {
	s.t.Helper()
	now := s.state()
	for _, other := range sc.others {
		if now[other] != "installed 1.0" {
			return false
		}
	}
	modules := now["modules"]
	switch sc.goal {
	case "removed":
		if !isGone(modules) {
			return false
		}
	case "purged":
		if modules != "" {
			return false
		}
	default:
		if modules != "installed "+sc.goal {
			return false
		}
	}
	return s.audit() == ""
}

// goes purges everything but koweld, after which the root is what it was before.
func (s *scene) goes(sc scenario, what string) {
	t := s.t
	t.Helper()
	now, err := s.look()
	require.NoError(t, err)
	assert.Equal(t, sc.placed(), now.set, "%s: in the end", what)
	assert.Empty(t, now.strange, "%s: in the end", what)
	assert.Empty(t, slices.Concat(now.stale, now.unindexed), "%s: depmod's index in the end", what)
	assert.False(t, now.open, "%s: a journal in the end", what)
	assert.False(t, s.isPending(), "%s: something is pending in the end", what)
	words := []string{"--purge"}
	for short := range s.state() {
		words = append(words, packages[short])
	}
	if len(words) > 1 {
		code, said := s.dpkg(words...)
		require.Zero(t, code, "%s: %s", what, said)
	}
	require.Empty(t, s.state(), what)
	require.Empty(t, s.audit(), what)
	left := withoutBackups(s.tree().withoutState().since(s.base.withoutState()))
	assert.Empty(t, left, "%s: what is left, or gone", what)
}

// withoutBackups leaves out what a dpkg that was killed while it unpacked has kept
// of an old file or begun of a new one, and never looks at again, with the folders
// that it lies in.
func withoutBackups(left []string) []string {
	name := func(line string) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "+"), " ")
		return name
	}
	var backups []string
	for _, line := range left {
		dpkgs := strings.HasSuffix(name(line), ".dpkg-tmp") || strings.HasSuffix(name(line), ".dpkg-new")
		if dpkgs && strings.HasPrefix(line, "+") {
			backups = append(backups, name(line))
		}
	}
	return slices.DeleteFunc(left, func(line string) bool {
		return slices.ContainsFunc(backups, func(b string) bool {
			return b == name(line) || strings.HasPrefix(b, name(line)+"/")
		})
	})
}
