package modsig

import (
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// decoder holds the first error of a decoding, so that the code that reads a
// structure can look like its grammar and ask once, at the end.
type decoder struct {
	object string
	err    *FormatError
}

func (d *decoder) fail(at int, format string, args ...any) {
	if d.err == nil {
		d.err = &FormatError{Object: d.object, Offset: int64(at), Msg: fmt.Sprintf(format, args...)}
	}
}

// element is the unread rest of a constructed value. After an error it is
// empty, so loops over it end.
type element struct {
	d    *decoder
	rest cryptobyte.String
	end  int // offset, in the whole message, of the byte after rest
}

func (e *element) at() int     { return e.end - len(e.rest) }
func (e *element) empty() bool { return len(e.rest) == 0 }

// fail notes an error and ends the reading of e. The offset is from before the
// failed read, which may have moved on.
func (e *element) fail(at int, format string, args ...any) {
	e.d.fail(at, format, args...)
	e.rest, e.end = nil, 0
}

// read reads a value with this tag and returns its content.
func (e *element) read(tag cbasn1.Tag, what string) element {
	start := e.at()
	var content cryptobyte.String
	if !e.rest.ReadASN1(&content, tag) {
		e.fail(start, "no DER %s where it belongs", what)
	}
	return element{d: e.d, rest: content, end: e.at()}
}

// raw reads a value with this tag and returns it whole, tag and length included.
func (e *element) raw(tag cbasn1.Tag, what string) []byte {
	start := e.at()
	var whole cryptobyte.String
	if !e.rest.ReadASN1Element(&whole, tag) {
		e.fail(start, "no DER %s where it belongs", what)
	}
	return whole
}

// optional reads a value if the next one has this tag.
func (e *element) optional(tag cbasn1.Tag, what string) (element, bool) {
	if !e.rest.PeekASN1Tag(tag) {
		return element{d: e.d}, false
	}
	return e.read(tag, what), true
}

// any reads a value of whatever tag.
func (e *element) any(what string) {
	start := e.at()
	var content cryptobyte.String
	var tag cbasn1.Tag
	if !e.rest.ReadAnyASN1(&content, &tag) {
		e.fail(start, "no DER %s where it belongs", what)
	}
}

func (e *element) oid(what string) asn1.ObjectIdentifier {
	start := e.at()
	var oid asn1.ObjectIdentifier
	if !e.rest.ReadASN1ObjectIdentifier(&oid) {
		e.fail(start, "no DER object identifier of %s where it belongs", what)
	}
	return oid
}

func (e *element) version(what string) int {
	start := e.at()
	var v int
	if !e.rest.ReadASN1Integer(&v) {
		e.fail(start, "no DER version of %s where it belongs", what)
	}
	return v
}

// done wants that nothing is left.
func (e *element) done(what string) {
	if !e.empty() {
		e.fail(e.at(), "%d bytes too many in %s", len(e.rest), what)
	}
}
