package recipe

import (
	"fmt"
)

// FormatError says that a recipe is malformed, or that it cannot be applied
// even to the objects it was made from.
type FormatError struct {
	Offset int64 // in the recipe (in the raw one, if it was compressed); -1 if nowhere
	Msg    string
}

func (e *FormatError) Error() string {
	if e.Offset < 0 {
		return "malformed recipe: " + e.Msg
	}
	return fmt.Sprintf("malformed recipe: at byte %d: %s", e.Offset, e.Msg)
}

// Hint says what to do next.
func (e *FormatError) Hint() string {
	return "install again the package that ships the recipe"
}

// NewerError says that a recipe needs a newer koweld.
type NewerError struct {
	Version uint8  // of the format
	Rules   Rules  // that are not known here
	Needs   string // the release that knows them; "" if the recipe cannot say
}

func (e *NewerError) Error() string {
	if e.Needs == "" {
		return fmt.Sprintf("cannot read a recipe of format %d: this koweld knows format %d", e.Version, Version)
	}
	return "cannot apply the recipe: it needs koweld ≥ " + e.Needs
}

// Hint says what to do next.
func (e *NewerError) Hint() string { return "upgrade koweld" }

// InputError says that an object is not the one that the recipe was made from.
type InputError struct {
	Input string // name that the recipe gives it
	Msg   string
}

func (e *InputError) Error() string {
	return fmt.Sprintf("%s is not what the recipe was made from: %s", e.Input, e.Msg)
}

// Hint says what to do next.
func (e *InputError) Hint() string {
	return "install again the packages of the objects and of the recipe; their versions may differ"
}
