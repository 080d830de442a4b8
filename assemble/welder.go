package assemble

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"koweld/assemble/modsig"
	"koweld/assemble/pack"
	"koweld/internal/fsys"
	"koweld/internal/tool"
	"koweld/manifest"
)

// The engines that form an image; see [manifest.Form].
const (
	EngineRecipe = "recipe"
	EngineLink   = "link"
	EngineWhole  = "whole"
)

// Welder forms, proves and signs modules; it never writes a target. It is safe
// for concurrent use and must not be copied.
type Welder struct {
	FS    fsys.FS
	Tool  tool.Runner
	Trust fsys.Trust // who may own inputs
	// Scratch is a folder below the root for the linker's files, made if it
	// is missing. Each link makes and removes a folder of its own in it.
	Scratch string
	// ProcFD is where a process finds its own descriptors; "" means
	// /proc/self/fd. Where it is not there, inputs are copied.
	ProcFD string
	// Procs is how many processors the modules under way may use in all: where
	// they are fewer, one that a recipe forms uses several. 0 is 1.
	Procs int
	Now   time.Time    // for warnings of expired certificates
	Log   *slog.Logger // what linkers print beside success; nil for nowhere

	mu      sync.Mutex
	signers map[*manifest.Manifest][]*x509.Certificate
	lines   map[string]string // version line by path of a linker
	folders int               // scratch folders made so far
	running atomic.Int32      // modules under way
}

// Welded is a proven module, ready to be placed.
type Welded struct {
	Engine          string // that formed it: EngineRecipe, EngineLink or EngineWhole
	Way             int    // index of the form that gave the image
	Tool            string // the linker's own version line; "" for the other engines
	Signer          Signer
	SignatureSHA256 string   // of the detached signature's file, hex
	ImageSHA256     string   // hex
	ImageSize       int64    // bytes
	Segments        [][]byte // the file's bytes in order; the caller's from now on
	SHA256          string   // of the file: of all segments, hex
	Size            int64    // of the file, bytes
	Warnings        []string // e.g. that a certificate has expired
}

// Signer is who signed a module.
type Signer struct {
	Subject     string // distinguished name of the certificate, RFC 2253
	Fingerprint string // SHA-256 of the DER certificate, hex
	Identifier  string // how the signature names the signer
}

// Weld forms the image of module m of man, checks size, digest and signature,
// attaches the signature and compresses the whole. Its errors are *InputError,
// *SignerError, *ImageError, *SignatureError and *KernelError, or wrap that of ctx.
func (w *Welder) Weld(ctx context.Context, man *manifest.Manifest, m *manifest.Module) (*Welded, error) {
	w.running.Add(1)
	defer w.running.Add(-1)
	certs, err := w.LoadSigners(man)
	if err != nil {
		return nil, err
	}
	sig, sigDigest, err := w.readSignature(m)
	if err != nil {
		return nil, err
	}
	img, err := w.form(ctx, man, m, sig.Hash())
	if err != nil {
		return nil, err
	}
	cert, err := modsig.VerifyAny(sig, img.digests.signed.Sum(nil), certs)
	if err != nil {
		return nil, &SignatureError{Module: m.Name, File: m.Signature, Err: err}
	}
	if err := refuseOther(man, m, img.bytes); err != nil {
		return nil, err
	}
	welded := &Welded{
		Way:    img.way,
		Engine: img.engine,
		Tool:   img.tool,
		Signer: Signer{
			Subject:     cert.Subject.String(),
			Fingerprint: modsig.Fingerprint(cert),
			Identifier:  sig.Identifier().String(),
		},
		SignatureSHA256: sigDigest,
		ImageSHA256:     m.Image.SHA256,
		ImageSize:       m.Image.Size,
		Warnings:        img.warnings,
	}
	if late := modsig.DateWarning(cert, w.Now); late != "" {
		welded.Warnings = append(welded.Warnings, late)
	}
	if err := welded.finish(ctx, m.Compress, img, sig.Container()); err != nil {
		return nil, fmt.Errorf("cannot weld %s.ko: %w", m.Name, err)
	}
	return welded, nil
}

// finish lays out the file: image and container, compressed if asked for.
func (welded *Welded) finish(ctx context.Context, c manifest.Compression, img *image, container []byte) error {
	if c == manifest.None {
		welded.Segments = [][]byte{img.bytes, container}
		welded.Size = int64(len(img.bytes) + len(container))
		sum, err := img.digests.continued(container)
		welded.SHA256 = sum
		return err
	}
	packed, err := pack.Compress(ctx, c, img.bytes, container)
	if err != nil {
		return err
	}
	if err := pack.Prove(ctx, packed, img.bytes, container); err != nil {
		return err
	}
	sum := sha256.Sum256(packed)
	welded.Segments = [][]byte{packed}
	welded.Size = int64(len(packed))
	welded.SHA256 = hex.EncodeToString(sum[:])
	return nil
}

func (w *Welder) log() *slog.Logger {
	if w.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return w.Log
}
