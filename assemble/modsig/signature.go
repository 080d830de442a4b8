package modsig

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"fmt"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Signature is the CMS of a module. It is immutable.
type Signature struct {
	cms       []byte
	id        Identifier
	digest    digest
	algorithm algorithm
	value     []byte
	certs     [][]byte

	// What [Signature.Check] judges.
	version          int // of SignedData
	signerVersion    int // of SignerInfo
	signers          int
	contentType      asn1.ObjectIdentifier
	content          bool
	signedAttributes bool
	crls             bool
	oddParameters    bool                    // other than none or NULL
	digests          []asn1.ObjectIdentifier // SignedData.digestAlgorithms
}

// Parse reads a CMS that the kernel would take for a module. The error is a
// [*FormatError], its offset counted in cms, for what is not DER or not a
// SignedData, and a [*RejectedError] for what [Signature.Check] refuses.
// The bytes are copied.
func Parse(cms []byte) (*Signature, error) {
	s, err := Inspect(cms)
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	return s, nil
}

// Inspect reads a CMS without [Signature.Check], to show what it is. With
// several signers the first is described.
func Inspect(cms []byte) (*Signature, error) {
	if bytes.HasPrefix(cms, []byte("-----BEGIN ")) {
		return nil, &FormatError{
			Object: "signature", Msg: "PEM, not DER",
			hint: "`openssl cms -cmsout -inform PEM -outform DER` converts it",
		}
	}
	if len(cms) > maxCMS {
		return nil, &FormatError{Object: "signature", Offset: maxCMS, Msg: "more than 65535 bytes"}
	}
	s := &Signature{cms: bytes.Clone(cms)}
	d := &decoder{object: "signature"}
	s.read(element{d: d, rest: s.cms, end: len(s.cms)})
	if d.err != nil {
		d.err.hint = "take it again: CMS in DER, as sign-file -d or `openssl cms -outform DER` writes it"
		return nil, d.err
	}
	return s, nil
}

var (
	context0 = cbasn1.Tag(0).ContextSpecific()
	context1 = cbasn1.Tag(1).ContextSpecific()
)

// read reads ContentInfo (RFC 5652 §3) and SignedData (§5.1).
func (s *Signature) read(e element) {
	info := e.read(cbasn1.SEQUENCE, "ContentInfo")
	e.done("the signature")
	start := info.at()
	if t := info.oid("the content type"); !t.Equal(oidSignedData) {
		info.d.fail(start, "content type %v is not signedData", t)
	}
	content := info.read(context0.Constructed(), "content")
	info.done("ContentInfo")
	sd := content.read(cbasn1.SEQUENCE, "SignedData")
	content.done("content")

	s.version = sd.version("SignedData")
	set := sd.read(cbasn1.SET, "digestAlgorithms")
	for !set.empty() {
		oid, _ := set.algorithmIdentifier("a digest algorithm")
		s.digests = append(s.digests, oid)
	}
	encap := sd.read(cbasn1.SEQUENCE, "encapContentInfo")
	s.contentType = encap.oid("the encapsulated content type")
	_, s.content = encap.optional(context0.Constructed(), "encapsulated content")
	encap.done("encapContentInfo")
	if certs, ok := sd.optional(context0.Constructed(), "certificates"); ok {
		for !certs.empty() {
			s.certs = append(s.certs, certs.raw(cbasn1.SEQUENCE, "certificate"))
		}
	}
	_, s.crls = sd.optional(context1.Constructed(), "crls")
	signers := sd.read(cbasn1.SET, "signerInfos")
	sd.done("SignedData")
	s.readSigner(signers.read(cbasn1.SEQUENCE, "SignerInfo"))
	for s.signers = 1; !signers.empty(); s.signers++ {
		signers.read(cbasn1.SEQUENCE, "SignerInfo")
	}
}

// readSigner reads SignerInfo (RFC 5652 §5.3).
func (s *Signature) readSigner(si element) {
	s.signerVersion = si.version("SignerInfo")
	start := si.at()
	if keyID, ok := si.optional(context0, "subjectKeyIdentifier"); ok {
		if keyID.empty() {
			si.d.fail(start, "subjectKeyIdentifier is empty")
		}
		s.id = keyIdentifier(keyID.rest)
	} else {
		sid := si.read(cbasn1.SEQUENCE, "issuerAndSerialNumber")
		s.id = sid.issuerAndSerial()
	}
	digestOID, plainDigest := si.algorithmIdentifier("the digest algorithm")
	s.digest = digestByOID(digestOID)
	var attributes element
	if attributes, s.signedAttributes = si.optional(context0.Constructed(), "signedAttrs"); s.signedAttributes {
		attributes.attributes()
	}
	algorithmOID, plainAlgorithm := si.algorithmIdentifier("the signature algorithm")
	s.algorithm = algorithmByOID(algorithmOID)
	s.oddParameters = !plainDigest || !plainAlgorithm
	s.value = si.read(cbasn1.OCTET_STRING, "signature value").rest
	if attributes, ok := si.optional(context1.Constructed(), "unsignedAttrs"); ok {
		attributes.attributes()
	}
	si.done("SignerInfo")
}

// algorithmIdentifier reads an AlgorithmIdentifier. Plain is that its
// parameters are absent or NULL: tools write both for digests and RSA.
func (e *element) algorithmIdentifier(what string) (oid asn1.ObjectIdentifier, plain bool) {
	id := e.read(cbasn1.SEQUENCE, what)
	oid = id.oid(what)
	if id.empty() {
		return oid, true
	}
	null, plain := id.optional(cbasn1.NULL, "NULL")
	if plain {
		null.done("NULL")
	} else {
		id.any("parameters of " + what)
	}
	id.done(what)
	return oid, plain
}

