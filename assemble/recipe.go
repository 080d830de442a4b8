package assemble

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"koweld/assemble/elf64"
	"koweld/assemble/pack"
	"koweld/assemble/recipe"
	"koweld/internal/fsys"
	"koweld/manifest"
)

// ParseRecipe decodes a recipe, raw or in one zstd frame, of at most limit
// bytes; data are kept. Errors are *recipe.FormatError and *recipe.NewerError.
func ParseRecipe(data []byte, limit int64) (*recipe.Recipe, error) {
	if format, err := pack.Detect(data); err == nil && format == manifest.Zstd {
		if data, err = pack.Inflate(data, limit); err != nil {
			return nil, &recipe.FormatError{Offset: -1, Msg: err.Error()}
		}
	}
	return recipe.Parse(data)
}

// maxRecipe bounds the recipe of an image: one that nothing explains has its
// bytes, and fields and names of its symbols again.
func maxRecipe(image int64) int64 {
	return min(2*min(image, recipe.MaxImage)+1<<20, recipe.MaxRecipe)
}

// ReadRecipe reads the recipe of the way f of module m and checks that it is
// for the declared image, for as many objects as are listed, and for the
// machine of man's linker. Its errors are *InputError.
func (w *Welder) ReadRecipe(man *manifest.Manifest, m *manifest.Module, f manifest.Form) (*recipe.Recipe, error) {
	fail := func(err error, hint string) (*recipe.Recipe, error) {
		return nil, &InputError{File: f.Recipe, Err: err, hint: hint}
	}
	limit := maxRecipe(m.Image.Size)
	data, err := w.readSmall(f.Recipe, limit)
	if err != nil {
		return fail(err, "")
	}
	r, err := ParseRecipe(data, limit)
	if err != nil {
		return fail(err, "")
	}
	const versions = "install again the packages of the recipe and of the manifest; their versions may differ"
	switch sum := hex.EncodeToString(r.SHA256[:]); {
	case r.Size != m.Image.Size:
		return fail(fmt.Errorf("it forms an image of %d bytes, not the declared one of %d", r.Size, m.Image.Size), versions)
	case sum != m.Image.SHA256:
		return fail(fmt.Errorf("it forms image %s, not the declared %s", sum, m.Image.SHA256), versions)
	case len(r.Inputs) != len(f.Inputs):
		return fail(fmt.Errorf("it is for %d objects, and the manifest lists %d", len(r.Inputs), len(f.Inputs)), versions)
	}
	if man.Linker != nil {
		of := elf64.File{Machine: r.Machine}
		if err := of.Check(machines[man.Linker.Emulation]); err != nil {
			return fail(err, "")
		}
	}
	return r, nil
}

// recipe forms an image from objects by a recipe.
func (w *Welder) recipe(ctx context.Context, man *manifest.Manifest, m *manifest.Module, f manifest.Form, h crypto.Hash) (outcome, error) {
	r, err := w.ReadRecipe(man, m, f)
	if err != nil {
		return outcome{}, err
	}
	objects, err := w.readObjects(ctx, f.Inputs, r.Inputs)
	if err != nil {
		return outcome{}, err
	}
	out := outcome{size: r.Size, digests: newDigests(h)}
	out.bytes, err = apply(ctx, r, f.Inputs, objects, w.share(), out.digests)
	if format := (*recipe.FormatError)(nil); errors.As(err, &format) {
		err = &InputError{File: f.Recipe, Err: err}
	}
	return out, err
}

// ApplyRecipe forms the image of r from its objects, by procs processors; names
// are the files that the objects were read from. An *InputError tells of an
// object that is not what the recipe was made from.
func ApplyRecipe(ctx context.Context, r *recipe.Recipe, names []string, objects [][]byte, procs int) ([]byte, error) {
	d := newDigests(crypto.SHA256)
	image, err := apply(ctx, r, names, objects, procs, d)
	if err != nil {
		return nil, err
	}
	if want := hex.EncodeToString(r.SHA256[:]); d.image() != want {
		return nil, fmt.Errorf("image digest %s is not the recipe's %s", d.image(), want)
	}
	return image, nil
}

