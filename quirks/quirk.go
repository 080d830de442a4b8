package quirks

import (
	"slices"

	"koweld/manifest"
)

// Quirk is one quirk, with its variables replaced.
type Quirk struct {
	ID    string
	Title string
	Bugs  []string
	// Package ships it, and holds its diversions unless they say otherwise; ""
	// for the administrator's.
	Package string
	File    string // as given to Parse; for messages
	Pos     manifest.Pos
	// Arch is what it was expanded for, of a quirk for each architecture; "" of
	// any other.
	Arch string
	// Off says that the administrator has switched it off: it is as if it were
	// gone.
	Off bool
	// RetireAfter is the day (2006-01-02) after which it is of no use; "" for never.
	RetireAfter string
	Scope       Condition // nil: it is for every system
	Keep        *Keep     // nil: it keeps nothing
	Cleanup     []Cleanup
}

// Key tells the quirk from those that the same document gives for other
// architectures: it is what its record is kept under.
func (q *Quirk) Key() string {
	if q.Arch == "" {
		return q.ID
	}
	return q.ID + ":" + q.Arch
}

// Keep is the invariant: the actions hold exactly while the condition does.
type Keep struct {
	When Condition
	Do   []Action
}

// Cleanup is what is done once, when the condition holds at one of the stages,
// and again until it is done.
type Cleanup struct {
	ID   string
	At   []Stage
	When Condition
	Do   []Action
}

// Action is something to do, and what must hold before it is done first.
type Action struct {
	Do      Doing
	Require []Condition
	Pos     manifest.Pos
}

// Doing is what an action does. There is a closed set of them.
type Doing interface {
	// String is the action in words.
	String() string
	name() string
	need(n *Needs)
}

// Stage is an occasion on which quirks are decided.
type Stage string

// The stages.
const (
	// PreUnpack: apt has decided what to unpack and dpkg has not begun.
	PreUnpack Stage = "pre-unpack"
	// UpgradeStart: a release upgrader has marked what it wants. It may say so
	// several times, and may only be trying.
	UpgradeStart Stage = "upgrade-start"
	// InPackage: in a maintainer script.
	InPackage Stage = "package"
	// Trigger: in koweld's own, by a trigger of dpkg's.
	Trigger Stage = "trigger"
	// TransactionEnd: dpkg has ended, well or not.
	TransactionEnd Stage = "transaction-end"
	// UpgradeEnd: a release upgrader has.
	UpgradeEnd Stage = "upgrade-end"
	Boot       Stage = "boot"
	Manual     Stage = "manual"
	// TakeBack: koweld is being removed. There is no quirk any more, and nobody looks
	// after what was done for one: what a package has of a diversion goes back to
	// where dpkg lists it.
	TakeBack Stage = "take-back"
)

// Stages lists those that can be told, and at which a cleanup may be done.
var Stages = []Stage{PreUnpack, UpgradeStart, InPackage, Trigger, TransactionEnd, UpgradeEnd, Boot, Manual}

// atRest are those of them at which no package is under way.
var atRest = []Stage{TransactionEnd, UpgradeEnd, Boot, Manual}

// IsAtRest reports whether no package is under way at the stage: only then are
// files removed that nobody has.
func (s Stage) IsAtRest() bool { return s == TakeBack || slices.Contains(atRest, s) }

// may says at which stages an action acts.
func may(action string) []Stage {
	switch action {
	case "abort":
		return []Stage{PreUnpack}
	case "remove_stale":
		return atRest
	case "mirror", "trigger":
		return append([]Stage{InPackage, Trigger}, atRest...)
	}
	return Stages
}
