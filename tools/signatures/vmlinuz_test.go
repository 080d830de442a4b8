package main

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// testCertificates are in DER and PEM; two are out of Debian's kernels.
var testCertificates = []string{
	"rsa2048.crt", "debian-6.1.0-56.x509", "debian-6.12.107.x509", "p256.crt", "p384.crt", "p521.crt", "foreign.crt",
}

func certificates(t testing.TB, names ...string) []*x509.Certificate {
	t.Helper()
	var certs []*x509.Certificate
	for _, name := range names {
		certs = append(certs, certificate(t, name))
	}
	return certs
}

// packWith is packZstd by a program.
func packWith(t *testing.T, data []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program(t, name), args...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	require.NoError(t, err)
	return out
}

// The options are those of kbuild (scripts/xz_wrap.sh, scripts/Makefile.lib).
func TestCertificatesAreFoundInEachPayload(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var vmlinux []byte
	for _, name := range testCertificates {
		for range 1000 { // calls, which the BCJ filter changes
			vmlinux = append(vmlinux, 0xe8)
			vmlinux = binary.LittleEndian.AppendUint32(vmlinux, random.Uint32()&0xffff)
		}
		vmlinux = append(vmlinux, certificate(t, name).Raw...)
	}
	for _, tt := range []struct {
		name string
		pack func(t *testing.T) []byte
	}{
		{"zstd", func(t *testing.T) []byte { return packZstd(t, vmlinux) }},
		{"zstd by the program", func(t *testing.T) []byte { return packWith(t, vmlinux, "zstd", "-22", "--ultra", "-c") }},
		{"xz", func(t *testing.T) []byte {
			return packWith(t, vmlinux, "xz", "--check=crc32", "--x86", "--lzma2=dict=32MiB", "-c")
		}},
		{"lz4", func(t *testing.T) []byte { return packWith(t, vmlinux, "lz4", "-l", "-9", "-c") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packed := tt.pack(t)
			certs, err := builtinCertificates(t.Context(), bzImage(packed, len(vmlinux)))
			require.NoError(t, err)
			assert.Equal(t, certificates(t, testCertificates...), certs)

			_, err = builtinCertificates(t.Context(), bzImage(packed, len(vmlinux)-1))
			assert.ErrorContains(t, err, "its payload holds more than it claims")
			_, err = builtinCertificates(t.Context(), bzImage(packed, len(vmlinux)+1))
			assert.ErrorContains(t, err, "its payload lacks 1 of the ")
			_, err = builtinCertificates(t.Context(), bzImage(packed[:len(packed)/2], len(vmlinux)))
			assert.Error(t, err)
		})
	}
}

// debianHeader is bytes 0x1f1 to 0x250 of vmlinuz-6.12.117+deb13-amd64, which
// has 12171200 bytes.
const debianHeader = "27010020960b000000ffff000055aaeb6a486472530f0200000000001000430001008000001000000000000000000000000000005c000000000000ffffff7f0000200001157f00ff070000000000000000000000000000cc020000b8ebb500"

