package main

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"koweld/assemble/modsig"
	"koweld/assemble/pack"
	"koweld/manifest"
)

// modsigData are the keys and signatures of package modsig's tests.
const modsigData = "../../assemble/modsig/testdata"

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(modsigData, name))
	require.NoError(t, err)
	return b
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	cert, err := modsig.ParseCertificate(read(t, name))
	require.NoError(t, err)
	return cert
}

func write(t *testing.T, data []byte, elem ...string) {
	t.Helper()
	name := filepath.Join(elem...)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, data, 0o644))
}

// sign returns a signature over image with a key of modsig's tests.
func sign(t *testing.T, key string, image []byte) *modsig.Signature {
	t.Helper()
	private, err := modsig.ParsePrivateKey(read(t, key+".key"))
	require.NoError(t, err)
	sum := crypto.SHA256.New()
	sum.Write(image)
	s, err := modsig.Sign(nil, private, certificate(t, key+".crt"), sum.Sum(nil), modsig.SignOptions{Hash: crypto.SHA256})
	require.NoError(t, err)
	return s
}

// image is a module without signature, its own for each name.
func image(t *testing.T, name string) []byte {
	return append(read(t, "image.ko"), name...)
}

const modulesDir = "lib/modules/1.0-test/kernel"

// testModules are the names of those in a test kernel.
var testModules = []string{"acme", "fs/drill", "net/probe"}

// writeKernel makes a kernel with modules that are signed by key, the first of
// them compressed, and with all parts of its pairs.
func writeKernel(t *testing.T, dir, key string) {
	t.Helper()
	vmlinux := append(bytes.Repeat([]byte{0x30, 0x82, 0, 0}, 100), certificate(t, key+".crt").Raw...)
	write(t, bzImage(packZstd(t, vmlinux), len(vmlinux)), dir, "signed/boot/vmlinuz-1.0-test")
	for i, name := range testModules {
		unsigned := image(t, name)
		s := sign(t, key, unsigned)
		signed := modsig.Attach(unsigned, s)
		if i == 0 {
			packed, err := pack.Compress(t.Context(), manifest.XZ, signed)
			require.NoError(t, err)
			write(t, packed, dir, "signed", modulesDir, name+".ko.xz")
		} else {
			write(t, signed, dir, "signed", modulesDir, name+".ko")
		}
		write(t, unsigned, dir, "unsigned", modulesDir, name+".ko")
		write(t, s.CMS(), dir, "detached", modulesDir, name+".ko.sig")
	}
}

func packZstd(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll(data, nil)
}

// bzImage is what the boot protocol asks for, and no kernel: a setup of one
// sector and a payload that begins at an odd place.
func bzImage(packed []byte, size int) []byte {
	const offset = 0x2cd
	b := make([]byte, 2*sectorSize+offset)
	b[posSetupSects] = 1
	copy(b[posMagic:], headerMagic)
	binary.LittleEndian.PutUint16(b[posVersion:], 0x020f)
	binary.LittleEndian.PutUint32(b[posPayloadOffset:], offset)
	binary.LittleEndian.PutUint32(b[posPayloadLength:], uint32(len(packed)+4))
	b = append(b, packed...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	return append(b, "what follows the payload"...)
}
