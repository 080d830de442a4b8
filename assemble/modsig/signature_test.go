package modsig_test

import (
	"bytes"
	"crypto"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"koweld/assemble/modsig"
)

func TestParseReadsWhatSignFileWrites(t *testing.T) {
	algorithms := map[string]string{
		"rsa2048": "rsaEncryption", "p256": "ecdsa-with-SHA256",
		"p384": "ecdsa-with-SHA384", "p521": "ecdsa-with-SHA512",
	}
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			cms := read(t, g.name+".p7s")
			s, err := modsig.Parse(cms)
			require.NoError(t, err)
			cert := certificate(t, g.key)
			assert.Equal(t, g.hash, s.Hash())
			assert.True(t, s.Hash().Available())
			byName, err := modsig.ParseHash(s.HashName())
			require.NoError(t, err)
			assert.Equal(t, g.hash, byName)
			assert.Equal(t, algorithms[g.key], s.Algorithm())
			assert.Equal(t, cms, s.CMS())
			assert.Empty(t, s.Certificates())
			assert.True(t, s.Matches(cert))
			assert.False(t, s.Matches(certificate(t, "foreign")))
			assert.Equal(t, g.keyID, s.Identifier().KeyID != "")
		})
	}
}

func TestParseTakesWhatOpensslWritesForModules(t *testing.T) {
	plain, err := modsig.Parse(read(t, "openssl-plain.p7s"))
	require.NoError(t, err)
	assert.Equal(t, read(t, "rsa2048-sha256.p7s"), plain.CMS())

	s, err := modsig.Parse(read(t, "openssl-certificates.p7s"))
	require.NoError(t, err)
	require.Len(t, s.Certificates(), 2)
	embedded := append(bytes.Clone(s.Certificates()[0]), s.Certificates()[1]...)
	assert.True(t, bytes.Contains(embedded, certificate(t, "rsa2048").Raw))
	assert.True(t, bytes.Contains(embedded, certificate(t, "p256").Raw))
	assert.NoError(t, s.Verify(sum(crypto.SHA256, read(t, "image.ko")), certificate(t, "rsa2048")))
}

func TestEmbeddedCertificatesAreNotTrusted(t *testing.T) {
	s, err := modsig.Parse(read(t, "openssl-certificates.p7s"))
	require.NoError(t, err)
	_, err = modsig.VerifyAny(s, sum(crypto.SHA256, read(t, "image.ko")), nil)
	var re *modsig.RejectedError
	require.ErrorAs(t, err, &re)
	assert.Equal(t, modsig.UnknownSigner, re.Reason)
}

func TestParseCopies(t *testing.T) {
	cms := read(t, "rsa2048-sha256.p7s")
	s, err := modsig.Parse(cms)
	require.NoError(t, err)
	clear(cms)
	assert.NoError(t, s.Verify(sum(crypto.SHA256, read(t, "image.ko")), certificate(t, "rsa2048")))
}

func TestParseRejectsWhatTheKernelRefuses(t *testing.T) {
	image := read(t, "image.ko")
	renamed := func(arcs string) []byte { // rsaEncryption is 1.2.840.113549.1.1.1
		oid := "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01"
		return bytes.Replace(read(t, "rsa2048-sha256.p7s"), []byte(oid+"\x01"), []byte(oid+arcs), 1)
	}
	ecdsa := "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03"
	sha256 := []byte("\x60\x86\x48\x01\x65\x03\x04\x02\x01")
	tests := []struct {
		name string
		cms  []byte
		msg  string
	}{
		{"signed attributes", read(t, "openssl-attributes.p7s"), "signed attributes"},
		{"content", read(t, "openssl-content.p7s"), "encapsulates content"},
		{"two signers", read(t, "openssl-two-signers.p7s"), "more than one signer"},
		{"content type", read(t, "openssl-type.p7s"), "content type is 1.2.840.113549.1.9.16.1.4"},
		{"RSASSA-PSS", read(t, "openssl-pss.p7s"), "RSASSA-PSS"},
		{"sha256WithRSAEncryption", renamed("\x0b"), "sha256WithRSAEncryption"},
		{"unknown algorithm", renamed("\x7f"), "1.2.840.113549.1.1.127"},
		{
			"digest and algorithm disagree",
			bytes.Replace(read(t, "p256-sha256.p7s"), []byte(ecdsa+"\x02"), []byte(ecdsa+"\x03"), 1),
			"ecdsa-with-SHA384",
		},
		{
			"digestAlgorithms disagrees",
			bytes.Replace(read(t, "rsa2048-sha256.p7s"), sha256, []byte("\x60\x86\x48\x01\x65\x03\x04\x02\x03"), 1),
			"digestAlgorithms",
		},
		{"revocation lists", built(cmsParts{crls: true}), "revocation lists"},
		{"no digestAlgorithms", built(cmsParts{noDigests: true}), "digestAlgorithms"},
		{"version 2", built(cmsParts{version: 2, si: 2}), "both must be 1"},
		{"versions differ", built(cmsParts{version: 1, si: 3}), "SignedData version 1 and SignerInfo version 3"},
		{"version 3 with issuer and serial", built(cmsParts{version: 3, si: 3}), "both must be 1"},
		{"parameters", built(cmsParts{parameters: []byte{0x04, 0x01, 0x00}}), "rsaEncryption"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := modsig.Parse(tt.cms)
			var re *modsig.RejectedError
			require.ErrorAs(t, err, &re)
			assert.Equal(t, modsig.BadForm, re.Reason)
			assert.ErrorContains(t, err, tt.msg)
			assert.Contains(t, re.Hint(), "sign again")

			s, err := modsig.Inspect(tt.cms)
			require.NoError(t, err, "Inspect describes it")
			err = s.Verify(sum(crypto.SHA256, image), certificate(t, "rsa2048"))
			require.ErrorAs(t, err, &re, "and Verify still refuses it")
			assert.Equal(t, modsig.BadForm, re.Reason)
		})
	}
}

