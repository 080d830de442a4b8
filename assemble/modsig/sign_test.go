package modsig_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/assemble/modsig"
)

func asRSA(t testing.TB, k crypto.Signer) *rsa.PrivateKey {
	t.Helper()
	r, ok := k.(*rsa.PrivateKey)
	require.True(t, ok)
	return r
}

func TestSignGivesTheBytesOfSignFileForRSA(t *testing.T) {
	image := read(t, "image.ko")
	for _, g := range goldens {
		if g.key != "rsa2048" {
			continue // ECDSA is random
		}
		t.Run(g.name, func(t *testing.T) {
			s, err := modsig.Sign(rand.Reader, key(t, g.key), certificate(t, g.key), sum(g.hash, image),
				modsig.SignOptions{Hash: g.hash, KeyID: g.keyID})
			require.NoError(t, err)
			assert.Equal(t, read(t, g.name+".p7s"), s.CMS())
		})
	}
}

func TestSignGivesTheFormOfSignFileForECDSA(t *testing.T) {
	image := read(t, "image.ko")
	for _, g := range goldens {
		if g.key == "rsa2048" {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			golden, err := modsig.Parse(read(t, g.name+".p7s"))
			require.NoError(t, err)
			s, err := modsig.Sign(rand.Reader, key(t, g.key), certificate(t, g.key), sum(g.hash, image),
				modsig.SignOptions{Hash: g.hash, KeyID: g.keyID})
			require.NoError(t, err)
			assert.Equal(t, golden.Identifier(), s.Identifier())
			assert.Equal(t, golden.Algorithm(), s.Algorithm())
			assert.InDelta(t, len(golden.CMS()), len(s.CMS()), 8, "but for the size of two integers")
		})
	}
}

func TestSignThenVerify(t *testing.T) {
	hashes := []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}
	rapid.Check(t, func(r *rapid.T) {
		image := rapid.SliceOf(rapid.Byte()).Draw(r, "image")
		name := rapid.SampledFrom([]string{"rsa2048", "p256", "p384"}).Draw(r, "key")
		opts := modsig.SignOptions{
			Hash:  rapid.SampledFrom(hashes).Draw(r, "hash"),
			KeyID: rapid.Bool().Draw(r, "keyid"),
		}
		s, err := modsig.Sign(rand.Reader, key(t, name), certificate(t, name), sum(opts.Hash, image), opts)
		require.NoError(r, err)
		again, err := modsig.Parse(s.CMS())
		require.NoError(r, err)
		assert.Equal(r, s, again)
		assert.NoError(r, again.Verify(sum(opts.Hash, image), certificate(t, name)))
		assert.Error(r, again.Verify(sum(opts.Hash, append(image, 0)), certificate(t, name)))
	})
}

// brokenKey is a signer that lies, as a faulty token would.
type brokenKey struct {
	crypto.Signer
	value []byte
	err   error
}

func (k brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return k.value, k.err }

func TestSignRefuses(t *testing.T) {
	sha256 := modsig.SignOptions{Hash: crypto.SHA256}
	digest := make([]byte, 32)
	tests := []struct {
		name   string
		key    crypto.Signer
		cert   *x509.Certificate
		digest []byte
		opts   modsig.SignOptions
		msg    string
	}{
		{"SHA-1", key(t, "p256"), certificate(t, "p256"), digest[:20], modsig.SignOptions{Hash: crypto.SHA1}, "SHA-1 is not for modules"},
		{"no hash", key(t, "p256"), certificate(t, "p256"), digest, modsig.SignOptions{}, "not for modules"},
		{"digest of another hash", key(t, "p256"), certificate(t, "p256"), digest[:31], sha256, "31 bytes"},
		{"key of another certificate", key(t, "p256"), certificate(t, "foreign"), digest, sha256, "not that of certificate"},
		{"key of another type", key(t, "p256"), certificate(t, "rsa2048"), digest, sha256, "not that of certificate"},
		{"no key identifier", key(t, "nokeyid"), certificate(t, "nokeyid"), digest, modsig.SignOptions{Hash: crypto.SHA256, KeyID: true}, "no subjectKeyIdentifier"},
		{"token fails", brokenKey{Signer: key(t, "rsa2048"), err: errors.New("token is gone")}, certificate(t, "rsa2048"), digest, sha256, "token is gone"},
		{"token signs wrong", brokenKey{Signer: key(t, "rsa2048"), value: make([]byte, 256)}, certificate(t, "rsa2048"), digest, sha256, "over other bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := modsig.Sign(rand.Reader, tt.key, tt.cert, tt.digest, tt.opts)
			require.ErrorContains(t, err, tt.msg)
			assert.Nil(t, s)
		})
	}
}

