package initramfs

import "strings"

// An assignment to a variable in a script that configures a maker.
type assignment struct {
	key, value string
	appends    bool // key+=value
	computed   bool
}

// parseSettings returns the assignments to the keys. clear says that they are all
// there is: nothing is read, evaluated or assigned in another way.
func parseSettings(script string, keys ...string) (all []assignment, clear bool) {
	known := make(map[string]bool, len(keys))
	for _, key := range keys {
		known[key] = true
	}
	clear = true
	for _, w := range words(script) {
		switch w.text {
		case ".", "source", "eval", hereDocument:
			clear = false
			continue
		}
		key, value, assigns := strings.Cut(w.text, "=")
		key, appends := strings.CutSuffix(key, "+")
		switch {
		case !known[key]:
		case !assigns: // read KEY, printf -v KEY, …
			clear = false
		default:
			all = append(all, assignment{key: key, value: value, appends: appends, computed: w.computed})
			clear = clear && !w.computed
		}
	}
	return all, clear
}

// Setting returns the last value that a script gives to a variable, if it gives
// one. It is certain unless a shell could find another.
func Setting(script []byte, key string) (value string, set, certain bool) {
	all, clear := parseSettings(string(script), key)
	for _, a := range all {
		value, set = a.value, true
	}
	return value, set, clear && !(set && branches(string(script)))
}

// branches reports whether a script may leave out some of its commands.
func branches(script string) bool {
	for _, w := range words(script) {
		switch w.text {
		case "if", "case", "for", "while", "until", "test", "[", "[[", "{", "return", "exit":
			return true
		}
	}
	return strings.Contains(script, "&&") || strings.Contains(script, "||")
}
