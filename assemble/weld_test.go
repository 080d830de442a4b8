package assemble_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble"
	"koweld/assemble/modsig"
	"koweld/assemble/pack"
	"koweld/internal/fsys"
	"koweld/internal/tool"
	"koweld/manifest"
)

var (
	now     = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	expired = time.Date(2031, 6, 1, 0, 0, 0, 0, time.UTC)
)

// identity is a key and its certificate.
type identity struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newIdentity(name string) identity {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.AddDate(-1, 0, 0),
		NotAfter:     now.AddDate(1, 0, 0),
		SubjectKeyId: []byte(name),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return identity{key, cert}
}

// identities are made once: keys are slow under the race detector.
var identities = sync.OnceValue(func() (ids struct{ acme, stranger identity }) {
	ids.acme, ids.stranger = newIdentity("Acme module signing"), newIdentity("Stranger")
	return ids
})

func (id identity) sign(t testing.TB, image []byte, h crypto.Hash) []byte {
	t.Helper()
	hash := h.New()
	hash.Write(image)
	sig, err := modsig.Sign(rand.Reader, id.key, id.cert, hash.Sum(nil), modsig.SignOptions{Hash: h})
	require.NoError(t, err)
	return sig.CMS()
}

// bench is a root with a signer's certificate, and a Welder on it.
type bench struct {
	testing.TB
	dir    string // the root on the host
	man    *manifest.Manifest
	welder *assemble.Welder
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{TB: t, dir: t.TempDir()}
	root, err := fsys.OpenRoot(b.dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = root.Close() })
	b.welder = &assemble.Welder{
		FS:      root,
		Tool:    tool.Exec{Environ: tool.Environ(os.Environ())},
		Trust:   fsys.Trust{UID: os.Geteuid()},
		Scratch: "/var/lib/koweld/scratch",
		Now:     now,
	}
	acme := identities().acme
	b.write("/sig/signer.der", acme.cert.Raw)
	b.man = &manifest.Manifest{
		Package: "linux-modules-acme",
		Kernel:  "6.1.0-42-amd64",
		Signers: []manifest.Signer{{Certificate: "/sig/signer.der", SHA256: modsig.Fingerprint(acme.cert)}},
	}
	return b
}

func (b *bench) write(name string, data []byte) {
	b.Helper()
	file := filepath.Join(b.dir, name)
	require.NoError(b, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(b, os.WriteFile(file, data, 0o644))
}

// module declares image, signed by Acme, formed as form says.
func (b *bench) module(name string, image []byte, form ...manifest.Form) *manifest.Module {
	b.Helper()
	b.write("/sig/"+name+".ko.sig", identities().acme.sign(b, image, crypto.SHA256))
	return &manifest.Module{
		Name:      name,
		Form:      form,
		Image:     manifest.Image{SHA256: digest(image), Size: int64(len(image))},
		Signature: "/sig/" + name + ".ko.sig",
		Install:   "updates/" + name + ".ko",
		Compress:  manifest.None,
	}
}

// whole puts a file into the root and declares it as a whole module.
func (b *bench) whole(name string, file, image []byte) *manifest.Module {
	b.Helper()
	b.write("/obj/"+name+".ko", file)
	return b.module(name, image, manifest.Form{Whole: "/obj/" + name + ".ko"})
}

func (b *bench) weld(m *manifest.Module) (*assemble.Welded, error) {
	return b.welder.Weld(context.Background(), b.man, m)
}

// clean asserts that no linker's file is left.
func (b *bench) clean() {
	b.Helper()
	entries, err := os.ReadDir(filepath.Join(b.dir, b.welder.Scratch))
	if !os.IsNotExist(err) {
		assert.NoError(b, err)
	}
	assert.Empty(b, entries, "scratch folder")
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// elfFile is a relocatable ELF64 file for x86-64: a .modinfo section with
// these contents, and section names.
func elfFile(modinfo []byte) []byte {
	const names = "\x00.modinfo\x00.shstrtab\x00"
	le := binary.LittleEndian
	b := make([]byte, 64, 512)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 1) // ET_REL
	le.PutUint16(b[18:], 62)
	le.PutUint32(b[20:], 1)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], 3)
	le.PutUint16(b[62:], 2)
	b = append(b, modinfo...)
	b = append(b, names...)
	b = append(b, make([]byte, -len(b)&7)...)
	le.PutUint64(b[40:], uint64(len(b)))
	section := func(name, kind uint32, offset, size int) {
		h := make([]byte, 64)
		le.PutUint32(h[0:], name)
		le.PutUint32(h[4:], kind)
		le.PutUint64(h[24:], uint64(offset))
		le.PutUint64(h[32:], uint64(size))
		b = append(b, h...)
	}
	section(0, 0, 0, 0)
	section(1, 1, 64, len(modinfo))
	section(10, 3, 64+len(modinfo), len(names))
	return b
}

