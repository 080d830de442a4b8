package unit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"koweld/internal/fsys"
)

// ManifestError says that a manifest cannot be read.
type ManifestError struct {
	Arg, Path string
	Err       error
}

func (e *ManifestError) Error() string {
	err := e.Err
	if p := (*fs.PathError)(nil); errors.As(err, &p) && p.Path == e.Path {
		err = p.Err // the path is named already
	}
	return fmt.Sprintf("cannot read manifest %s: %v", e.Path, err)
}

func (e *ManifestError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *ManifestError) Hint() string {
	var trust *fsys.TrustError
	switch {
	case errors.As(e.Err, &trust):
		return trust.Hint()
	case errors.Is(e.Err, fs.ErrNotExist) && e.Arg != e.Path:
		return "give the name of an installed package or the path of a manifest"
	}
	return ""
}

// TargetError says that a target is not ours to write.
type TargetError struct {
	Path   string
	Reason string // e.g. "package kmod owns it", "it is a directory"
}

func (e *TargetError) Error() string { return "cannot place " + e.Path + ": " + e.Reason }

// Hint says what to do.
func (e *TargetError) Hint() string {
	return "nothing was changed; remove what is there, or let the package install elsewhere"
}

// NoRecordError says that nothing is known of a package.
type NoRecordError struct {
	Package string
}

func (e *NoRecordError) Error() string {
	return "cannot find a record of " + e.Package + ": nothing is installed for it"
}

// Hint says what to do.
func (e *NoRecordError) Hint() string { return "koweld status lists what is installed" }

// SourceGoneError says that a placed package has no manifest any more, so
// that nothing can be formed anew.
type SourceGoneError struct {
	Package, Manifest string
}

func (e *SourceGoneError) Error() string {
	return fmt.Sprintf("cannot repair %s: its manifest %s is gone", e.Package, e.Manifest)
}

// Hint says what to do.
func (e *SourceGoneError) Hint() string {
	return "install the package again, or take back what was placed with koweld remove " + e.Package
}

// SpaceError says that the disk has too little room.
type SpaceError struct {
	Path       string
	Need, Free uint64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("cannot place %s: %d bytes are needed and %d are free", e.Path, e.Need, e.Free)
}

// Hint says what to do.
func (e *SpaceError) Hint() string { return "nothing was changed; make room and try again" }

// InputError says that an input of a file cannot be read.
type InputError struct {
	Target string
	Err    error
}

func (e *InputError) Error() string { return fmt.Sprintf("cannot place %s: %v", e.Target, e.Err) }
func (e *InputError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *InputError) Hint() string {
	var trust *fsys.TrustError
	var gone *fs.PathError
	switch {
	case errors.As(e.Err, &trust):
		return trust.Hint()
	case errors.Is(e.Err, fs.ErrNotExist) && errors.As(e.Err, &gone):
		return "install again the package that ships " + gone.Path
	}
	return ""
}

// manifestLimit bounds a manifest, in bytes.
const manifestLimit = 16 << 20

// readAll reads at most limit bytes.
func readAll(f fsys.File, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	return data, err
}
