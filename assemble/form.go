package assemble

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"

	"koweld/assemble/elf64"
	"koweld/assemble/modsig"
	"koweld/manifest"
)

// image is a formed image whose size and digest are the declared ones.
type image struct {
	way      int // index of the form that gave it
	engine   string
	tool     string
	bytes    []byte
	digests  *digests
	warnings []string
}

// outcome is what one way gave.
type outcome struct {
	tool     string // version line of the linker
	recorded string // linker of the manifest, if it is another
	size     int64
	bytes    []byte   // nil if they are not in memory
	digests  *digests // nil if the size is not the declared one
}

// form tries the ways of a module in order; h is the signature's hash.
func (w *Welder) form(ctx context.Context, man *manifest.Manifest, m *manifest.Module, h crypto.Hash) (*image, error) {
	failed := &ImageError{Module: m.Name, Want: m.Image}
	for way, f := range m.Form {
		engine := engineOf(f)
		out, err := w.try(ctx, man, m, f, h)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("cannot weld %s.ko: %w", m.Name, context.Cause(ctx))
		}
		t := Try{Engine: engine, File: f.Whole, Tool: out.tool, Recorded: out.recorded, Size: out.size, Err: err}
		if err == nil && out.digests != nil {
			t.SHA256 = out.digests.image()
		}
		if t.SHA256 == m.Image.SHA256 {
			if err := checkImage(man, m, out.bytes); err != nil {
				return nil, err
			}
			return &image{
				way:      way,
				engine:   engine,
				tool:     out.tool,
				bytes:    out.bytes,
				digests:  out.digests,
				warnings: warnings(failed, t),
			}, nil
		}
		if err == nil && out.bytes != nil {
			t.Differs = w.differences(man, m, out.bytes)
		}
		if engine == EngineLink {
			t.Wrong = w.unlisted(ctx, man, f, err)
		}
		failed.Tries = append(failed.Tries, t)
	}
	return nil, failed
}

func (w *Welder) try(ctx context.Context, man *manifest.Manifest, m *manifest.Module, f manifest.Form, h crypto.Hash) (outcome, error) {
	switch engineOf(f) {
	case EngineWhole:
		return w.whole(ctx, m, f.Whole, h)
	case EngineRecipe:
		return w.recipe(ctx, man, m, f, h)
	}
	return w.link(ctx, man, m, f.Link, h)
}

// engineOf is the engine of a way.
func engineOf(f manifest.Form) string {
	switch {
	case f.Whole != "":
		return EngineWhole
	case f.Recipe != "":
		return EngineRecipe
	}
	return EngineLink
}

// warnings tells of the ways that failed before, and of another linker than
// the recorded one.
func warnings(failed *ImageError, won Try) []string {
	var notes []string
	for _, t := range failed.Tries {
		notes = append(notes, t.text(failed.Want))
	}
	if won.Recorded != "" {
		notes = append(notes, fmt.Sprintf("linked by %s, recorded is %s: the image is the same", won.Tool, won.Recorded))
	}
	return notes
}

// checkImage makes sure that what has the declared digest is an unsigned
// module: the manifest itself may be wrong.
func checkImage(man *manifest.Manifest, m *manifest.Module, data []byte) error {
	var want elf64.Machine
	if man.Linker != nil {
		want = machines[man.Linker.Emulation]
	}
	obj, err := elf64.Read(bytes.NewReader(data), int64(len(data)))
	if err == nil {
		err = obj.Check(want)
	}
	switch {
	case err != nil:
		return &InputError{Module: m.Name, File: "the image", Err: err}
	case modsig.HasTrailer(data):
		return signedError(m.Name, "the image")
	}
	return nil
}

// signedError says that what should be unsigned has a signature.
func signedError(module, file string) error {
	return &InputError{
		Module: module,
		File:   file,
		Err:    errors.New("it carries a signature already"),
		hint:   "give the unsigned module; `koweld sig split` takes a signature off",
	}
}