func TestParseHash(t *testing.T) {
	for name, want := range map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512} {
		got, err := modsig.ParseHash(name)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, name := range []string{"", "sha1", "SHA256", "md5"} {
		_, err := modsig.ParseHash(name)
		assert.ErrorContains(t, err, "sha256, sha384, sha512")
	}
}

// The tests below ask the tools themselves, where they are installed.

func run(t *testing.T, dir, name string, args ...string) ([]byte, error) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	return c.CombinedOutput()
}

func copyTo(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), read(t, name), 0o600))
	}
}

func openssl(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl on PATH: it does not judge our signatures")
	}
	return path
}

func TestOpensslVerifiesWhatWeSign(t *testing.T) {
	tool := openssl(t)
	image := read(t, "image.ko")
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			dir := t.TempDir()
			copyTo(t, dir, "image.ko", g.key+".crt")
			s, err := modsig.Sign(rand.Reader, key(t, g.key), certificate(t, g.key), sum(g.hash, image),
				modsig.SignOptions{Hash: g.hash, KeyID: g.keyID})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "sig"), s.CMS(), 0o600))
			verify := []string{
				"cms", "-verify", "-binary", "-inform", "DER", "-in", "sig", "-content", "image.ko",
				"-certfile", g.key + ".crt", "-nointern", "-noverify", "-out", "out",
			}
			out, err := run(t, dir, tool, verify...)
			require.NoError(t, err, "%s", out)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "image.ko"), append(image, 0), 0o600))
			_, err = run(t, dir, tool, verify...)
			assert.Error(t, err, "openssl must refuse other bytes")
		})
	}
}

func TestSignFileWritesTheSameForRSA(t *testing.T) {
	tools, err := filepath.Glob("/usr/lib/linux-kbuild-*/scripts/sign-file")
	require.NoError(t, err)
	if len(tools) == 0 {
		t.Skip("no /usr/lib/linux-kbuild-*/scripts/sign-file: our bytes are compared with the recorded ones only")
	}
	ssl := openssl(t)
	keys := t.TempDir()
	copyTo(t, keys, "rsa2048.key", "rsa2048.crt")
	out, err := run(t, keys, ssl, "req", "-x509", "-nodes", "-batch", "-newkey", "rsa:4096", "-subj", "/CN=fresh",
		"-days", "2", "-keyout", "rsa4096.key", "-out", "rsa4096.crt")
	require.NoError(t, err, "%s", out)
	image := append(read(t, "image.ko"), "~Module signature appended~"...)

	for _, tool := range tools {
		for _, name := range []string{"rsa2048", "rsa4096"} {
			keyPEM, err := os.ReadFile(filepath.Join(keys, name+".key"))
			require.NoError(t, err)
			k, err := modsig.ParsePrivateKey(keyPEM)
			require.NoError(t, err)
			certPEM, err := os.ReadFile(filepath.Join(keys, name+".crt"))
			require.NoError(t, err)
			cert, err := modsig.ParseCertificate(certPEM)
			require.NoError(t, err)
			for _, hash := range []string{"sha256", "sha384", "sha512"} {
				for _, form := range []string{"", "-k"} {
					t.Run(name+"-"+hash+form, func(t *testing.T) {
						h, err := modsig.ParseHash(hash)
						require.NoError(t, err)
						s, err := modsig.Sign(rand.Reader, k, cert, sum(h, image), modsig.SignOptions{Hash: h, KeyID: form != ""})
						require.NoError(t, err)

						// -d writes only the CMS, -p both, nothing only the module.
						for _, mode := range []string{"", "-d", "-p"} {
							dir := t.TempDir()
							file := filepath.Join(dir, "m.ko")
							require.NoError(t, os.WriteFile(file, image, 0o600))
							var args []string
							for _, option := range []string{form, mode} {
								if option != "" {
									args = append(args, option)
								}
							}
							out, err := run(t, keys, tool, append(args, hash, name+".key", name+".crt", file)...)
							require.NoError(t, err, "%s", out)
							module, err := os.ReadFile(file)
							require.NoError(t, err)
							if mode == "-d" {
								assert.Equal(t, image, module)
							} else {
								assert.Equal(t, modsig.Attach(image, s), module)
							}
							if mode != "" {
								cms, err := os.ReadFile(file + ".p7s")
								require.NoError(t, err)
								assert.Equal(t, s.CMS(), cms)
							}
						}
					})
				}
			}
		}
	}
}