var plain = elfFile([]byte("license=GPL\x00name=plain\x00vermagic=6.1.0-42-amd64 SMP \x00"))

func TestWeldTakesAWholeModule(t *testing.T) {
	all := []manifest.Compression{manifest.None, manifest.Gzip, manifest.XZ, manifest.Zstd}
	for _, given := range all {
		for _, asked := range all {
			t.Run(string(given)+" to "+string(asked), func(t *testing.T) {
				b := newBench(t)
				file, err := pack.Compress(context.Background(), given, plain)
				require.NoError(t, err)
				m := b.whole("plain", file, plain)
				m.Compress = asked

				got, err := b.weld(m)
				require.NoError(t, err)
				data := bytes.Join(got.Segments, nil)
				assert.Equal(t, digest(data), got.SHA256)
				assert.Equal(t, int64(len(data)), got.Size)
				format, err := pack.Detect(data)
				require.NoError(t, err)
				assert.Equal(t, asked, format)

				module, err := pack.Inflate(data, 1<<20)
				require.NoError(t, err)
				image, cms, err := modsig.Split(module)
				require.NoError(t, err)
				assert.Equal(t, plain, image)
				sigFile, err := os.ReadFile(filepath.Join(b.dir, m.Signature))
				require.NoError(t, err)
				assert.Equal(t, sigFile, cms)
				assert.Equal(t, &assemble.Welded{
					Engine: assemble.EngineWhole,
					Signer: assemble.Signer{
						Subject:     "CN=Acme module signing",
						Fingerprint: modsig.Fingerprint(identities().acme.cert),
						Identifier:  "issuer CN=Acme module signing, serial 13",
					},
					SignatureSHA256: digest(sigFile),
					ImageSHA256:     digest(plain),
					ImageSize:       int64(len(plain)),
					Segments:        got.Segments,
					SHA256:          got.SHA256,
					Size:            got.Size,
				}, got)
				b.clean()
			})
		}
	}
}

func TestWeldTakesEitherDetachedFormAndEveryHash(t *testing.T) {
	b := newBench(t)
	m := b.whole("plain", plain, plain)
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		cms := identities().acme.sign(t, plain, h)
		sig, err := modsig.Parse(cms)
		require.NoError(t, err)
		for _, file := range [][]byte{cms, sig.Container()} {
			b.write(m.Signature, file)
			got, err := b.weld(m)
			require.NoError(t, err, h)
			assert.Equal(t, slices.Concat(plain, sig.Container()), bytes.Join(got.Segments, nil))
			assert.Equal(t, digest(file), got.SignatureSHA256)
		}
	}
}

func TestWeldWarnsOfAnExpiredCertificate(t *testing.T) {
	b := newBench(t)
	b.welder.Now = expired
	got, err := b.weld(b.whole("plain", plain, plain))
	require.NoError(t, err)
	require.Len(t, got.Warnings, 1)
	assert.Contains(t, got.Warnings[0], "expired on 2027-06-01")
}

func TestWeldRefusesAnImageThatIsNotTheDeclaredOne(t *testing.T) {
	b := newBench(t)
	other := bytes.Replace(plain, []byte("GPL"), []byte("BSD"), 1)
	longer := append(slices.Clone(plain), 0)
	squeeze := func(data []byte) []byte {
		out, err := pack.Compress(context.Background(), manifest.XZ, data)
		require.NoError(t, err)
		return out
	}
	tests := []struct {
		name string
		file []byte
		size int64
		sha  string
	}{
		{"another byte", other, int64(len(plain)), digest(other)},
		{"another byte, compressed", squeeze(other), int64(len(plain)), digest(other)},
		{"a byte more", longer, int64(len(longer)), ""},
		{"a byte more, compressed", squeeze(longer), int64(len(longer)), ""},
		{"a byte less", plain[:len(plain)-1], int64(len(plain) - 1), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := b.weld(b.whole("plain", tt.file, plain))
			var e *assemble.ImageError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, "plain", e.Module)
			assert.Equal(t, []assemble.Try{{Engine: assemble.EngineWhole, File: "/obj/plain.ko", Size: tt.size, SHA256: tt.sha}}, e.Tries)
			assert.Regexp(t, `^cannot weld plain.ko: image (digest|of \d+ bytes) .*is not the declared .*whole`, err.Error())
			assert.NotEmpty(t, e.Hint())
		})
	}
}

