package store

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"koweld/internal/unknown"
)

// State of a unit.
type State string

// The states of a unit.
const (
	// Active: all that is declared is placed.
	Active State = "active"
	// Pending: placed, but an effect listed in Pending is still to be done.
	Pending State = "pending"
	// Ready: formed and kept under parked names, for another unit of its group
	// is active.
	Ready State = "ready"
	// Waiting: nothing is placed until the kernel is installed.
	Waiting State = "waiting"
	// Removed: taken back by a prerm. The bytes are kept, each under its
	// parked name, until the postrm drops them or an abort puts them back.
	Removed State = "removed"
)

// Record says what was done for a package.
type Record struct {
	Version  int      `json:"koweld"`
	Package  string   `json:"package"`
	PkgVer   string   `json:"package_version,omitempty"` // of dpkg, when it was placed
	Kernel   string   `json:"kernel"`
	State    State    `json:"state"`
	Reason   string   `json:"reason,omitempty"`
	Manifest Manifest `json:"manifest"`
	Inputs   string   `json:"inputs,omitempty"`   // fingerprint of those it was formed from
	Replaces []string `json:"replaces,omitempty"` // packages that leave it its targets
	// Provides is the group that it is one of, and Userspace what goes with it.
	Provides  *Provides `json:"provides,omitempty"`
	Userspace []string  `json:"userspace,omitempty"`
	Files     []File    `json:"files"`
	Dirs      []string  `json:"dirs,omitempty"`    // made for it, outermost first
	Pending   []Effect  `json:"pending,omitempty"` // still to be done
	Depmod    bool      `json:"depmod"`            // the index of Kernel knows the modules
	// Initramfs is when the initramfs of Kernel is made anew; see
	// manifest.After.
	Initramfs string       `json:"initramfs,omitempty"`
	Unknown   unknown.Keys `json:"-"`
}

// Provides says what a unit is an alternative for; see manifest.Provides.
type Provides struct {
	Group    string       `json:"group"`
	Version  string       `json:"version,omitempty"`
	Priority int64        `json:"priority,omitempty"`
	Unknown  unknown.Keys `json:"-"`
}

// Manifest identifies what was declared.
type Manifest struct {
	Path    string       `json:"path"` // below the root
	SHA256  string       `json:"sha256"`
	Unknown unknown.Keys `json:"-"`
}

// File is a file that was placed.
type File struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Mode   Mode   `json:"mode"`
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	// Mtime in nanoseconds and Ino tell without reading whether the file
	// is still the same.
	Mtime  int64   `json:"mtime"`
	Ino    uint64  `json:"ino,omitempty"`
	Source string  `json:"source,omitempty"` // of a file that is no module
	Module *Module `json:"module,omitempty"`
	// Original is the file of nobody that lay there before.
	Original *Original `json:"original,omitempty"`
	// Parked is where the file is kept in the states Removed and Ready; "" if
	// it was not there to be kept.
	Parked  string       `json:"parked,omitempty"`
	Unknown unknown.Keys `json:"-"`
}

// At is where the file is, or should be: at its path, or parked.
func (f *File) At() string {
	if f.Parked != "" {
		return f.Parked
	}
	return f.Path
}

// ParkedName is the name that a package's file is kept under: in the same folder,
// without ".ko", which depmod would index, and not that of another package.
func ParkedName(pkg, name string) string {
	base := strings.NewReplacer("%", "%25", ".", "%2e").Replace(path.Base(name))
	whose := sha256.Sum256([]byte(pkg))
	parked := fmt.Sprintf(".weld-gone-%x-%s", whose[:4], base)
	if len(parked) > 255 { // NAME_MAX of linux/limits.h
		parked = fmt.Sprintf(".weld-gone-%x-%x", whose[:4], sha256.Sum256([]byte(base)))
	}
	return path.Join(path.Dir(name), parked)
}

