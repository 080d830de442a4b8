package quirks

import "fmt"

// Divert has dpkg divert a name, as long as the condition holds.
type Divert struct {
	From, To string
	Package  string // who holds it; "" for a local diversion
	Move     bool   // the file goes along
	// MoveWhen is whether it does, for one that goes along at times only; nil for
	// any other.
	MoveWhen Condition
	Undo     Undo
	// Protected says that it keeps the aliased spelling of a name safe (DEP17,
	// M8): the name is given as it is, and nothing is moved.
	Protected bool
}

// Undo says what becomes of the files when a diversion ends.
type Undo struct {
	Target Fate `json:"target"` // of the file that it is diverted to
	Stale  Fate `json:"stale"`  // of the file that was left behind at the name
}

// Fate is what becomes of a file.
type Fate string

// The fates.
const (
	Leave    Fate = "leave"
	MoveBack Fate = "move-back" // of the target only
	// DeleteOrphan deletes it once nobody has it: no package ships the place, none
	// has it by a diversion, its package is gone or in another version, and the
	// bytes are those that were recorded.
	DeleteOrphan Fate = "delete-if-orphan"
)

// Mirror keeps a second name of a file.
type Mirror struct {
	From, To string
	Link     bool // a hard link, else a copy
}

// Message tells people something.
type Message struct {
	Level string `json:"level"` // info or warning
	Text  string `json:"text"`
}

// Levels of messages.
var Levels = []string{"info", "warning"}

// Abort refuses the transaction that begins.
type Abort struct{ Text string }

// Redivert records a diversion anew under another target or holder. No file is
// moved.
type Redivert struct {
	From, Was, To       string
	WasPackage, Package string // "" for local
}

// Release ends a diversion whose holder is gone, or a local one.
type Release struct {
	From, To string
	Package  string // "" for local
	Move     bool   // the file comes back
}

// RemoveStale removes a file that is of no use any more.
type RemoveStale struct {
	Path string
	Keep string // the good one, which stays; "" if there is none
	// Verified says that Keep must have the bytes that its package has for it.
	Verified bool
	// Differs says that the bytes of both must differ; SHA256 are those that the
	// file may have, nil for any.
	Differs bool
	SHA256  []string
}

// Activate activates a trigger of dpkg's.
type Activate struct{ Trigger string }

func (a Divert) name() string {
	if a.Protected {
		return "protect"
	}
	return "divert"
}
func (Mirror) name() string      { return "mirror" }
func (Message) name() string     { return "message" }
func (Abort) name() string       { return "abort" }
func (Redivert) name() string    { return "redivert" }
func (Release) name() string     { return "release" }
func (RemoveStale) name() string { return "remove_stale" }
func (Activate) name() string    { return "trigger" }

func (a Divert) diversion() Diversion { return Diversion{a.From, a.To, a.Package} }

func (a Divert) String() string {
	if a.Protected {
		return "protect " + a.diversion().String()
	}
	return "divert " + a.diversion().String()
}

func (a Mirror) String() string {
	if a.Link {
		return "link " + a.From + " to " + a.To
	}
	return "copy " + a.From + " to " + a.To
}
func (a Message) String() string { return a.Level + ": " + a.Text }
func (a Abort) String() string   { return "refuse: " + a.Text }

func (a Redivert) was() Diversion { return Diversion{a.From, a.Was, a.WasPackage} }
func (a Redivert) is() Diversion  { return Diversion{a.From, a.To, a.Package} }

func (a Redivert) String() string {
	return fmt.Sprintf("divert %s instead of %s", a.is(), a.was())
}

func (a Release) String() string {
	if a.To == "" {
		return "release " + a.From + ", " + Diversion{Package: a.Package}.holder()
	}
	return "release " + Diversion{a.From, a.To, a.Package}.String()
}

func (a RemoveStale) String() string {
	if a.Keep == "" {
		return "remove " + a.Path
	}
	return "remove " + a.Path + " and keep " + a.Keep
}
func (a Activate) String() string { return "activate the trigger " + a.Trigger }