// apply forms the image and writes it to d. Where it is not the recipe's, and
// objects are to blame, they are the error.
func apply(ctx context.Context, r *recipe.Recipe, names []string, objects [][]byte, procs int, d *digests) ([]byte, error) {
	image, err := r.Apply(ctx, objects, recipe.Options{Procs: procs, Sink: d, Buffer: Buffer})
	if ctx.Err() != nil || err == nil && d.image() == hex.EncodeToString(r.SHA256[:]) {
		return image, err
	}
	if culprits := blame(r, names, objects, err); len(culprits) > 0 {
		return nil, culprits
	}
	return image, err
}

// readObjects reads the objects, if they have the sizes that the recipe says,
// into one piece of memory: many pieces of many sizes would leave holes that no
// image of the next module fits into.
func (w *Welder) readObjects(ctx context.Context, names []string, want []recipe.Input) ([][]byte, error) {
	var sum int64
	var wrong inputErrors
	for i, name := range names {
		info, err := w.FS.Stat(name)
		switch {
		case err != nil:
			wrong = append(wrong, &InputError{File: name, Err: err})
		case info.IsRegular() && uint64(info.Size) != want[i].Size:
			wrong = append(wrong, otherSize(name, info.Size, want[i]))
		}
		sum += info.Size
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	room := make([]byte, sum)
	objects := make([][]byte, len(names))
	for i, name := range names {
		size := int(want[i].Size)
		if size > len(room) {
			return nil, &InputError{File: name, Err: errChanged}
		}
		objects[i], room = room[:size:size], room[size:]
		if err := w.readObject(ctx, name, want[i], objects[i]); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// readObject reads an object into data, which is as long as the recipe says.
func (w *Welder) readObject(ctx context.Context, name string, want recipe.Input, data []byte) error {
	f, size, err := w.openInput(name)
	if err == nil {
		defer f.Close()
		if size != int64(len(data)) {
			return otherSize(name, size, want)
		}
		err = readInto(ctx, f, data, io.Discard)
	}
	if err != nil {
		return &InputError{File: name, Err: err}
	}
	return nil
}

func otherSize(name string, size int64, want recipe.Input) *InputError {
	return otherObject(name, "it has %d bytes instead of %d", size, want.Size)
}

// otherObject says that an object is not what the recipe was made from.
func otherObject(name, format string, args ...any) *InputError {
	return &InputError{
		File: name,
		Err:  fmt.Errorf("it is not what the recipe was made from: "+format, args...),
		hint: (&recipe.InputError{}).Hint(),
	}
}

// blame finds the objects that are not the recipe's by their digests; said is
// what applying the recipe gave.
func blame(r *recipe.Recipe, names []string, objects [][]byte, said error) (wrong inputErrors) {
	for i, data := range objects {
		want := &r.Inputs[i]
		sum := sha256.Sum256(data)
		if sum == want.SHA256 {
			continue
		}
		for j := range r.Inputs {
			if r.Inputs[j].SHA256 == sum {
				e := otherObject(names[i], "it is object %d (%s) and not object %d (%s)", j+1, r.Inputs[j].Name, i+1, want.Name)
				e.hint = "list the objects in the order of the recipe; koweld recipe show has it"
				return inputErrors{e}
			}
		}
		e := otherObject(names[i], "its digest is %x instead of %x", sum, want.SHA256)
		if in := (*recipe.InputError)(nil); errors.As(said, &in) && in.Input == want.Name {
			e = otherObject(names[i], "%s", in.Msg)
		}
		wrong = append(wrong, e)
	}
	return wrong
}

// differences are the sections in which an image is not the declared one, by
// the digests in the first recipe of the module; nil if there is none.
func (w *Welder) differences(man *manifest.Manifest, m *manifest.Module, image []byte) []string {
	for _, f := range m.Form {
		if f.Recipe == "" {
			continue
		}
		r, err := w.ReadRecipe(man, m, f)
		if err != nil {
			return nil // the recipe's own try says so
		}
		if names := r.Differences(image); len(names) > 0 {
			return names
		}
		return []string{"what lies between sections"}
	}
	return nil
}

// hasRecipe tells whether a recipe is among the ways of a module.
func hasRecipe(m *manifest.Module) bool {
	for _, f := range m.Form {
		if f.Recipe != "" {
			return true
		}
	}
	return false
}

// share is how many processors one module may use now.
func (w *Welder) share() int {
	return max(w.Procs/max(int(w.running.Load()), 1), 1)
}

// sizeOf is the size of a file as it is now, 0 if it cannot be had.
func sizeOf(fs fsys.FS, name string) int64 {
	info, err := fs.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size
}