// Module says how a module came to be.
type Module struct {
	Name            string       `json:"name"`
	ImageSHA256     string       `json:"image_sha256"`
	ImageSize       int64        `json:"image_size"`
	SignatureSHA256 string       `json:"signature_sha256"`
	Engine          string       `json:"engine"`         // recipe, link, whole
	Tool            string       `json:"tool,omitempty"` // e.g. GNU ld 2.40
	Compress        string       `json:"compress"`
	Signer          Signer       `json:"signer"`
	Unknown         unknown.Keys `json:"-"`
}

// Signer is the certificate by which the signature was verified.
type Signer struct {
	Subject string       `json:"subject"`
	SHA256  string       `json:"sha256"` // fingerprint of the DER certificate
	KeyID   string       `json:"key_id"` // as the signature names it
	Unknown unknown.Keys `json:"-"`
}

// Original is a saved file that removal gives back.
type Original struct {
	Saved   string            `json:"saved"` // where its bytes are kept
	SHA256  string            `json:"sha256"`
	Mode    Mode              `json:"mode"`
	UID     int               `json:"uid"`
	GID     int               `json:"gid"`
	Mtime   int64             `json:"mtime"`
	Xattrs  map[string][]byte `json:"xattrs,omitempty"`
	Unknown unknown.Keys      `json:"-"`
}

// Mode is permission bits; in a record it is an octal string, as chmod takes.
type Mode uint32

// MarshalText writes four octal digits.
func (m Mode) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04o", uint32(m)), nil }

// UnmarshalText reads octal digits.
func (m *Mode) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 8, 12)
	*m = Mode(v)
	return err
}

// Effect is something that follows a placement and is retried until done.
type Effect string

// The effects.
const (
	EffectDepmod    Effect = "depmod"    // depmod was not there
	EffectInitramfs Effect = "initramfs" // the initramfs holds an older set
)

// IsPlaced reports whether what is declared is in its place.
func (r *Record) IsPlaced() bool { return r != nil && (r.State == Active || r.State == Pending) }

// IsParked reports whether a file is kept to be put back.
func (r *Record) IsParked() bool {
	return r != nil && slices.ContainsFunc(r.Files, func(f File) bool { return f.Parked != "" })
}

// Find returns the file whose path is name, or nil.
func (r *Record) Find(name string) *File {
	if r == nil {
		return nil
	}
	for i := range r.Files {
		if r.Files[i].Path == name {
			return &r.Files[i]
		}
	}
	return nil
}

// ModuleNames lists the modules of a record.
func (r *Record) ModuleNames() []string {
	var names []string
	for i := range r.Files {
		if m := r.Files[i].Module; m != nil {
			names = append(names, m.Name)
		}
	}
	return names
}

// The aliases drop the methods, so that encoding does not recurse.
type (
	plainRecord   Record
	plainManifest Manifest
	plainProvides Provides
	plainFile     File
	plainModule   Module
	plainSigner   Signer
	plainOriginal Original
)

// UnmarshalJSON reads a record with the keys that this koweld does not know.
func (r *Record) UnmarshalJSON(data []byte) error {
	*r = Record{}
	if err := json.Unmarshal(data, (*plainRecord)(r)); err != nil {
		return err
	}
	return unknown.Keep(data, r)
}

func (r Record) MarshalJSON() ([]byte, error) { return unknown.Merge(plainRecord(r), r.Unknown) }

func (m Manifest) MarshalJSON() ([]byte, error) { return unknown.Merge(plainManifest(m), m.Unknown) }

func (p Provides) MarshalJSON() ([]byte, error) { return unknown.Merge(plainProvides(p), p.Unknown) }

func (f File) MarshalJSON() ([]byte, error) { return unknown.Merge(plainFile(f), f.Unknown) }

func (m Module) MarshalJSON() ([]byte, error) { return unknown.Merge(plainModule(m), m.Unknown) }

func (s Signer) MarshalJSON() ([]byte, error) { return unknown.Merge(plainSigner(s), s.Unknown) }

func (o Original) MarshalJSON() ([]byte, error) { return unknown.Merge(plainOriginal(o), o.Unknown) }