func TestParseTakesSHA1AndVerifyRefusesIt(t *testing.T) {
	s, err := modsig.Parse(read(t, "openssl-sha1.p7s"))
	require.NoError(t, err)
	assert.Equal(t, crypto.SHA1, s.Hash())
	assert.Equal(t, "sha1", s.HashName())
	err = s.Verify(sum(crypto.SHA256, read(t, "image.ko"))[:20], certificate(t, "rsa2048"))
	var re *modsig.RejectedError
	require.ErrorAs(t, err, &re)
	assert.Equal(t, modsig.WeakHash, re.Reason)
	assert.ErrorContains(t, err, "sha1")
}

// cmsParts says how [built] differs from a CMS that is accepted.
type cmsParts struct {
	crls, noDigests    bool
	version, si        int64
	noSigner           bool
	serial             []byte
	issuer             []byte
	parameters         []byte
	unsignedAttributes []byte
	tail               []byte // after SignerInfo's last field
}

// built writes a CMS by hand: what no tool writes.
func built(p cmsParts) []byte {
	var digest cryptobyte.Builder
	digest.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier([]int{2, 16, 840, 1, 101, 3, 4, 2, 1})
		b.AddASN1NULL()
	})
	or := func(b, def []byte) []byte {
		if b == nil {
			return def
		}
		return b
	}
	version := func(v int64) int64 {
		if v == 0 {
			return 1
		}
		return v
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier([]int{1, 2, 840, 113549, 1, 7, 2})
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(version(p.version))
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
					if !p.noDigests {
						b.AddBytes(digest.BytesOrPanic())
					}
				})
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier([]int{1, 2, 840, 113549, 1, 7, 1})
				})
				if p.crls {
					b.AddASN1(cbasn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
						b.AddASN1(cbasn1.SEQUENCE, func(*cryptobyte.Builder) {})
					})
				}
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
					if p.noSigner {
						return
					}
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1Int64(version(p.si))
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddBytes(or(p.issuer, []byte{0x30, 0}))
							b.AddBytes(or(p.serial, []byte{2, 1, 1}))
						})
						b.AddBytes(digest.BytesOrPanic())
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier([]int{1, 2, 840, 113549, 1, 1, 1})
							b.AddBytes(or(p.parameters, []byte{5, 0}))
						})
						b.AddASN1OctetString(make([]byte, 256))
						b.AddBytes(p.unsignedAttributes)
						b.AddBytes(p.tail)
					})
				})
			})
		})
	})
	return b.BytesOrPanic()
}

func TestUnsignedAttributesAreAllowed(t *testing.T) {
	timestamp := []byte("\xa1\x0a\x30\x08\x06\x02\x2a\x03\x31\x02\x05\x00")
	_, err := modsig.Parse(built(cmsParts{unsignedAttributes: timestamp}))
	assert.NoError(t, err)
}

func TestDigestWithNullParametersIsAllowed(t *testing.T) {
	_, err := modsig.Parse(built(cmsParts{}))
	assert.NoError(t, err)
}

