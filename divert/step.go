package divert

import "fmt"

// Step is one thing to do. Exactly one of its fields is set.
type Step struct {
	// Record has dpkg-divert add a diversion, and Forget remove one; neither
	// moves a file.
	Record *Diversion `json:"record,omitempty"`
	Forget *Diversion `json:"forget,omitempty"`
	Move   *Move      `json:"move,omitempty"`
	Unlink *Unlink    `json:"unlink,omitempty"`
}

// Move gives a file another name, which must be free.
type Move struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Copy says that the two are on different file systems.
	Copy bool `json:"copy,omitempty"`
}

// Unlink removes a name of a file that has another one, Keep.
type Unlink struct {
	Name string `json:"name"`
	Keep string `json:"keep"`
}

func (s Step) String() string {
	switch {
	case s.Record != nil:
		return "record the " + s.Record.String()
	case s.Forget != nil:
		return "forget the " + s.Forget.String()
	case s.Unlink != nil:
		return fmt.Sprintf("unlink %s, which is %s too", s.Unlink.Name, s.Unlink.Keep)
	case s.Move.Copy:
		return fmt.Sprintf("copy %s to %s on another file system, and unlink it", s.Move.From, s.Move.To)
	}
	return fmt.Sprintf("move %s to %s", s.Move.From, s.Move.To)
}

// Args are the arguments of dpkg-divert for a step that is dpkg's, those of the
// root left out; nil for another. The holder is always named: without it dpkg-divert takes the
// package whose maintainer script runs. norename says that this dpkg-divert knows
// --no-rename, as those since 1.19.1 do; before, it was the only way.
func (s Step) Args(norename bool) []string {
	d, action := s.Record, "--add"
	if d == nil {
		d, action = s.Forget, "--remove"
	}
	if d == nil {
		return nil
	}
	args := []string{"--quiet"}
	if norename {
		args = append(args, "--no-rename")
	}
	if d.Package == "" {
		args = append(args, "--local")
	} else {
		args = append(args, "--package", d.Package)
	}
	return append(args, "--divert", d.To, action, d.From)
}
