package modsig_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/assemble/modsig"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func TestVerifyAcceptsSignFile(t *testing.T) {
	image := read(t, "image.ko")
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			s, err := modsig.Parse(read(t, g.name+".p7s"))
			require.NoError(t, err)
			assert.NoError(t, s.Verify(sum(g.hash, image), certificate(t, g.key)))
		})
	}
}

func TestVerifyAcceptsDebiansModules(t *testing.T) {
	for _, tt := range []struct {
		kernel, algorithm string
		image             string // sha256 of kernel/net/key/af_key.ko without its signature
	}{
		{"6.1.0-56", "rsaEncryption", "faa6a5ef170a32b3d85fa74ed817de80688aa23855ed0892dc5527223a527e13"},
		{"6.12.107", "ecdsa-with-SHA256", "bc35f191cff7f5c0783cc325725412e4433f75778c02a054e4904400376b27ee"},
	} {
		t.Run(tt.kernel, func(t *testing.T) {
			s, err := modsig.Parse(read(t, "debian-"+tt.kernel+".p7s"))
			require.NoError(t, err)
			assert.Equal(t, tt.algorithm, s.Algorithm())
			cert, err := modsig.ParseCertificate(read(t, "debian-"+tt.kernel+".x509"))
			require.NoError(t, err)
			digest, err := hex.DecodeString(tt.image)
			require.NoError(t, err)
			require.NoError(t, s.Verify(digest, cert))
			digest[31]++
			assert.Error(t, s.Verify(digest, cert))
		})
	}
}

func TestVerifySaysWhyNot(t *testing.T) {
	image := read(t, "image.ko")
	changed := append(bytes.Clone(image), 0)
	foreign := certificate(t, "foreign")
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			s, err := modsig.Parse(read(t, g.name+".p7s"))
			require.NoError(t, err)
			var re *modsig.RejectedError

			require.ErrorAs(t, s.Verify(sum(g.hash, changed), certificate(t, g.key)), &re)
			assert.Equal(t, modsig.OtherBytes, re.Reason)
			assert.ErrorContains(t, re, "signature is over other bytes")

			require.ErrorAs(t, s.Verify(sum(g.hash, image), foreign), &re)
			assert.Equal(t, modsig.UnknownSigner, re.Reason)
			assert.Equal(t, s.Identifier(), re.Signer)
			assert.ErrorContains(t, re, s.Identifier().String())
			assert.ErrorContains(t, re, "CN=test foreign,O=koweld")
			assert.ErrorContains(t, re, modsig.Fingerprint(foreign)[:16])
		})
	}
}

func TestVerifyAnyReturnsTheSigner(t *testing.T) {
	image := read(t, "image.ko")
	certs := []*x509.Certificate{certificate(t, "foreign"), certificate(t, "p256"), certificate(t, "rsa2048"), certificate(t, "p384")}
	for _, name := range []string{"p256", "rsa2048"} {
		cert, err := modsig.VerifyAny(sign(t, name, image), sum(crypto.SHA256, image), certs)
		require.NoError(t, err)
		assert.Equal(t, certificate(t, name).Raw, cert.Raw)
	}
}

func TestVerifyAnyTriesEveryCertificateThatMatches(t *testing.T) {
	image := read(t, "image.ko")
	signer := certificate(t, "rsa2048")
	impostor := certificate(t, "p256")
	impostor.SubjectKeyId = signer.SubjectKeyId
	s, err := modsig.Parse(read(t, "rsa2048-sha256-keyid.p7s"))
	require.NoError(t, err)

	cert, err := modsig.VerifyAny(s, sum(crypto.SHA256, image), []*x509.Certificate{impostor, signer})
	require.NoError(t, err)
	assert.Equal(t, signer, cert)

	_, err = modsig.VerifyAny(s, sum(crypto.SHA256, image), []*x509.Certificate{impostor})
	var re *modsig.RejectedError
	require.ErrorAs(t, err, &re)
	assert.Equal(t, modsig.BadKey, re.Reason)
	assert.ErrorContains(t, err, "rsaEncryption with the ECDSA key")
}

func TestCertificateWithoutKeyIDMatchesNoKeyID(t *testing.T) {
	cert := certificate(t, "nokeyid")
	require.Empty(t, cert.SubjectKeyId)
	for _, g := range goldens {
		s, err := modsig.Parse(read(t, g.name+".p7s"))
		require.NoError(t, err)
		assert.False(t, s.Matches(cert), g.name)
	}
}

func TestIssuerMustBeTheSameBytes(t *testing.T) {
	s, err := modsig.Parse(read(t, "p256-sha256.p7s"))
	require.NoError(t, err)
	cert := certificate(t, "p256")
	cert.RawIssuer = bytes.Replace(cert.RawIssuer, []byte("\x0c\x06koweld"), []byte("\x13\x06koweld"), 1) // PrintableString
	assert.False(t, s.Matches(cert))
	cert = certificate(t, "p256")
	cert.SerialNumber = new(big.Int).Add(cert.SerialNumber, big.NewInt(1))
	assert.False(t, s.Matches(cert))
}