func TestParseRefusesMalformed(t *testing.T) {
	good := read(t, "rsa2048-sha256.p7s")
	tests := []struct {
		name string
		cms  []byte
		msg  string
	}{
		{"empty", nil, "ContentInfo"},
		{"not DER", []byte("hello, world"), "ContentInfo"},
		{"byte after", append(bytes.Clone(good), 0), "1 bytes too many in the signature"},
		{"indefinite lengths", read(t, "openssl-indefinite.p7s"), "ContentInfo"},
		{"PEM", read(t, "openssl.pem"), "PEM"},
		{"data, not signedData", append([]byte{0x30, 0x0f}, "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x02\x04\x00"...), "not signedData"},
		{"no signer", built(cmsParts{noSigner: true}), "SignerInfo"},
		{"empty serial", built(cmsParts{serial: []byte{2, 0}}), "serial number"},
		{"padded serial", built(cmsParts{serial: []byte{2, 2, 0, 1}}), "serial number is not DER"},
		{"padded negative serial", built(cmsParts{serial: []byte{2, 2, 0xff, 0x80}}), "serial number is not DER"},
		{"issuer not a name", built(cmsParts{issuer: []byte{0x30, 2, 5, 0}}), "RelativeDistinguishedName"},
		{"null with content", built(cmsParts{parameters: []byte{5, 1, 0}}), "NULL"},
		{"two parameters", built(cmsParts{parameters: []byte{5, 0, 5, 0}}), "too many in the signature algorithm"},
		{"byte after SignerInfo's fields", built(cmsParts{tail: []byte{5, 0}}), "too many in SignerInfo"},
		{"unsigned attributes not a set", built(cmsParts{unsignedAttributes: []byte{0xa1, 2, 5, 0}}), "attribute"},
		{"long", make([]byte, 65536), "65535"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := modsig.Parse(tt.cms)
			var fe *modsig.FormatError
			require.ErrorAs(t, err, &fe)
			assert.ErrorContains(t, err, tt.msg)
			assert.LessOrEqual(t, fe.Offset, int64(len(tt.cms)))
		})
	}
}

func TestFormatErrorNamesTheByte(t *testing.T) {
	cms := read(t, "rsa2048-sha256.p7s")
	at := bytes.LastIndex(cms, []byte("\x04\x82\x01\x00")) // the signature value
	require.Positive(t, at)
	cms[at] = 0x03
	_, err := modsig.Parse(cms)
	var fe *modsig.FormatError
	require.ErrorAs(t, err, &fe)
	assert.EqualValues(t, at, fe.Offset)
	assert.EqualError(t, err, "cannot read signature: no DER signature value where it belongs (at byte 159)")
}

func TestEveryTruncationIsMalformed(t *testing.T) {
	for _, g := range goldens {
		cms := read(t, g.name+".p7s")
		for n := range cms {
			_, err := modsig.Parse(cms[:n])
			var fe *modsig.FormatError
			require.ErrorAs(t, err, &fe, "%s cut to %d bytes", g.name, n)
		}
	}
}

func TestIdentifierIsForPeopleAndForJSON(t *testing.T) {
	bySerial, err := modsig.Parse(read(t, "p384-sha384.p7s"))
	require.NoError(t, err)
	cert := certificate(t, "p384")
	serial := strings.ToLower(cert.SerialNumber.Text(16))
	assert.Equal(t, "issuer CN=test p384,O=koweld, serial "+serial, bySerial.Identifier().String())

	byKeyID, err := modsig.Parse(read(t, "p384-sha384-keyid.p7s"))
	require.NoError(t, err)
	got, err := json.Marshal(byKeyID.Identifier())
	require.NoError(t, err)
	assert.JSONEq(t, `{"subjectKeyIdentifier": "`+hexOf(cert.SubjectKeyId)+`"}`, string(got))

	other, err := modsig.Parse(read(t, "p521-sha512.p7s"))
	require.NoError(t, err)
	assert.NotEqual(t, bySerial.Identifier(), other.Identifier())
	again, err := modsig.Parse(bySerial.CMS())
	require.NoError(t, err)
	assert.True(t, bySerial.Identifier() == again.Identifier(), "identifiers are comparable")
}

func TestIdentifierHasNoControlCharacters(t *testing.T) {
	name := "\x30\x11\x31\x0f\x30\x0d\x06\x03\x55\x04\x03\x0c\x06a\x1b[2Jb" // CN, UTF8String
	s, err := modsig.Parse(built(cmsParts{issuer: []byte(name)}))
	require.NoError(t, err)
	assert.Equal(t, "issuer CN=a�[2Jb, serial 01", s.Identifier().String())
}
