package modsig_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/assemble/modsig"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	cert, err := modsig.ParseCertificate(read(t, name+".crt"))
	require.NoError(t, err)
	return cert
}

func key(t testing.TB, name string) crypto.Signer {
	t.Helper()
	k, err := modsig.ParsePrivateKey(read(t, name+".key"))
	require.NoError(t, err)
	return k
}

func sum(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}

// sign signs an image with a key of testdata and SHA-256.
func sign(t testing.TB, name string, image []byte) *modsig.Signature {
	t.Helper()
	s, err := modsig.Sign(rand.Reader, key(t, name), certificate(t, name), sum(crypto.SHA256, image),
		modsig.SignOptions{Hash: crypto.SHA256})
	require.NoError(t, err)
	return s
}

// goldens are the signatures by sign-file over image.ko.
var goldens = []struct {
	name, key string
	hash      crypto.Hash
	keyID     bool
}{
	{"rsa2048-sha256", "rsa2048", crypto.SHA256, false},
	{"rsa2048-sha384", "rsa2048", crypto.SHA384, false},
	{"rsa2048-sha512", "rsa2048", crypto.SHA512, false},
	{"rsa2048-sha256-keyid", "rsa2048", crypto.SHA256, true},
	{"rsa2048-sha384-keyid", "rsa2048", crypto.SHA384, true},
	{"rsa2048-sha512-keyid", "rsa2048", crypto.SHA512, true},
	{"p256-sha256", "p256", crypto.SHA256, false},
	{"p256-sha256-keyid", "p256", crypto.SHA256, true},
	{"p384-sha384", "p384", crypto.SHA384, false},
	{"p384-sha384-keyid", "p384", crypto.SHA384, true},
	{"p521-sha512", "p521", crypto.SHA512, false},
	{"p521-sha512-keyid", "p521", crypto.SHA512, true},
}