func TestFindPayload(t *testing.T) {
	set := func(at int, b ...byte) func([]byte) []byte {
		return func(image []byte) []byte { return append(append(image[:at:at], b...), image[at+len(b):]...) }
	}
	tests := []struct {
		name   string
		change func([]byte) []byte
		want   string // the error; "": the payload is found
	}{
		{"as it is", func(b []byte) []byte { return b }, ""},
		{"nothing", func([]byte) []byte { return nil }, "it is not a bzImage"},
		{"an ELF file", func([]byte) []byte { return append([]byte("\x7fELF"), make([]byte, 4096)...) }, "it is not a bzImage"},
		{"cut in the header", func(b []byte) []byte { return b[:headerEnd-1] }, "it is not a bzImage"},
		{"an old protocol", set(posVersion, 0x07, 0x02), "boot protocol 2.07 does not say where its payload is"},
		{"cut in the payload", func(b []byte) []byte { return b[:len(b)-30] }, "its payload, bytes 1741 to 1761, is not in its 1755 bytes"},
		{"no payload", set(posPayloadLength, 3, 0, 0, 0), "its payload, bytes 1741 to 1744, is not in its 1785 bytes"},
		{"a huge offset", set(posPayloadOffset, 0xff, 0xff, 0xff, 0xff), "its payload, bytes 4294968319 to 4294968339, is not in its 1785 bytes"},
		{"a huge length", set(posPayloadLength, 0xff, 0xff, 0xff, 0xff), "its payload, bytes 1741 to 4294969036, is not in its 1785 bytes"},
		{"a huge size", set(1757, 0xff, 0xff, 0xff, 0xff), "its payload claims to inflate to 4294967295 bytes, more than 536870912"},
		{"no sectors: four", set(posSetupSects, 0), "its payload, bytes 3277 to 3297, is not in its 1785 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packed, size, err := findPayload(tt.change(bzImage([]byte("\x28\xb5\x2f\xfd the payload"), 1234)))
			if tt.want != "" {
				assert.EqualError(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "\x28\xb5\x2f\xfd the payload", string(packed))
			assert.EqualValues(t, 1234, size)
		})
	}
}

func TestFindPayloadOfDebian(t *testing.T) {
	header, err := hex.DecodeString(debianHeader)
	require.NoError(t, err)
	b := make([]byte, 12171200)
	copy(b[posSetupSects:], header)
	copy(b[0x52cc:], magicZstd) // where the magic is in that file
	packed, _, err := findPayload(b)
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(packed, []byte(magicZstd)))
	assert.Len(t, packed, 11922360-4)
}

func TestUnknownPayloadsAreRefused(t *testing.T) {
	_, err := builtinCertificates(t.Context(), bzImage([]byte("\x1f\x8b\x08\x00gzip"), 100))
	assert.EqualError(t, err, "its payload, which begins with 1f8b0800, is not of xz, zstd or lz4")
	_, err = builtinCertificates(t.Context(), bzImage(nil, 0))
	assert.EqualError(t, err, "its payload, which begins with , is not of xz, zstd or lz4")
}

// Whatever lies around them, certificates are found, in their order.
func TestFindCertificates(t *testing.T) {
	all := certificates(t, testCertificates...)
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.SampledFrom(all)).Draw(t, "certificates")
		// With much that looks like the beginning of one.
		gap := rapid.SliceOf(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0x30, 0x82})))
		b := gap.Draw(t, "gap")
		for _, cert := range want {
			b = append(append(b, cert.Raw...), gap.Draw(t, "gap")...)
		}
		assert.Equal(t, raw(want), raw(findCertificates(b)))
	})
}

func TestCutCertificatesAreNotFound(t *testing.T) {
	der := certificate(t, "p384.crt").Raw
	for n := range der {
		assert.Empty(t, findCertificates(der[:n]))
		assert.Empty(t, findCertificates(der[n+1:]))
	}
	assert.Len(t, findCertificates(der), 1)
}

func raw(certs []*x509.Certificate) [][]byte {
	b := [][]byte{}
	for _, cert := range certs {
		b = append(b, cert.Raw)
	}
	return b
}

// FuzzBuiltinCertificates proves that no bytes make it panic or hold more than
// is claimed.
func FuzzBuiltinCertificates(f *testing.F) {
	header, err := hex.DecodeString(debianHeader)
	require.NoError(f, err)
	f.Add(append(make([]byte, posSetupSects), header...))
	for _, name := range testCertificates {
		der := certificate(f, name).Raw
		f.Add(bzImage(packZstd(f, der), len(der)))
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, cert := range findCertificates(b) {
			assert.True(t, bytes.Contains(b, cert.Raw))
		}
		packed, size, err := findPayload(b)
		if err != nil || !bytes.HasPrefix(packed, []byte(magicZstd)) {
			return // no programs are started here
		}
		vmlinux, err := inflate(t.Context(), packed, min(size, 1<<20))
		if err == nil {
			assert.Len(t, vmlinux, int(size))
		}
	})
}
