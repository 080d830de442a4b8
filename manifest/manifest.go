// Package manifest reads koweld manifests: what a package declares, as data.
//
// A manifest is one YAML document. It can run nothing, and it is read
// strictly: an unknown or repeated key, an anchor, an alias, a merge key, a
// second document, a wrong type, an unclean path is an error that names the
// file, the line, the column and the field. All errors of a file are
// reported at once.
//
// [Parse] takes bytes and gives a [Manifest] in which nothing is left to be
// decided: defaults are filled in, variables are replaced, paths are
// absolute. The package touches no file system. [SchemaJSON] is the same
// grammar for editors; a test holds the two together.
//
// The format is described in koweld-manifest(5).
package manifest

// Manifest is a decoded, validated and expanded manifest: defaults are
// filled in, variables are replaced, and every input path is absolute and
// clean (a path below the root of the target).
type Manifest struct {
	File    string // as given to Parse; for messages
	SHA256  string // hex digest of the document's bytes
	Version int    // key "koweld"; always 1
	Needs   []string

	Package string // Debian package name
	// Replaces are the Debian packages whose units' targets this one may take
	// over, no two the same.
	Replaces []string
	// Provides says which other units this one is an alternative to; nil if
	// none. Userspace are packages that go with it.
	Provides   *Provides
	Userspace  []string
	Kernel     string // release, as in uname -r
	Objects    string // absolute folder
	Signatures string // absolute folder
	Signers    []Signer
	Linker     *Linker // nil if not declared: a plain ld -r
	// Inputs are the bytes that files below Objects, Signatures or elsewhere
	// had when the manifest was written, by absolute path; nil if it does not
	// say. Each of them is among [Manifest.Reads].
	Inputs  map[string]Content
	Modules []Module
	Files   []File
	Diverts []Divert
	After   After
}

// Signer is a certificate whose key may have signed the modules.
type Signer struct {
	Certificate string // absolute path of a PEM or DER certificate
	SHA256      string // hex digest of the DER certificate
	Pos         Pos
}

// File is another file to place.
type File struct {
	Source  string // absolute path
	Install string // absolute clean path below the root
	// Beside is the file, or its other spelling, whose spelling Install takes where
	// /usr is split: what reads it looks beside itself. "" if Install is meant as it
	// is.
	Beside string
	Mode   uint32 // permission bits
	Pos    Pos
}

// After says what follows a placement.
type After struct {
	Depmod    bool
	Initramfs Initramfs
}

// Initramfs says when the initramfs of the kernel is made anew.
type Initramfs string

// When the initramfs is made anew.
const (
	InitramfsAuto  Initramfs = "auto" // when a module of the unit is in it
	InitramfsNever Initramfs = "never"
	InitramfsYes   Initramfs = "always"
)

// Pos is a position in the manifest; line and column count from 1, columns
// in characters.
type Pos struct {
	Line, Column int
}
