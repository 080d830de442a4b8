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
	err := bare(e.File, e.Err)
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

// KernelError says that a module is not one of the manifest's kernel, however good
// its signature is.
type KernelError struct {
	Module    string // name without .ko
	Got, Want string // releases, as in uname -r
}

func (e *KernelError) Error() string {
	return fmt.Sprintf("cannot weld %s.ko: it is a module of kernel %s", e.Module, e.Got)
}

// Hint says what is amiss.
func (e *KernelError) Hint() string { return "the manifest is for " + e.Want }

// ImageError says that no way of a module gave its declared image.
type ImageError struct {
	Module string // name without .ko
	Want   manifest.Image
	Tries  []Try // one for each way, in the manifest's order
}

// Try is what came of one way to an image.
type Try struct {
	Engine   string   // EngineRecipe, EngineLink or EngineWhole
	File     string   // the whole module; "" for the other engines
	Tool     string   // the linker's own version line, or ""
	Recorded string   // the linker that the manifest records, if Tool is another; or ""
	Size     int64    // of the image, in bytes
	SHA256   string   // of the image, hex; "" if the size was wrong already
	Differs  []string // the sections that are not those of the declared image; nil if no recipe tells
	Err      error    // why there is no image, or nil
	// Wrong are the inputs of a link that are not what the manifest lists,
	// beside the one of Err.
	Wrong []Culprit
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
	said := t.otherImage(want) + " (" + by + ")"
	if t.Err != nil {
		said = fmt.Sprintf("%s: %v", by, t.Err)
	}
	if len(t.Wrong) == 0 {
		return said
	}
	files := make([]string, len(t.Wrong))
	for i, c := range t.Wrong {
		files[i] = c.File
	}
	return fmt.Sprintf("%s; %s: %v%s", said, files[0], t.Wrong[0].Err, others(files[1:]))
}

// otherImage says that what was formed is not the declared image.
func (t Try) otherImage(want manifest.Image) string {
	if t.SHA256 == "" {
		return fmt.Sprintf("image of %d bytes is not the declared one of %d", t.Size, want.Size)
	}
	return fmt.Sprintf("image digest %s is not the declared %s", t.SHA256, want.SHA256)
}

// others says which files are wrong beside the one that is told of.
func others(files []string) string {
	if len(files) == 0 {
		return ""
	}
	return " (also wrong: " + some(files) + ")"
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
	case len(t.Wrong) > 0:
		return "install again the packages of the objects and of the manifest; their versions may differ"
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