func TestWeldAllocatesNoDeclaredSize(t *testing.T) {
	b := newBench(t)
	packed, err := pack.Compress(context.Background(), manifest.Zstd, plain)
	require.NoError(t, err)
	for _, file := range [][]byte{plain, packed} {
		m := b.whole("plain", file, plain)
		m.Image.Size = 1 << 50
		_, err := b.weld(m)
		assert.ErrorAs(t, err, new(*assemble.ImageError))
	}
}

func TestWeldRefusesASignedModule(t *testing.T) {
	b := newBench(t)
	sig, err := modsig.Parse(identities().acme.sign(t, plain, crypto.SHA256))
	require.NoError(t, err)
	signed := modsig.Attach(plain, sig)
	packed, err := pack.Compress(context.Background(), manifest.Gzip, signed)
	require.NoError(t, err)

	for name, m := range map[string]*manifest.Module{
		"plain":             b.whole("a", signed, plain),
		"compressed":        b.whole("b", packed, plain),
		"declared that way": b.whole("c", signed, signed),
	} {
		_, err := b.weld(m)
		var e *assemble.InputError
		require.ErrorAs(t, err, &e, name)
		assert.ErrorContains(t, err, "it carries a signature already", name)
		assert.Contains(t, e.Hint(), "koweld sig split", name)
	}
}

func TestWeldRefusesAnImageThatIsNoModule(t *testing.T) {
	b := newBench(t)
	executable := slices.Clone(plain)
	executable[16] = 2
	foreign := slices.Clone(plain)
	foreign[18] = 183
	b.man.Linker = &manifest.Linker{Emulation: "elf_x86_64"}
	for want, image := range map[string][]byte{
		"it is no relocatable file but ET_EXEC":                                                    executable,
		"it is for another machine: EM_AARCH64, little-endian instead of EM_X86_64, little-endian": foreign,
	} {
		_, err := b.weld(b.whole("plain", image, image))
		assert.ErrorAs(t, err, new(*assemble.InputError))
		assert.ErrorContains(t, err, want)
	}
}

func TestWeldRefusesSignatures(t *testing.T) {
	other := bytes.Replace(plain, []byte("GPL"), []byte("BSD"), 1)
	acme, stranger := identities().acme, identities().stranger
	good := acme.sign(t, plain, crypto.SHA256)
	tests := []struct {
		name   string
		file   []byte
		reason modsig.Reason // 0: it is malformed
	}{
		{"over other bytes", acme.sign(t, other, crypto.SHA256), modsig.OtherBytes},
		{"over other bytes by SHA-512", acme.sign(t, other, crypto.SHA512), modsig.OtherBytes},
		{"by a stranger", stranger.sign(t, plain, crypto.SHA256), modsig.UnknownSigner},
		{"empty", nil, 0},
		{"cut", good[:len(good)-1], 0},
		{"with a tail", append(slices.Clone(good), 0), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			m := b.whole("plain", plain, plain)
			b.write(m.Signature, tt.file)
			_, err := b.weld(m)
			var e *assemble.SignatureError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, "plain", e.Module)
			assert.Equal(t, m.Signature, e.File)
			if tt.reason == 0 {
				assert.ErrorAs(t, err, new(*modsig.FormatError))
				return
			}
			var r *modsig.RejectedError
			require.ErrorAs(t, err, &r)
			assert.Equal(t, tt.reason, r.Reason)
		})
	}
}

func TestWeldRefusesFiles(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(b *bench, m *manifest.Module)
		file  string
		check func(t *testing.T, err error)
	}{
		{"no module", func(b *bench, m *manifest.Module) { b.remove("/obj/plain.ko") }, "/obj/plain.ko", notExist},
		{"no signature", func(b *bench, m *manifest.Module) { b.remove(m.Signature) }, "/sig/plain.ko.sig", notExist},
		{"no certificate", func(b *bench, m *manifest.Module) { b.remove("/sig/signer.der") }, "/sig/signer.der", notExist},
		{"a module that others may write", func(b *bench, m *manifest.Module) { b.chmod("/obj/plain.ko", 0o666) }, "/obj/plain.ko", untrusted},
		{"a signature that others may write", func(b *bench, m *manifest.Module) { b.chmod(m.Signature, 0o666) }, "/sig/plain.ko.sig", untrusted},
		{"a folder that others may write", func(b *bench, m *manifest.Module) { b.chmod("/sig", 0o777) }, "/sig/signer.der", untrusted},
		{"a huge signature", func(b *bench, m *manifest.Module) { b.write(m.Signature, make([]byte, 64<<10+1)) }, "/sig/plain.ko.sig", tooLarge},
		{"a huge certificate", func(b *bench, m *manifest.Module) { b.write("/sig/signer.der", make([]byte, 64<<10+1)) }, "/sig/signer.der", tooLarge},
		{"an empty module", func(b *bench, m *manifest.Module) { b.write("/obj/plain.ko", nil) }, "/obj/plain.ko", malformed},
		{"a text", func(b *bench, m *manifest.Module) { b.write("/obj/plain.ko", []byte("#!/bin/sh")) }, "/obj/plain.ko", malformed},
		{"broken xz", func(b *bench, m *manifest.Module) { b.write("/obj/plain.ko", []byte("\xfd7zXZ\x00\x00")) }, "/obj/plain.ko", malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			m := b.whole("plain", plain, plain)
			tt.spoil(b, m)
			_, err := b.weld(m)
			var e *assemble.InputError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.file, e.File)
			assert.Regexp(t, "^cannot ", err.Error())
			tt.check(t, err)
		})
	}
}

