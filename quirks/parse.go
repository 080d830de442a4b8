package quirks

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"koweld/manifest"
)

// Version is the version of the format that this package reads.
const Version = 1

// Source is a document of quirks.
type Source struct {
	File string // for messages and records
	Data []byte
	// Admin says that the administrator wrote it: it may hold local diversions,
	// and its quirks take the place of others of the same id.
	Admin bool
	// Carried says that a release upgrader brought it along: its quirks take the
	// place of those that packages have shipped.
	Carried bool
}

// rank orders documents: those of a higher one take the place of others.
func (s *Source) rank() int {
	switch {
	case s.Admin:
		return 2
	case s.Carried:
		return 1
	}
	return 0
}

// Host is what variables stand for.
type Host struct {
	Arch Arch
	// Foreign are the other architectures that dpkg has.
	Foreign []Arch
}

// Arch is an architecture by Debian's names: of dpkg, and the tuple.
type Arch struct{ Name, Multiarch string }

// ParseError is all that is wrong with a document, sorted by position.
type ParseError struct{ Faults manifest.ErrorList }

func (e *ParseError) Error() string {
	if len(e.Faults) == 1 {
		return "cannot read quirks: " + e.Faults[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cannot read quirks: %d errors", len(e.Faults))
	for _, f := range e.Faults {
		b.WriteString("\n" + f.Error())
	}
	return b.String()
}

// Hint says where the format is described.
func (e *ParseError) Hint() string { return "koweld-quirk(5) describes the format" }

// NeedsError says that a document needs what only a newer koweld can do.
type NeedsError struct {
	File    string
	Pos     manifest.Pos
	Feature string
}

func (e *NeedsError) Error() string {
	return fmt.Sprintf("cannot read quirks: %s:%d:%d: needs a koweld that knows %s", e.File, e.Pos.Line, e.Pos.Column, e.Feature)
}

// Hint says what to do.
func (e *NeedsError) Hint() string { return "install a later koweld" }

// Parse reads the quirks of a document. The error is a [*ParseError] or a
// [*NeedsError].
func Parse(src Source, host Host) ([]*Quirk, error) {
	own, perArch, err := parse(src, host.Arch, "")
	if err != nil {
		return nil, err
	}
	// The others give what is for each architecture once more.
	for _, arch := range host.Foreign {
		if len(perArch) == 0 {
			break
		}
		more, _, err := parse(src, arch, arch.Name)
		if err != nil {
			return nil, err
		}
		for _, q := range more {
			if slices.Contains(perArch, q.ID) {
				own = append(own, q)
			}
		}
	}
	return own, nil
}

// parse reads a document for an architecture; foreign is its name if it is none
// of dpkg's own. perArch are the ids of quirks that are for each.
func parse(src Source, arch Arch, foreign string) (all []*Quirk, perArch []string, err error) {
	doc, err := manifest.ReadDocument(src.File, src.Data, manifest.Vars{Arch: arch.Name, Multiarch: arch.Multiarch})
	if err != nil {
		return nil, nil, parseError(err)
	}
	if err := newer(src.File, doc); err != nil {
		return nil, nil, err
	}
	p := &parser{src: src, doc: doc, arch: arch.Name, foreign: foreign}
	all = p.document(doc.Root())
	if err := doc.Err(); err != nil {
		return nil, nil, parseError(err)
	}
	return all, p.perArch, nil
}

func parseError(err error) error {
	if list, ok := err.(manifest.ErrorList); ok {
		return &ParseError{list}
	}
	return err
}

// newer refuses a document of which no more than its needs can be read: there is
// no feature yet. A malformed one is left to the parser.
func newer(file string, doc *manifest.Document) error {
	for _, n := range doc.Peek("needs") {
		if feature.MatchString(n.Text) {
			return &NeedsError{file, n.Pos, n.Text}
		}
	}
	return nil
}

var (
	feature = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	id      = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	pkgName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	// osName and release are as os-release(5) has ID, VERSION_CODENAME and VERSION_ID.
	osName  = regexp.MustCompile(`^[a-z0-9._-]+$`)
	release = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)
	// triggerName is a word of printable ASCII (deb-triggers(5)).
	triggerName = regexp.MustCompile(`^[!-~]+$`)
)

const (
	idRule      = "an id: lower case letters, digits and -, 64 at most"
	packageRule = "the name of a Debian package (Policy 5.6.7)"
	releaseRule = "a release of os-release(5)"
)

type parser struct {
	src     Source
	doc     *manifest.Document
	arch    string
	foreign string
	pkg     string // of the document
	perArch []string
	// local says that local diversions are allowed.
	local bool
	// ownArch is that which a quirk for each architecture is expanded for.
	ownArch string
}

func (p *parser) document(v manifest.Value) []*Quirk {
	f := v.Fields("koweld", "package", "needs", "quirks")
	if n := f.Need("koweld"); n.Is() {
		if got := n.Integer(); got != "" && got != strconv.Itoa(Version) {
			n.Errorf("", "the quirks are of version %s, and this koweld reads version %d", got, Version)
			return nil
		}
	}
	if n := f.Get("needs"); n.Is() {
		for _, e := range n.ListOrEmpty() {
			e.Name(feature, "the name of a feature")
		}
	}
	pkg := f.Get("package")
	if !pkg.Is() && !p.src.Admin {
		pkg = f.Need("package")
	}
	p.pkg = pkg.Name(pkgName, packageRule)
	var all []*Quirk
	first := map[string]manifest.Pos{}
	for _, e := range f.Need("quirks").List() {
		q := p.quirk(e)
		if pos, twice := first[q.ID]; twice {
			e.Errorf("", "the quirk %s is there twice; first at %d:%d", q.ID, pos.Line, pos.Column)
		} else if q.ID != "" {
			first[q.ID] = e.Pos()
		}
		all = append(all, q)
	}
	return all
}

func (p *parser) quirk(v manifest.Value) *Quirk {
	q := &Quirk{Package: p.pkg, File: p.src.File, Pos: v.Pos()}
	p.doc.Scope(func() {
		f := v.Fields("id", "title", "bugs", "off", "retire_after", "allow_local", "each_architecture", "vars", "scope", "keep", "cleanup")
		q.ID = f.Need("id").Name(id, idRule)
		if q.Off = f.Get("off").Bool(false); q.Off {
			if !p.src.Admin {
				f.Get("off").Errorf("", "only the administrator switches a quirk off")
			}
			return
		}
		q.Title, _ = f.Need("title").Word()
		for _, e := range f.Get("bugs").List() {
			bug, _ := e.Word()
			q.Bugs = append(q.Bugs, bug)
		}
		q.RetireAfter = p.day(f.Get("retire_after"))
		p.local = f.Get("allow_local").Bool(p.src.Admin)
		p.ownArch = ""
		if f.Get("each_architecture").Bool(false) {
			p.perArch = append(p.perArch, q.ID)
			p.ownArch, q.Arch = p.arch, p.foreign
		}
		p.doc.Declare(f.Get("vars"))
		if s := f.Get("scope"); s.Is() {
			q.Scope = p.condition(s)
		}
		if k := f.Get("keep"); k.Is() {
			q.Keep = p.keep(k)
			p.circle(q.Keep, q.Keep.When, k)
			p.circle(q.Keep, q.Scope, f.Get("scope"))
		}
		if c := f.Get("cleanup"); c.Is() {
			q.Cleanup = p.cleanups(c)
		}
		if q.Keep == nil && q.Cleanup == nil && !f.Suspect() {
			v.Errorf("", "there is neither keep nor cleanup: it does nothing")
		}
	})
	return q
}

// day is a date; "" if there is none.
func (p *parser) day(v manifest.Value) string {
	s, ok := v.Word()
	if !ok {
		return ""
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		v.Errorf(`write it as "2030-12-31"`, "%s is no date", s)
		return ""
	}
	return s
}

func (p *parser) keep(v manifest.Value) *Keep {
	f := v.Fields("when", "do")
	k := &Keep{When: All{}}
	if w := f.Need("when"); w.Is() {
		k.When = p.condition(w)
	}
	for _, e := range f.Need("do").List() {
		if a, ok := p.action(e, keepActions, nil); ok {
			k.Do = append(k.Do, a)
		}
	}
	p.twice(k.Do, v)
	return k
}

// twice refuses two actions that would be one on record.
func (p *parser) twice(all []Action, v manifest.Value) {
	first := map[string]bool{}
	for _, a := range all {
		key := ""
		switch a := a.Do.(type) {
		case Divert:
			key = "diversion of " + a.From
		case Mirror:
			key = "second name " + a.To
		}
		if key == "" {
			continue
		}
		if first[key] {
			v.Errorf("", "the %s is there twice", key)
		}
		first[key] = true
	}
}

// circle refuses a condition on what the actions change: it would be done and
// undone for ever.
func (p *parser) circle(k *Keep, c Condition, at manifest.Value) {
	diverted, moved := map[string]bool{}, map[string]bool{}
	for _, a := range k.Do {
		switch a := a.Do.(type) {
		case Divert:
			diverted[a.From], diverted[a.To] = true, true
			if a.Move || a.MoveWhen != nil {
				moved[a.From], moved[a.To] = true, true
			}
		case Mirror:
			moved[a.To] = true
		}
	}
	var look func(c Condition)
	look = func(c Condition) {
		name := ""
		switch c := c.(type) {
		case All:
			for _, part := range c {
				look(part)
			}
		case Any:
			for _, part := range c {
				look(part)
			}
		case Not:
			look(c.Condition)
		case DiversionIs:
			if diverted[c.Path] {
				name = c.Path
			}
		case OwnerIs:
			if diverted[c.Path] && slices.Contains(c.Is, anyUndiverted) {
				name = c.Path
			}
		case PathIs:
			if moved[c.Path] {
				name = c.Path
			}
		case RelationIs:
			for _, n := range []string{c.Of.A, c.Of.B} {
				if moved[n] {
					name = n
				}
			}
		}
		if name != "" {
			at.Errorf("say it in require, which is for the first time", "it depends on %s, which its own action changes", name)
		}
	}
	look(c)
}

func (p *parser) cleanups(v manifest.Value) []Cleanup {
	var all []Cleanup
	first := map[string]bool{}
	for _, e := range v.List() {
		f := e.Fields("id", "at", "when", "do")
		c := Cleanup{ID: f.Need("id").Name(id, idRule), At: atRest, When: All{}}
		if first[c.ID] && c.ID != "" {
			e.Errorf("", "the cleanup %s is there twice", c.ID)
		}
		first[c.ID] = true
		if at := f.Get("at"); at.Is() {
			c.At = nil
			for _, s := range at.List() {
				c.At = append(c.At, Stage(s.OneOf("", stageWords...)))
			}
		}
		if w := f.Need("when"); w.Is() {
			c.When = p.condition(w)
		}
		for _, a := range f.Need("do").List() {
			if action, ok := p.action(a, cleanupActions, c.At); ok {
				c.Do = append(c.Do, action)
			}
		}
		all = append(all, c)
	}
	return all
}

var stageWords = func() []string {
	words := make([]string, len(Stages))
	for i, s := range Stages {
		words[i] = string(s)
	}
	return words
}()
