package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/klauspost/compress/zstd"
)

// The boot protocol of x86 (Documentation/arch/x86/boot.rst, "The Real-Mode
// Kernel Header"): places of fields in a bzImage, little-endian.
const (
	posSetupSects    = 0x1f1
	posMagic         = 0x202 // "HdrS"
	posVersion       = 0x206
	posPayloadOffset = 0x248 // counted from the protected-mode code
	posPayloadLength = 0x24c
	headerEnd        = 0x250

	headerMagic    = "HdrS"
	payloadVersion = 0x0208 // the first with a payload's offset and length
	sectorSize     = 512
	defaultSectors = 4 // what a setup_sects of 0 means
)

// maxVmlinux bounds the inflated kernel, in bytes; Debian's have 40 to 100 MB.
const maxVmlinux = 512 << 20

// findPayload returns the compressed kernel in a bzImage, a slice of it, and the
// size that it claims to inflate to: kbuild appends that, as le32, to what every
// program but gzip writes (scripts/Makefile.lib, size_append).
func findPayload(image []byte) (packed []byte, size int64, err error) {
	if len(image) < headerEnd || string(image[posMagic:][:len(headerMagic)]) != headerMagic {
		return nil, 0, errors.New("it is not a bzImage")
	}
	if v := binary.LittleEndian.Uint16(image[posVersion:]); v < payloadVersion {
		return nil, 0, fmt.Errorf("boot protocol %d.%02d does not say where its payload is", v>>8, v&0xff)
	}
	sectors := int64(image[posSetupSects])
	if sectors == 0 {
		sectors = defaultSectors
	}
	start := (sectors+1)*sectorSize + int64(binary.LittleEndian.Uint32(image[posPayloadOffset:]))
	end := start + int64(binary.LittleEndian.Uint32(image[posPayloadLength:]))
	if end > int64(len(image)) || end-start < 4 {
		return nil, 0, fmt.Errorf("its payload, bytes %d to %d, is not in its %d bytes", start, end, len(image))
	}
	packed = image[start : end-4]
	size = int64(binary.LittleEndian.Uint32(image[end-4:]))
	if size > maxVmlinux {
		return nil, 0, fmt.Errorf("its payload claims to inflate to %d bytes, more than %d", size, maxVmlinux)
	}
	return packed, size, nil
}

// What payloads begin with.
const (
	magicXZ   = "\xfd7zXZ\x00"
	magicZstd = "\x28\xb5\x2f\xfd"
	magicLZ4  = "\x02\x21\x4c\x18" // the legacy frame: `lz4 -l`
)

// inflate returns what a payload holds: exactly size bytes. The xz of a kernel
// has the x86 BCJ filter, which no Go package here undoes: the program does.
func inflate(ctx context.Context, packed []byte, size int64) ([]byte, error) {
	out := &bounded{left: size}
	var err error
	switch {
	case bytes.HasPrefix(packed, []byte(magicZstd)):
		err = unzstd(out, packed)
	case bytes.HasPrefix(packed, []byte(magicXZ)):
		err = filter(ctx, out, packed, "xz", "-dc")
	case bytes.HasPrefix(packed, []byte(magicLZ4)):
		err = filter(ctx, out, packed, "lz4", "-dc")
	default:
		err = fmt.Errorf("its payload, which begins with %x, is not of xz, zstd or lz4", packed[:min(4, len(packed))])
	}
	if err == nil && out.left != 0 {
		err = fmt.Errorf("its payload lacks %d of the %d bytes that it claims", out.left, size)
	}
	return out.data, err
}

// unzstd allows what zstd -22 makes: a window of 128 MiB.
func unzstd(w io.Writer, packed []byte) error {
	d, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = io.Copy(w, d)
	return err
}

func filter(ctx context.Context, w io.Writer, in []byte, program string, args ...string) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), w, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %v %s", program, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// bounded keeps what is written to it and refuses more than it was told.
type bounded struct {
	data []byte
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errors.New("its payload holds more than it claims")
	}
	b.left -= int64(len(p))
	b.data = append(b.data, p...)
	return len(p), nil
}

// findCertificates returns the X.509 certificates anywhere in b, in their order.
// The kernel has its own behind system_certificate_list (certs/
// system_certificates.S), one after the other, but a bzImage has no symbols. A
// certificate with a key that kernels verify with has 256 bytes or more, so its
// DER length takes the form 82 and two octets.
func findCertificates(b []byte) []*x509.Certificate {
	const header = 4
	var found []*x509.Certificate
	for {
		at := bytes.Index(b, []byte{0x30, 0x82})
		if at < 0 || len(b)-at < header {
			return found
		}
		b = b[at:]
		end := header + int(binary.BigEndian.Uint16(b[2:]))
		if end <= len(b) {
			if cert, err := x509.ParseCertificate(bytes.Clone(b[:end])); err == nil {
				found = append(found, cert)
				b = b[end:]
				continue
			}
		}
		b = b[1:]
	}
}

// builtinCertificates returns the certificates that are compiled into a kernel.
func builtinCertificates(ctx context.Context, bzImage []byte) ([]*x509.Certificate, error) {
	packed, size, err := findPayload(bzImage)
	if err != nil {
		return nil, err
	}
	vmlinux, err := inflate(ctx, packed, size)
	if err != nil {
		return nil, err
	}
	certs := findCertificates(vmlinux)
	if len(certs) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return certs, nil
}