// issuerAndSerial reads the rest of an IssuerAndSerialNumber and checks the
// grammar of the name as pkcs7.asn1 has it.
func (e *element) issuerAndSerial() Identifier {
	start := e.at()
	issuer := e.raw(cbasn1.SEQUENCE, "issuer")
	whole := element{d: e.d, rest: issuer, end: start + len(issuer)}
	name := whole.read(cbasn1.SEQUENCE, "issuer")
	for !name.empty() {
		rdn := name.read(cbasn1.SET, "RelativeDistinguishedName")
		for !rdn.empty() {
			ava := rdn.read(cbasn1.SEQUENCE, "AttributeTypeAndValue")
			ava.oid("an attribute of the issuer")
			ava.any("attribute value")
			ava.done("AttributeTypeAndValue")
		}
	}
	start = e.at()
	serial := e.raw(cbasn1.INTEGER, "serial number")
	e.done("issuerAndSerialNumber")
	if e.d.err != nil {
		return Identifier{}
	}
	if !minimal(serial) {
		e.d.fail(start, "serial number is not DER")
		return Identifier{}
	}
	return issuerAndSerial(issuer, serial)
}

// minimal reports whether an INTEGER, given whole, has no superfluous octet
// (X.690 §8.3.2), and a length of one octet.
func minimal(integer []byte) bool {
	if len(integer) < 3 || integer[1] > 127 {
		return false
	}
	if len(integer) == 3 {
		return true
	}
	sign := integer[3] & 0x80
	return !(integer[2] == 0 && sign == 0 || integer[2] == 0xff && sign != 0)
}

// attributes reads SET OF Attribute (RFC 5652 §5.3).
func (e *element) attributes() {
	for !e.empty() {
		attribute := e.read(cbasn1.SEQUENCE, "attribute")
		attribute.oid("an attribute")
		values := attribute.read(cbasn1.SET, "attribute values")
		attribute.done("attribute")
		for !values.empty() {
			values.any("attribute value")
		}
	}
}

// Check returns a [*RejectedError], its reason [BadForm], when no kernel takes
// the CMS for a module's.
func (s *Signature) Check() error {
	bad := func(msg, hint string) error {
		return &RejectedError{Reason: BadForm, Signer: s.id, Msg: msg, hint: hint}
	}
	const again = "sign again with sign-file, or with `openssl cms -sign -binary -noattr -nocerts -outform DER`"
	switch {
	case s.signers != 1:
		return bad("it has more than one signer", again)
	case !s.contentType.Equal(oidData):
		return bad("its content type is "+s.contentType.String()+", not data", again)
	case s.version != s.wantVersion() || s.signerVersion != s.wantVersion():
		return bad(fmt.Sprintf("it has SignedData version %d and SignerInfo version %d, where both must be %d",
			s.version, s.signerVersion, s.wantVersion()), again)
	case s.content:
		return bad("it encapsulates content, where the kernel wants a detached signature", again+" and without -nodetach")
	case s.signedAttributes:
		return bad("it has signed attributes, which the kernel refuses on modules", again)
	case s.crls:
		return bad("it holds revocation lists, which the kernel cannot read", again)
	case s.algorithm.key == "" || s.oddParameters:
		return bad("the kernel does not know signature algorithm "+s.algorithm.name, again+" and an RSA key (as rsaEncryption) or an ECDSA key")
	case s.algorithm.hash != 0 && s.algorithm.hash != s.digest.hash:
		return bad("its digest is "+s.digest.name+", its signature algorithm "+s.algorithm.name, again)
	case len(s.digests) != 1 || !s.digests[0].Equal(s.digest.oid):
		return bad("its digestAlgorithms are not just the signer's "+s.digest.name, again)
	}
	return nil
}

// wantVersion is the version of a SignedData over data and of its SignerInfo:
// it tells how the signer is named. The kernel wants the same in both
// (pkcs7_note_signerinfo_version).
func (s *Signature) wantVersion() int {
	if s.id.KeyID != "" {
		return 3
	}
	return 1
}

// CMS returns the bare CMS. The caller must not change it.
func (s *Signature) CMS() []byte { return s.cms }

// Hash returns the digest algorithm over the image, 0 for one that Go has not.
// When it is not SHA-256, SHA-384 or SHA-512, [Signature.Verify] refuses it.
func (s *Signature) Hash() crypto.Hash { return s.digest.hash }

// Digest returns the digest of an image by s.Hash(), nil when
// [Signature.Verify] refuses that hash.
func (s *Signature) Digest(image []byte) []byte {
	if s.digest.weak {
		return nil
	}
	h := s.digest.hash.New()
	h.Write(image)
	return h.Sum(nil)
}

// HashName returns the digest algorithm as the kernel and sign-file call it,
// or its dotted object identifier.
func (s *Signature) HashName() string { return s.digest.name }

// Algorithm returns the name of the signature algorithm, or its dotted object
// identifier.
func (s *Signature) Algorithm() string { return s.algorithm.name }

// Identifier returns how the signature names its signer.
func (s *Signature) Identifier() Identifier { return s.id }

// Certificates returns the DER of the embedded certificates. Nobody signed
// them: they are for showing. The caller must not change them.
func (s *Signature) Certificates() [][]byte { return s.certs }
