package modsig

import (
	"errors"
	"fmt"
)

// ErrUnsigned says that a module does not end with the signature magic.
var ErrUnsigned = errors.New("module is not signed")

// FormatError says that bytes are malformed.
type FormatError struct {
	Object string // "module", "signature", "certificate" or "private key"
	Offset int64  // of the first wrong field in the bytes that were given; 0 is the start, or unknown
	Msg    string
	hint   string
}

func (e *FormatError) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("cannot read %s: %s", e.Object, e.Msg)
	}
	return fmt.Sprintf("cannot read %s: %s (at byte %d)", e.Object, e.Msg, e.Offset)
}

// Hint says what to do next, or nothing.
func (e *FormatError) Hint() string { return e.hint }

// Reason is why a well-formed signature is not accepted.
type Reason int

const (
	// BadForm is a CMS that no kernel takes for a module.
	BadForm Reason = iota + 1
	// WeakHash is a digest algorithm other than SHA-256, SHA-384, SHA-512.
	WeakHash
	// UnknownSigner is a signer that no given certificate belongs to.
	UnknownSigner
	// BadKey is a certificate whose key does not fit the signature algorithm,
	// or that is too small or on a curve that kernels do not know.
	BadKey
	// OtherBytes is a signature by the right signer over other bytes, or a
	// damaged one; the two cannot be told apart.
	OtherBytes
	// NotSigned is a module without a signature.
	NotSigned
	// AlreadySigned is an image that ends with a signature.
	AlreadySigned
)

// RejectedError says that a well-formed signature, or a module for lack or
// excess of one, is not accepted.
type RejectedError struct {
	Reason Reason
	Signer Identifier // zero with NotSigned and AlreadySigned
	Msg    string
	hint   string
}

func (e *RejectedError) Error() string {
	if e.Signer == (Identifier{}) {
		return "cannot accept module: " + e.Msg
	}
	return fmt.Sprintf("cannot accept signature by %v: %s", e.Signer, e.Msg)
}

// Hint says what to do next, or nothing.
func (e *RejectedError) Hint() string { return e.hint }
