package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
)

// State of a unit.
type State string

// The states of a unit.
const (
	// Active: all that is declared is placed.
	Active State = "active"
	// Pending: placed, but an effect listed in Pending is still to be done.
	Pending State = "pending"
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
	Files    []File   `json:"files"`
	Dirs     []string `json:"dirs,omitempty"`    // made for it, outermost first
	Pending  []Effect `json:"pending,omitempty"` // still to be done
	Depmod   bool     `json:"depmod"`            // the index of Kernel knows the modules
	// Initramfs is when the initramfs of Kernel is made anew; see
	// manifest.After.
	Initramfs string   `json:"initramfs,omitempty"`
	Unknown   unknowns `json:"-"`
}

// Manifest identifies what was declared.
type Manifest struct {
	Path    string   `json:"path"` // below the root
	SHA256  string   `json:"sha256"`
	Unknown unknowns `json:"-"`
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
	Unknown  unknowns  `json:"-"`
}

// Module says how a module came to be.
type Module struct {
	Name            string   `json:"name"`
	ImageSHA256     string   `json:"image_sha256"`
	ImageSize       int64    `json:"image_size"`
	SignatureSHA256 string   `json:"signature_sha256"`
	Engine          string   `json:"engine"`         // link, whole
	Tool            string   `json:"tool,omitempty"` // e.g. GNU ld 2.40
	Compress        string   `json:"compress"`
	Signer          Signer   `json:"signer"`
	Unknown         unknowns `json:"-"`
}

// Signer is the certificate by which the signature was verified.
type Signer struct {
	Subject string   `json:"subject"`
	SHA256  string   `json:"sha256"` // fingerprint of the DER certificate
	KeyID   string   `json:"key_id"` // as the signature names it
	Unknown unknowns `json:"-"`
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
	Unknown unknowns          `json:"-"`
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

// Find returns the file at a path, or nil.
func (r *Record) Find(path string) *File {
	if r == nil {
		return nil
	}
	for i := range r.Files {
		if r.Files[i].Path == path {
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

// unknowns are the keys that a later koweld wrote and this one does not know.
// They are kept and written back.
type unknowns map[string]json.RawMessage

// split decodes data into known, a pointer to a struct, and returns the keys
// that the struct does not have.
func split(data []byte, known any) (unknowns, error) {
	if err := json.Unmarshal(data, known); err != nil {
		return nil, err
	}
	var all unknowns
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	t := reflect.TypeOf(known).Elem()
	for i := range t.NumField() {
		// The field of the unknown keys is tagged "-"; a key may be too.
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "-" {
			delete(all, name)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// merge encodes known, a struct, with the unknown keys after its own.
func merge(known any, unknown unknowns) ([]byte, error) {
	data, err := json.Marshal(known)
	if err != nil || len(unknown) == 0 {
		return data, err
	}
	rest, err := json.Marshal(maps.Clone(unknown)) // sorted by key
	if err != nil {
		return nil, err
	}
	return append(append(data[:len(data)-1], ','), rest[1:]...), nil
}

// The aliases drop the methods, so that encoding does not recurse.
type (
	plainRecord   Record
	plainManifest Manifest
	plainFile     File
	plainModule   Module
	plainSigner   Signer
	plainOriginal Original
)

func (r *Record) UnmarshalJSON(data []byte) (err error) {
	r.Unknown, err = split(data, (*plainRecord)(r))
	return err
}

func (r Record) MarshalJSON() ([]byte, error) { return merge(plainRecord(r), r.Unknown) }

func (m *Manifest) UnmarshalJSON(data []byte) (err error) {
	m.Unknown, err = split(data, (*plainManifest)(m))
	return err
}

func (m Manifest) MarshalJSON() ([]byte, error) { return merge(plainManifest(m), m.Unknown) }

func (f *File) UnmarshalJSON(data []byte) (err error) {
	f.Unknown, err = split(data, (*plainFile)(f))
	return err
}

func (f File) MarshalJSON() ([]byte, error) { return merge(plainFile(f), f.Unknown) }

func (m *Module) UnmarshalJSON(data []byte) (err error) {
	m.Unknown, err = split(data, (*plainModule)(m))
	return err
}

func (m Module) MarshalJSON() ([]byte, error) { return merge(plainModule(m), m.Unknown) }

func (s *Signer) UnmarshalJSON(data []byte) (err error) {
	s.Unknown, err = split(data, (*plainSigner)(s))
	return err
}

func (s Signer) MarshalJSON() ([]byte, error) { return merge(plainSigner(s), s.Unknown) }

func (o *Original) UnmarshalJSON(data []byte) (err error) {
	o.Unknown, err = split(data, (*plainOriginal)(o))
	return err
}

func (o Original) MarshalJSON() ([]byte, error) { return merge(plainOriginal(o), o.Unknown) }
