package assemble

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"koweld/manifest"
)

// InputError says that a file cannot be used to weld a module. It wraps what
// fsys, pack or modsig said.
type InputError struct {
	Module string // name without .ko; "" for a certificate, and within an ImageError, which names it
	File   string
	Err    error
	hint   string
}

func (e *InputError) Error() string {
	err := e.Err
	if p := (*fs.PathError)(nil); errors.As(err, &p) && p.Path == e.File {
		err = p.Err // the path is named already
	}
	if e.Module == "" {
		return fmt.Sprintf("cannot use %s: %v", e.File, err)
	}
	return fmt.Sprintf("cannot weld %s.ko: cannot use %s: %v", e.Module, e.File, err)
}

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// Hint says what to do next, or nothing.
func (e *InputError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	if errors.Is(e.Err, fs.ErrNotExist) {
		return "install again the package that ships " + e.File
	}
	return hint(e.Err)
}

// SignerError says that a certificate is not the one that the manifest means.
type SignerError struct {
	File      string
	Got, Want string // SHA-256 of the DER certificate, hex
}

func (e *SignerError) Error() string {
	return fmt.Sprintf("cannot trust certificate %s: its fingerprint %s is not the declared %s", e.File, e.Got, e.Want)
}

// Hint says what to do next.
func (e *SignerError) Hint() string {
	return "install again the packages of the manifest and of its signatures; their versions may differ"
}

// SignatureError says that the signature of a module is malformed or does not
// sign its image. It wraps a *modsig.FormatError or a *modsig.RejectedError,
// which have the hint.
type SignatureError struct {
	Module string // name without .ko
	File   string
	Err    error
}

func (e *SignatureError) Error() string {
	return fmt.Sprintf("cannot weld %s.ko: signature %s: %v", e.Module, e.File, e.Err)
}

// Unwrap returns the cause.
func (e *SignatureError) Unwrap() error { return e.Err }

// ImageError says that no way of a module gave its declared image.
type ImageError struct {
	Module string // name without .ko
	Want   manifest.Image
	Tries  []Try // one for each way, in the manifest's order
}

// Try is what came of one way to an image.
type Try struct {
	Engine   string   // EngineRecipe, EngineLink or EngineWhole
	Tool     string   // the linker's own version line, or ""
	Recorded string   // the linker that the manifest records, if Tool is another; or ""
	Size     int64    // of the image, in bytes
	SHA256   string   // of the image, hex; "" if the size was wrong already
	Differs  []string // the sections that are not those of the declared image; nil if no recipe tells
	Err      error    // why there is no image, or nil
}

func (e *ImageError) Error() string {
	var said []string
	for _, t := range e.Tries {
		said = append(said, t.text(e.Want))
	}
	if len(said) == 0 {
		said = []string{"no form is declared"}
	}
	return fmt.Sprintf("cannot weld %s.ko: %s", e.Module, strings.Join(said, "; "))
}

// Unwrap returns the causes of the ways that gave no image.
func (e *ImageError) Unwrap() []error {
	var errs []error
	for _, t := range e.Tries {
		if t.Err != nil {
			errs = append(errs, t.Err)
		}
	}
	return errs
}

// Hint says what to do next: about the first way for which that is known.
func (e *ImageError) Hint() string {
	for _, t := range e.Tries {
		if h := t.hint(); h != "" {
			return h
		}
	}
	return ""
}

func (t Try) text(want manifest.Image) string {
	by := t.Engine
	if t.Tool != "" {
		by += " by " + t.Tool
	}
	if t.Recorded != "" {
		by += ", recorded is " + t.Recorded
	}
	if t.Err == nil && len(t.Differs) > 0 {
		by += "; it differs in " + some(t.Differs)
	}
	switch {
	case t.Err != nil:
		return fmt.Sprintf("%s: %v", by, t.Err)
	case t.SHA256 == "":
		return fmt.Sprintf("image of %d bytes is not the declared one of %d (%s)", t.Size, want.Size, by)
	}
	return fmt.Sprintf("image digest %s is not the declared %s (%s)", t.SHA256, want.SHA256, by)
}

// some names the first of many.
func some(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(names[:most], ", "), len(names)-most)
}

func (t Try) hint() string {
	switch {
	case t.Err != nil:
		return hint(t.Err)
	case t.Engine == EngineRecipe:
		return "recipe and objects are what they were when it was made: report this as a bug of koweld"
	case t.Recorded != "":
		return "install " + t.Recorded + ", or a package of the module that was built for this release"
	case t.Engine == EngineLink:
		return "the linker is the recorded one, so an object, the linker script or a flag is not what was signed: install the package again"
	}
	return "the file is not the one that was signed: install the package again"
}

// hint is what the error or its causes advise.
func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
