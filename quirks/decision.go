package quirks

import "time"

// Decision is what a quirk asks for now: wanted states, which may be so already,
// and things to do once.
type Decision struct {
	Quirk string `json:"quirk"` // its key
	Title string `json:"title,omitempty"`
	File  string `json:"file,omitempty"`
	// RetireAfter is the day after which the quirk is of no use.
	RetireAfter string `json:"retireAfter,omitempty"`
	Stage       Stage  `json:"stage"`
	State       State  `json:"state"`
	// Why says in words why it is in that state.
	Why   string  `json:"why"`
	Scope *Reason `json:"scope,omitempty"`
	When  *Reason `json:"when,omitempty"`
	// Wants are to hold, in their order: those that end come first.
	Wants   []Want         `json:"wants,omitempty"`
	Mirrors []MirrorWant   `json:"mirrors,omitempty"`
	Remove  []Removal      `json:"remove,omitempty"`
	Trigger []string       `json:"trigger,omitempty"`
	Say     []Message      `json:"say,omitempty"`
	Abort   []string       `json:"abort,omitempty"`
	Cannot  []Cannot       `json:"cannot,omitempty"`
	Cleanup []CleanupState `json:"cleanup,omitempty"`
	// Record is what is to be on record when all that is done; nil for nothing.
	Record *Record `json:"-"`
}

// State is what a quirk does.
type State string

// The states.
const (
	// Held: its condition is true, and its actions are to hold.
	Held State = "held"
	// Idle: its condition is false, and what was done is taken back.
	Idle State = "idle"
	// OutOfScope: it is not for this system; what was done is taken back.
	OutOfScope State = "out-of-scope"
	// Gone: there is a record and no quirk; what was done is taken back.
	Gone State = "gone"
	// Unsure: it cannot be known, and all stays as it is.
	Unsure State = "unknown"
	// Deferred: all stays as it is until /usr is merged.
	Deferred State = "deferred"
	// Refused: what it requires does not hold, and nothing is done.
	Refused State = "cannot-hold"
)

// Want is a wanted diversion, or one that is to end.
type Want struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Package string `json:"package,omitempty"` // "" for local
	Absent  bool   `json:"absent,omitempty"`
	NoMove  bool   `json:"noMove,omitempty"`
	// Save puts a file aside that is in the way of one that comes back.
	Save bool `json:"save,omitempty"`
	// Protected says that the name is given as it is, although another spelling
	// is the usual one.
	Protected bool `json:"protected,omitempty"`
	// Was is the diversion that it takes the place of.
	Was *Diversion `json:"was,omitempty"`
}

// MirrorWant is a wanted second name of a file, or one that is to end.
type MirrorWant struct {
	From string `json:"from"`
	To   string `json:"to"`
	Link bool   `json:"link,omitempty"`
	// SHA256 are the bytes; of one that ends those it must have.
	SHA256 string `json:"sha256"`
	// Was are those of the one that it takes the place of; "" if there is none.
	Was    string `json:"was,omitempty"`
	Absent bool   `json:"absent,omitempty"`
}

// Removal is a file to remove, after these have been proven again.
type Removal struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256,omitempty"` // what it must have; "" for a link
	// Keep must be another file than Path, and stays; "" for none.
	Keep       string `json:"keep,omitempty"`
	KeepSHA256 string `json:"keepSHA256,omitempty"`
	Why        string `json:"why"`
}

// Cannot says of an action why it is not done.
type Cannot struct {
	Action string `json:"action"`
	// Cleanup is the one that it is of; "" for what is kept.
	Cleanup string `json:"cleanup,omitempty"`
	Require Reason `json:"require"`
}

// CleanupState is what one cleanup does.
type CleanupState struct {
	ID   string  `json:"id"`
	At   []Stage `json:"at"`
	Due  bool    `json:"due"`            // its condition holds at this stage
	Done bool    `json:"done,omitempty"` // it is due, and nothing is left to do
	When Reason  `json:"when"`
}

// Retired reports whether the quirk is of no use any more.
func (d *Decision) Retired(now time.Time) bool {
	return d.RetireAfter != "" && now.Format(time.DateOnly) > d.RetireAfter
}

// IsQuiet reports whether a decision asks for nothing that is not so already,
// as far as the facts tell.
func (d *Decision) IsQuiet(f *Facts) bool {
	if len(d.Mirrors)+len(d.Remove)+len(d.Trigger)+len(d.Say)+len(d.Abort)+len(d.Cannot) > 0 {
		return false
	}
	for _, w := range d.Wants {
		have, is := f.from(w.From)
		if is = is && have == (Diversion{w.From, w.To, w.Package}); is == w.Absent {
			return false
		}
	}
	return true
}
