package scenario

import (
	"maps"
	"slices"
)

// A scenario is what an admin does, and what must follow, written by hand from
// Policy, chapter 6, deb-postinst(5) and its neighbours, and what koweld promises.
type scenario struct {
	name  string
	start [][]string // what dpkg was told before, which is not looked at
	steps []step
	goal  string // what the admin wants in the end: a version, "removed" or "purged"
	// others are packages, beside the three, that stay until the end.
	others []string
}

// A step is one run of dpkg.
type step struct {
	// lost is a placed file that somebody removes before.
	lost   string
	dpkg   []string
	faults map[string]kind // by the call
	code   int
	calls  []told
	state  state
	// newer is how it ends with dpkg 1.23 and newer, if that is another end.
	newer *outcome
}

// An outcome is what follows from a step.
type outcome struct {
	calls []told
	state state
}

// A told call of a script, and the set that is placed once it has ended.
type told struct {
	call, set string
	// refused is that koweld fails by itself: the packages do not fit each other.
	refused bool
}

// state is what dpkg says of each package that it knows, koweld left out.
type state map[string]string

// all is the state in which the three packages are alike.
func all(what string) state {
	return state{"objects": what, "signatures": what, "modules": what}
}

// but is the state with others for some packages: name, state, ...; "" for none.
func (s state) but(pairs ...string) state {
	s = maps.Clone(s)
	for pair := range slices.Chunk(pairs, 2) {
		if s[pair[0]] = pair[1]; pair[1] == "" {
			delete(s, pair[0])
		}
	}
	return s
}

func debsOf(version string) []string {
	return []string{"+objects-" + version, "+signatures-" + version, "+modules-" + version}
}

func install(version string) []string { return append([]string{"--install"}, debsOf(version)...) }
func unpack(version string) []string  { return append([]string{"--unpack"}, debsOf(version)...) }

func deconfigure(deb string) []string { return []string{"--auto-deconfigure", "--install", deb} }

func installOne(debs ...string) []string { return append([]string{"--install"}, debs...) }

// named is an option of dpkg with the names of packages.
func named(option string, shorts ...string) []string {
	words := []string{option}
	for _, short := range shorts {
		words = append(words, packages[short])
	}
	return words
}

func start(commands ...[]string) [][]string { return commands }

// configureAll is what an admin tries first.
var configureAll = []string{"--configure", "--pending"}

func scenarios() []scenario {
	return slices.Concat(installs, upgrades, removals, withOthers, triggers)
}