func TestVerifyRefusesKeysThatKernelsDoNotTake(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	modulus := func(bits uint) *rsa.PublicKey {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
	}
	even := modulus(2048)
	even.N.SetBit(even.N, 0, 0)
	for _, tt := range []struct {
		name      string
		signature string
		key       any
		msg       string
	}{
		{"P-224", "p256-sha256.p7s", p224.Public(), "ECDSA key on P-224"},
		{"Ed25519", "p256-sha256.p7s", ed, "ed25519"},
		{"RSA for ECDSA", "p256-sha256.p7s", modulus(2048), "ecdsa-with-SHA256 with the RSA key"},
		{"RSA-8192", "rsa2048-sha256.p7s", modulus(8192), "RSA key of 8192 bits"},
		{"RSA-2056", "rsa2048-sha256.p7s", modulus(2056), "RSA key of 2056 bits"},
		{"RSA-512", "rsa2048-sha256.p7s", modulus(512), "RSA key of 512 bits"},
		{"even modulus", "rsa2048-sha256.p7s", even, "is not usable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := modsig.Parse(read(t, tt.signature))
			require.NoError(t, err)
			cert := certificate(t, strings.Split(tt.signature, "-")[0])
			cert.PublicKey = tt.key
			var re *modsig.RejectedError
			require.ErrorAs(t, s.Verify(sum(crypto.SHA256, read(t, "image.ko")), cert), &re)
			assert.Equal(t, modsig.BadKey, re.Reason)
			assert.ErrorContains(t, re, tt.msg)
		})
	}
}

func TestVerifyWantsADigestOfTheRightSize(t *testing.T) {
	s, err := modsig.Parse(read(t, "rsa2048-sha512.p7s"))
	require.NoError(t, err)
	err = s.Verify(make([]byte, 32), certificate(t, "rsa2048"))
	assert.EqualError(t, err, "cannot verify signature: digest has 32 bytes, sha512 has 64")
}

func TestVerifyModule(t *testing.T) {
	signed, unsigned := read(t, "rsa2048-sha256.ko"), read(t, "image.ko")
	certs := []*x509.Certificate{certificate(t, "p256"), certificate(t, "rsa2048")}
	s, cert, err := modsig.VerifyModule(signed, certs)
	require.NoError(t, err)
	assert.Equal(t, read(t, "rsa2048-sha256.p7s"), s.CMS())
	assert.Equal(t, certs[1], cert)
	assert.Equal(t, sum(crypto.SHA256, unsigned), s.Digest(unsigned))

	weak, err := modsig.Parse(read(t, "openssl-sha1.p7s"))
	require.NoError(t, err)
	attributes, err := modsig.Inspect(read(t, "openssl-attributes.p7s"))
	require.NoError(t, err)
	for _, tt := range []struct {
		name   string
		module []byte
		certs  []*x509.Certificate
		reason modsig.Reason
	}{
		{"unsigned", unsigned, certs, modsig.NotSigned},
		{"no certificate", signed, nil, modsig.UnknownSigner},
		{"other certificate", signed, certs[:1], modsig.UnknownSigner},
		{"twice the same signature", modsig.Attach(signed, s), certs, modsig.OtherBytes},
		{"sha1", modsig.Attach(unsigned, weak), certs, modsig.WeakHash},
		{"attributes", modsig.Attach(unsigned, attributes), certs, modsig.BadForm},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, cert, err := modsig.VerifyModule(tt.module, tt.certs)
			var re *modsig.RejectedError
			require.ErrorAs(t, err, &re)
			assert.Equal(t, tt.reason, re.Reason)
			assert.Nil(t, s)
			assert.Nil(t, cert)
		})
	}
	_, _, err = modsig.VerifyModule(signed[len(signed)-magicSize:], certs)
	var fe *modsig.FormatError
	assert.ErrorAs(t, err, &fe)
}

func verifies(module []byte, cert *x509.Certificate) bool {
	_, _, err := modsig.VerifyModule(module, []*x509.Certificate{cert})
	return err == nil
}

func TestNoTruncatedModuleVerifies(t *testing.T) {
	module, cert := read(t, "rsa2048-sha256.ko"), certificate(t, "rsa2048")
	require.True(t, verifies(module, cert))
	for n := range module {
		require.False(t, verifies(module[:n], cert), "cut to %d bytes", n)
		require.False(t, verifies(module[n+1:], cert), "without the first %d bytes", n+1)
	}
}

func TestNoModuleWithAnotherByteVerifies(t *testing.T) {
	image := read(t, "image.ko")
	for _, name := range []string{"rsa2048", "p256"} {
		module, cert := modsig.Attach(image, sign(t, name, image)), certificate(t, name)
		require.True(t, verifies(module, cert))
		for i := range module {
			// Every bit here, any other value in the property below.
			for bit := range 8 {
				module[i] ^= 1 << bit
				require.False(t, verifies(module, cert), "%s: bit %d of byte %d", name, bit, i)
				module[i] ^= 1 << bit
			}
		}
	}
}

func TestNoMutatedModuleVerifies(t *testing.T) {
	image := read(t, "image.ko")
	modules := map[string][]byte{}
	for _, name := range []string{"rsa2048", "p256", "p384"} {
		modules[name] = modsig.Attach(image, sign(t, name, image))
	}
	rapid.Check(t, func(t2 *rapid.T) {
		name := rapid.SampledFrom([]string{"rsa2048", "p256", "p384"}).Draw(t2, "key")
		good := modules[name]
		from := rapid.IntRange(0, len(good)).Draw(t2, "from")
		to := rapid.IntRange(from, min(len(good), from+8)).Draw(t2, "to")
		with := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t2, "with")
		bad := append(append(bytes.Clone(good[:from]), with...), good[to:]...)
		if bytes.Equal(bad, good) {
			t2.Skip("no mutation")
		}
		assert.False(t2, verifies(bad, certificate(t, name)))
	})
}
