package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
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
	Replaces []string `json:"replaces,omitempty"` // packages that leave it its targets
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
	// Parked is where the file is kept in the state Removed; "" if it was
	// not there to be kept.
	Parked  string   `json:"parked,omitempty"`
	Unknown unknowns `json:"-"`
}

// At is where the file is, or should be: at its path, or parked.
func (f *File) At() string {
	if f.Parked != "" {
		return f.Parked
	}
	return f.Path
}

// ParkedName is the name that a file is kept under: in the same folder, and
// without ".ko", which depmod would index.
func ParkedName(name string) string {
	base := strings.NewReplacer("%", "%25", ".", "%2e").Replace(path.Base(name))
	return path.Join(path.Dir(name), ".weld-gone-"+base)
}

// Module says how a module came to be.
type Module struct {
	Name            string   `json:"name"`
	ImageSHA256     string   `json:"image_sha256"`
	ImageSize       int64    `json:"image_size"`
	SignatureSHA256 string   `json:"signature_sha256"`
	Engine          string   `json:"engine"`         // recipe, link, whole
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

// unknowns are the keys that a later koweld wrote and this one does not know.
// They are kept and written back.
type unknowns map[string]json.RawMessage

// keepUnknown notes the keys of a JSON object that v, the struct it was decoded
// into, has no field for, and those of the structs within.
func keepUnknown(data json.RawMessage, v reflect.Value) error {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return keepUnknown(data, v.Elem())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			return err
		}
		for i := range min(len(items), v.Len()) {
			if err := keepUnknown(items[i], v.Index(i)); err != nil {
				return err
			}
		}
	case v.Kind() == reflect.Struct:
		var all unknowns
		if err := json.Unmarshal(data, &all); err != nil {
			return err
		}
		for i := range v.NumField() {
			// The field of the unknown keys is tagged "-"; a key may be too.
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			field, known := all[name]
			if name == "-" || !known {
				continue
			}
			delete(all, name)
			if err := keepUnknown(field, v.Field(i)); err != nil {
				return err
			}
		}
		if len(all) > 0 {
			v.FieldByName("Unknown").Set(reflect.ValueOf(all))
		}
	}
	return nil
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

// UnmarshalJSON reads a record with the keys that this koweld does not know.
func (r *Record) UnmarshalJSON(data []byte) error {
	*r = Record{}
	if err := json.Unmarshal(data, (*plainRecord)(r)); err != nil {
		return err
	}
	return keepUnknown(data, reflect.ValueOf(r).Elem())
}

func (r Record) MarshalJSON() ([]byte, error) { return merge(plainRecord(r), r.Unknown) }

func (m Manifest) MarshalJSON() ([]byte, error) { return merge(plainManifest(m), m.Unknown) }

func (f File) MarshalJSON() ([]byte, error) { return merge(plainFile(f), f.Unknown) }

func (m Module) MarshalJSON() ([]byte, error) { return merge(plainModule(m), m.Unknown) }

func (s Signer) MarshalJSON() ([]byte, error) { return merge(plainSigner(s), s.Unknown) }

func (o Original) MarshalJSON() ([]byte, error) { return merge(plainOriginal(o), o.Unknown) }
