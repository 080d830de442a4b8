package modsig

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// magic ends a signed module: MODULE_SIG_STRING in linux/module_signature.h.
const magic = "~Module signature appended~\n"

// The trailer is struct module_signature: algo, hash, id_type, signer_len,
// key_id_len, three bytes of padding, and the size of the CMS as be32. All but
// id_type and the size must be zero (kernel/module_signature.c).
const (
	trailerSize  = 12
	trailerIDPos = 2
	trailerLen   = 8
	idPKCS7      = 2 // PKEY_ID_PKCS7
)

// maxCMS is what the kernel's ASN.1 decoder reads at most (lib/asn1_decoder.c).
const maxCMS = 65535

// HasTrailer reports whether b ends as a signed module does.
func HasTrailer(b []byte) bool { return bytes.HasSuffix(b, []byte(magic)) }

// CheckUnsigned returns a [*RejectedError], its reason [AlreadySigned], for an
// image that ends as a signed module does. The kernel takes off only the last
// container: a second one makes the first part of the bytes that are checked,
// and a signature over the bare image no longer verifies.
func CheckUnsigned(image []byte) error {
	if !HasTrailer(image) {
		return nil
	}
	return &RejectedError{
		Reason: AlreadySigned, Msg: "it is signed already",
		hint: "`koweld sig split` takes its signature off",
	}
}

// Split cuts a module into image and CMS. Both are slices of module. The error
// is [ErrUnsigned] when the module does not end with the magic, a
// [*FormatError] when it does and what is before it is not a container.
//
// Only the last container is taken off, as by the kernel: [CheckUnsigned] tells
// whether the image ends with another.
func Split(module []byte) (image, cms []byte, err error) {
	if !HasTrailer(module) {
		return nil, nil, ErrUnsigned
	}
	image, cms, err = cut(module)
	if err != nil {
		return nil, nil, err
	}
	if len(image) == 0 {
		return nil, nil, &FormatError{
			Object: "module", Msg: "no image before the signature",
			hint: "this is a detached signature",
		}
	}
	return image, cms, nil
}

// cut takes the container off b, which ends with the magic. It follows
// mod_check_sig, but lets the rest be empty.
func cut(b []byte) (rest, cms []byte, err error) {
	end := len(b) - len(magic) - trailerSize
	if end < 0 {
		return nil, nil, &FormatError{Object: "module", Msg: "no room for the signature trailer"}
	}
	trailer := b[end : end+trailerSize]
	for i, c := range trailer[:trailerLen] {
		want := byte(0)
		if i == trailerIDPos {
			want = idPKCS7
		}
		if c != want {
			return nil, nil, &FormatError{
				Object: "module", Offset: int64(end + i),
				Msg: fmt.Sprintf("%s of the signature trailer is %d, not %d", trailerField(i), c, want),
			}
		}
	}
	size := int64(binary.BigEndian.Uint32(trailer[trailerLen:]))
	var wrong string
	switch {
	case size == 0:
		wrong = "signature of 0 bytes"
	case size > int64(end):
		wrong = fmt.Sprintf("signature of %d bytes in a file that has %d before its trailer", size, end)
	case size > maxCMS:
		wrong = fmt.Sprintf("signature of %d bytes; kernels read at most %d", size, maxCMS)
	default:
		at := end - int(size)
		return b[:at:at], b[at:end:end], nil
	}
	return nil, nil, &FormatError{Object: "module", Offset: int64(end + trailerLen), Msg: wrong}
}

func trailerField(i int) string {
	return [trailerLen]string{"algo", "hash", "id_type", "signer_len", "key_id_len", "padding", "padding", "padding"}[i]
}

// ParseDetached reads a detached signature: a bare CMS, or a CMS with trailer
// and magic. See [Parse] for what is checked.
func ParseDetached(b []byte) (*Signature, error) {
	cms, err := detachedCMS(b)
	if err != nil {
		return nil, err
	}
	return Parse(cms)
}

// InspectDetached is to [ParseDetached] what [Inspect] is to [Parse].
func InspectDetached(b []byte) (*Signature, error) {
	cms, err := detachedCMS(b)
	if err != nil {
		return nil, err
	}
	return Inspect(cms)
}

func detachedCMS(b []byte) ([]byte, error) {
	if !HasTrailer(b) {
		return b, nil
	}
	rest, cms, err := cut(b)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, &FormatError{
			Object: "signature", Msg: fmt.Sprintf("%d bytes before the CMS", len(rest)),
			hint: "this is a signed module; `koweld sig split` takes its signature off",
		}
	}
	return cms, nil
}

// Container returns what is appended to the image: CMS, trailer and magic.
func (s *Signature) Container() []byte {
	b := make([]byte, 0, len(s.cms)+trailerSize+len(magic))
	b = append(b, s.cms...)
	b = append(b, 0, 0, idPKCS7, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.cms)))
	return append(b, magic...)
}

// Attach returns image and container as one new slice. It proves nothing: see
// [Signature.Verify] and [CheckUnsigned].
func Attach(image []byte, s *Signature) []byte {
	container := s.Container()
	module := make([]byte, 0, len(image)+len(container))
	module = append(module, image...)
	return append(module, container...)
}
