package modsig

import (
	"crypto"
	_ "crypto/sha256" // for [crypto.Hash.New] on what [Signature.Hash] returns
	_ "crypto/sha512"
	"encoding/asn1"
	"fmt"
	"strings"
)

// Content types (RFC 5652 §4, §5.1).
var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
)

// digest is a message digest algorithm that a signature may name.
type digest struct {
	oid  asn1.ObjectIdentifier
	name string      // as the kernel and sign-file call it
	hash crypto.Hash // 0: Go has none
	weak bool        // known, and refused
}

var digests = []digest{
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, "sha256", crypto.SHA256, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, "sha384", crypto.SHA384, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, "sha512", crypto.SHA512, false},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4}, "sha224", crypto.SHA224, true},
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, "sha1", crypto.SHA1, true},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}, "md5", crypto.MD5, true},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 4}, "md4", crypto.MD4, true},
}

func digestByOID(oid asn1.ObjectIdentifier) digest {
	for _, d := range digests {
		if d.oid.Equal(oid) {
			return d
		}
	}
	return digest{oid: oid, name: oid.String(), weak: true}
}

// digestByHash finds what [Sign] may use.
func digestByHash(h crypto.Hash) (digest, bool) {
	for _, d := range digests {
		if d.hash == h && !d.weak {
			return d, true
		}
	}
	return digest{}, false
}

// ParseHash returns the hash that sign-file calls name: sha256, sha384 or
// sha512.
func ParseHash(name string) (crypto.Hash, error) {
	var known []string
	for _, d := range digests {
		if d.weak {
			continue
		}
		if d.name == name {
			return d.hash, nil
		}
		known = append(known, d.name)
	}
	return 0, fmt.Errorf("cannot use hash %q: it is none of %s", name, strings.Join(known, ", "))
}

// keyType is the sort of key that makes a signature.
type keyType string

const (
	keyRSA   keyType = "RSA"
	keyECDSA keyType = "ECDSA"
)

// algorithm is a signature algorithm.
type algorithm struct {
	oid  asn1.ObjectIdentifier
	name string      // as its RFC calls it
	key  keyType     // "": not for modules
	hash crypto.Hash // 0: any
}

// algorithms has what the kernel takes (pkcs7_sig_note_pkey_algo in
// pkcs7_parser.c), and some that it does not, to name them. Note that it takes
// RSA only as rsaEncryption: the names with a digest are "unsupported crypto".
var algorithms = []algorithm{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, "rsaEncryption", keyRSA, 0},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, "ecdsa-with-SHA1", keyECDSA, crypto.SHA1},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 1}, "ecdsa-with-SHA224", keyECDSA, crypto.SHA224},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, "ecdsa-with-SHA256", keyECDSA, crypto.SHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, "ecdsa-with-SHA384", keyECDSA, crypto.SHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, "ecdsa-with-SHA512", keyECDSA, crypto.SHA512},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, "sha1WithRSAEncryption", "", 0},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, "RSASSA-PSS", "", 0},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, "sha256WithRSAEncryption", "", 0},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, "sha384WithRSAEncryption", "", 0},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, "sha512WithRSAEncryption", "", 0},
	{asn1.ObjectIdentifier{1, 3, 101, 112}, "Ed25519", "", 0},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 17}, "ML-DSA-44", "", 0},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 18}, "ML-DSA-65", "", 0},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 19}, "ML-DSA-87", "", 0},
}

func algorithmByOID(oid asn1.ObjectIdentifier) algorithm {
	for _, a := range algorithms {
		if a.oid.Equal(oid) {
			return a
		}
	}
	return algorithm{oid: oid, name: oid.String()}
}

// algorithmFor finds what sign-file writes for a key and a digest.
func algorithmFor(k keyType, h crypto.Hash) algorithm {
	for _, a := range algorithms {
		if a.key == k && (a.hash == h || a.hash == 0) {
			return a
		}
	}
	panic("modsig: no signature algorithm for " + string(k) + " with " + h.String())
}