func (b *bench) remove(name string) { require.NoError(b, os.Remove(filepath.Join(b.dir, name))) }

func (b *bench) chmod(name string, mode fs.FileMode) {
	require.NoError(b, os.Chmod(filepath.Join(b.dir, name), mode))
}

func notExist(t *testing.T, err error)  { assert.ErrorIs(t, err, fs.ErrNotExist) }
func untrusted(t *testing.T, err error) { assert.ErrorAs(t, err, new(*fsys.TrustError)) }
func tooLarge(t *testing.T, err error)  { assert.ErrorAs(t, err, new(*fsys.SizeError)) }
func malformed(t *testing.T, err error) { assert.ErrorAs(t, err, new(*pack.DataError)) }

func TestWeldRefusesAnotherCertificate(t *testing.T) {
	b := newBench(t)
	m := b.whole("plain", plain, plain)
	b.write("/sig/signer.der", identities().stranger.cert.Raw)
	_, err := b.weld(m)
	var e *assemble.SignerError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "/sig/signer.der", e.File)
	assert.Equal(t, modsig.Fingerprint(identities().stranger.cert), e.Got)
	assert.Equal(t, modsig.Fingerprint(identities().acme.cert), e.Want)
}

func TestWeldRefusesAModuleOfAnotherKernel(t *testing.T) {
	b := newBench(t)
	other := bytes.Replace(plain, []byte("6.1.0-42"), []byte("6.1.0-41"), 1)
	_, err := b.weld(b.whole("plain", other, other))
	var e *assemble.KernelError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, &assemble.KernelError{Module: "plain", Got: "6.1.0-41-amd64", Want: "6.1.0-42-amd64"}, e)

	silent := elfFile([]byte("license=GPL\x00name=plain\x00"))
	_, err = b.weld(b.whole("plain", silent, silent))
	require.NoError(t, err, "what says nothing is for the kernel to refuse")
}

func TestWeldTriesEveryWay(t *testing.T) {
	b := newBench(t)
	b.welder.Tool = tool.Exec{} // no PATH: no linker
	other := bytes.Replace(plain, []byte("GPL"), []byte("BSD"), 1)
	b.write("/obj/other.ko", other)
	b.write("/obj/plain.ko", plain)
	link := manifest.Form{Link: []manifest.Input{{Object: "/obj/a.o", Name: "a.o"}}}
	wrong := manifest.Form{Whole: "/obj/other.ko"}
	gone := manifest.Form{Whole: "/obj/gone.ko"}
	right := manifest.Form{Whole: "/obj/plain.ko"}

	got, err := b.weld(b.module("plain", plain, link, wrong, right, gone))
	require.NoError(t, err)
	assert.Equal(t, assemble.EngineWhole, got.Engine)
	assert.Equal(t, []string{
		"link: cannot find program ld.bfd",
		"image digest " + digest(other) + " is not the declared " + digest(plain) + " (whole)",
	}, got.Warnings)

	_, err = b.weld(b.module("plain", plain, link, wrong, gone))
	var e *assemble.ImageError
	require.ErrorAs(t, err, &e)
	require.Len(t, e.Tries, 3)
	assert.ErrorAs(t, err, new(*tool.MissingError))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, "install the package binutils", e.Hint())
	assert.EqualError(t, err, "cannot weld plain.ko: link: cannot find program ld.bfd; "+
		"image digest "+digest(other)+" is not the declared "+digest(plain)+" (whole); "+
		"whole: cannot use /obj/gone.ko: no such file or directory")

	_, err = b.weld(b.module("plain", plain))
	assert.EqualError(t, err, "cannot weld plain.ko: no form is declared")
}

func TestWeldStopsWhenCancelled(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(os.ErrDeadlineExceeded)
	_, err := b.welder.Weld(ctx, b.man, b.whole("plain", plain, plain))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Regexp(t, "^cannot weld plain.ko: ", err.Error())
}
