package modsig_test

import (
	"crypto"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/modsig"
)

// seeds adds the files of testdata whose names match.
func seeds(f *testing.F, patterns ...string) {
	f.Helper()
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join("testdata", pattern))
		require.NoError(f, err)
		require.NotEmpty(f, names)
		for _, name := range names {
			f.Add(read(f, filepath.Base(name)))
		}
	}
}

func FuzzSplit(f *testing.F) {
	seeds(f, "*.ko", "*.p7s")
	once := read(f, "rsa2048-sha256.ko")
	f.Add(modsig.Attach(once, sign(f, "p256", once)))
	f.Add(sign(f, "p384", once).Container())
	f.Fuzz(func(t *testing.T, b []byte) {
		image, cms, err := modsig.Split(b)
		if err != nil {
			return
		}
		require.NotEmpty(t, image)
		require.NotEmpty(t, cms)
		assert.Equal(t, b[:len(image)], image)
		assert.Equal(t, b[len(image):len(image)+len(cms)], cms)
		if s, err := modsig.Inspect(cms); err == nil {
			assert.Equal(t, b, modsig.Attach(image, s), "Split and Attach are inverse")
		}
	})
}

func FuzzParse(f *testing.F) {
	seeds(f, "*.p7s", "openssl.pem")
	f.Add(sign(f, "p256", nil).Container())
	f.Add(built(cmsParts{crls: true}))
	image, cert := read(f, "image.ko"), certificate(f, "rsa2048")
	digest := sum(crypto.SHA256, image)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := modsig.InspectDetached(b)
		if err != nil {
			var fe *modsig.FormatError
			require.ErrorAs(t, err, &fe)
			require.GreaterOrEqual(t, fe.Offset, int64(0))
			require.LessOrEqual(t, fe.Offset, int64(len(b)))
			return
		}
		assert.NotEmpty(t, s.Identifier().String())
		again, err := modsig.InspectDetached(s.Container())
		require.NoError(t, err)
		assert.Equal(t, s, again)
		_, err = modsig.ParseDetached(b)
		assert.Equal(t, s.Check() == nil, err == nil)
		if s.Hash() == crypto.SHA256 && s.Verify(digest, cert) == nil {
			assert.True(t, s.Matches(cert))
			assert.NoError(t, s.Check())
		}
	})
}

func FuzzCertificate(f *testing.F) {
	seeds(f, "*.crt", "*.key", "*.x509")
	f.Add(certificate(f, "p521").Raw)
	s, err := modsig.Parse(read(f, "p256-sha256.p7s"))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		cert, err := modsig.ParseCertificate(b)
		if err != nil {
			var fe *modsig.FormatError
			require.ErrorAs(t, err, &fe)
			return
		}
		again, err := modsig.ParseCertificate(cert.Raw)
		require.NoError(t, err)
		assert.Equal(t, modsig.Fingerprint(cert), modsig.Fingerprint(again))
		assert.Equal(t, s.Matches(cert), s.Matches(again))
	})
}
