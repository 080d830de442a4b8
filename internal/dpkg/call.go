package dpkg

import (
	"fmt"
	"slices"
	"strings"
)

// Script is one of the maintainer scripts that a package may have.
type Script string

// The scripts that dpkg calls when it changes a package (deb-postinst(5) and
// its neighbours).
const (
	Preinst  Script = "preinst"
	Postinst Script = "postinst"
	Prerm    Script = "prerm"
	Postrm   Script = "postrm"
)

// Scripts lists them, in the order of a package's life.
var Scripts = []Script{Preinst, Postinst, Prerm, Postrm}

// Call is one call of a maintainer script by dpkg (Policy 6.5 to 6.8).
type Call struct {
	Script Script
	Action string   // the first argument, e.g. "configure"; "" if there is none
	Args   []string // those behind it
}

// String is the call as a log of dpkg would have it.
func (c Call) String() string {
	words := append([]string{string(c.Script), c.Action}, c.Args...)
	return strings.TrimSpace(strings.Join(words, " "))
}

// ScriptError says that dpkg has no such maintainer script.
type ScriptError struct {
	Name string
}

func (e *ScriptError) Error() string {
	return fmt.Sprintf("cannot act for %q: it is no maintainer script", e.Name)
}

// Hint says what there is.
func (e *ScriptError) Hint() string { return "it is preinst, postinst, prerm or postrm" }

// ParseCall takes the name of a script and the arguments that dpkg gave it.
// Which actions there are is not checked: a later dpkg may have others. The
// error is a *ScriptError.
func ParseCall(script string, args []string) (Call, error) {
	c := Call{Script: Script(script)}
	if !slices.Contains(Scripts, c.Script) {
		return Call{}, &ScriptError{Name: script}
	}
	if len(args) > 0 {
		c.Action, c.Args = args[0], args[1:]
	}
	return c, nil
}
