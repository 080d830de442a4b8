package assemble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"koweld/assemble/recipe"
	"koweld/internal/fsys"
	"koweld/manifest"
)

// Culprit is an input that is not the one the module was made from, or that is
// not there.
type Culprit struct {
	File string // absolute path
	Err  error  // what is wrong with it; fs.ErrNotExist if it is missing
}

// Missing reports whether the input is not there.
func (c Culprit) Missing() bool { return errors.Is(c.Err, fs.ErrNotExist) }

// Culprits lists the inputs that an error of [Welder.Weld] or [Welder.All] puts
// the blame on, each once, in the order of the ways. An input that only cannot
// be read or trusted is none: its bytes may be right.
func Culprits(err error) []Culprit {
	var all []Culprit
	seen := make(map[string]bool)
	gather(err, func(c Culprit) {
		if !seen[c.File] && path.IsAbs(c.File) { // "the image" is no file
			seen[c.File] = true
			all = append(all, c)
		}
	})
	return all
}

// Culprits lists the inputs that are to blame; see the function of this name.
func (e *ImageError) Culprits() []Culprit { return Culprits(e) }

func gather(err error, found func(Culprit)) {
	switch e := err.(type) {
	case *ImageError:
		for _, t := range e.Tries {
			if t.Err == nil && t.File != "" {
				found(Culprit{t.File, errors.New(t.otherImage(e.Want))})
			}
			gather(t.Err, found)
			for _, c := range t.Wrong {
				found(c)
			}
		}
	case *InputError:
		if hasOtherBytes(e.Err) {
			found(Culprit{e.File, bare(e.File, e.Err)})
		}
	case *SignatureError:
		found(Culprit{e.File, e.Err})
	case *SignerError:
		found(Culprit{e.File, fmt.Errorf("its fingerprint %s is not the declared %s", e.Got, e.Want)})
	case interface{ Unwrap() error }:
		gather(e.Unwrap(), found)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			gather(err, found)
		}
	}
}

// hasOtherBytes tells an input with other bytes than it should have, or none,
// from one that cannot be read.
func hasOtherBytes(err error) bool {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true
	case errors.As(err, new(*fs.PathError)), errors.As(err, new(*fsys.TrustError)), errors.As(err, new(*recipe.NewerError)):
		return false
	}
	return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// bare is an error of a file without its name, for where that is said already.
func bare(file string, err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) && p.Path == file {
		return p.Err
	}
	return err
}

// inputErrors are the faults of several inputs, at least one, in the order of
// the manifest.
type inputErrors []*InputError

func (e inputErrors) Error() string {
	var files []string
	for _, in := range e[1:] {
		files = append(files, in.File)
	}
	return e[0].Error() + others(files)
}

// Unwrap returns each fault.
func (e inputErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, in := range e {
		errs[i] = in
	}
	return errs
}

// unlisted finds the inputs of a way that are not what the manifest lists; what
// err blames already is left out. A link failed: ld has read the objects, and
// nobody hashed them. They are read here, and only if the manifest lists them.
func (w *Welder) unlisted(ctx context.Context, man *manifest.Manifest, f manifest.Form, err error) []Culprit {
	var wrong []Culprit
	blamed := make(map[string]bool)
	for _, c := range Culprits(err) {
		blamed[c.File] = true
	}
	for _, name := range f.Reads(man.Linker) {
		want, listed := man.Inputs[name]
		if !listed || blamed[name] || ctx.Err() != nil {
			continue
		}
		blamed[name] = true
		if err := w.isListed(name, want); err != nil && hasOtherBytes(err) {
			wrong = append(wrong, Culprit{name, bare(name, err)})
		}
	}
	return wrong
}

// isListed compares a file with what the manifest lists; nil if it is the same.
func (w *Welder) isListed(name string, want manifest.Content) error {
	f, size, err := w.openInput(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if size != want.Size {
		return fmt.Errorf("it is not what the manifest lists: it has %d bytes instead of %d", size, want.Size)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != want.SHA256 {
		return fmt.Errorf("it is not what the manifest lists: its digest is %s instead of %s", sum, want.SHA256)
	}
	return nil
}
