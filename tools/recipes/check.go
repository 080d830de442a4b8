package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"koweld/assemble/recipe"
)

// extent says how much of a case is checked.
type extent struct {
	tamper int
	ld     bool
}

// result is what was found of a case.
type result struct {
	*moduleCase
	image, recipe int64 // bytes
	inputs        int64
	literals      map[recipe.Kind]int64
	longest       int64         // run of literals of code or data
	share         float64       // of literals of code and data in the allocated sections
	make, apply   time.Duration // of processor time, and of the clock
	ld            time.Duration // of processor time; 0 if it was not run
	tampered      int
	harmless      int // changes that left the image as it is
}

func (r *result) String() string {
	return fmt.Sprintf("%s: image %d, recipe %d, literals of code and data %.4f %%, longest %d", r.moduleCase, r.image, r.recipe, 100*r.share, r.longest)
}

// processorTime is that of this process and all its threads, or of its
// children.
func processorTime(who int) time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(who, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (c *moduleCase) check(ctx context.Context, e extent) (*result, error) {
	image, objects, err := c.read()
	if err != nil {
		return nil, err
	}
	res := &result{moduleCase: c, image: int64(len(image)), literals: map[recipe.Kind]int64{}}
	start := processorTime(syscall.RUSAGE_SELF)
	made, err := recipe.Make(ctx, objects, image)
	if err != nil {
		return nil, err
	}
	res.make = processorTime(syscall.RUSAGE_SELF) - start
	encoded := made.Encode()
	res.recipe = int64(len(encoded))
	parsed, err := recipe.Parse(encoded)
	if err != nil {
		return nil, err
	}
	inputs := make([][]byte, len(objects))
	for i, o := range objects {
		inputs[i] = o.Data
		res.inputs += int64(len(o.Data))
	}
	hash := sha256.New()
	clock := time.Now()
	got, err := parsed.Apply(ctx, inputs, recipe.Options{Procs: 2, Sink: hash})
	res.apply = time.Since(clock)
	switch {
	case err != nil:
		return nil, err
	case !bytes.Equal(got, image):
		return nil, errors.New("the recipe gives another image")
	case [32]byte(hash.Sum(nil)) != parsed.SHA256:
		return nil, errors.New("the sink got other bytes")
	}
	var runs int64
	for _, l := range parsed.Literals() {
		res.literals[l.Kind] += l.Bytes
		if l.Kind == recipe.KindCode || l.Kind == recipe.KindData {
			res.longest = max(res.longest, l.Longest)
			runs += l.Bytes
		}
	}
	if all := parsed.Allocated(); all > 0 {
		res.share = float64(runs) / float64(all)
	}
	if err := res.tamperWith(ctx, encoded, inputs, parsed, e.tamper); err != nil {
		return nil, err
	}
	if e.ld {
		if err := res.link(ctx, image); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// tamperWith changes bytes of the recipe, with the checksum made good, and of
// the objects.
func (r *result) tamperWith(ctx context.Context, encoded []byte, inputs [][]byte, good *recipe.Recipe, n int) error {
	seed := fnv.New64a()
	_, _ = seed.Write([]byte(r.moduleCase.String()))
	random := rand.New(rand.NewPCG(seed.Sum64(), 1))
	for range n {
		changed := slices.Clone(encoded)
		at := random.IntN(len(changed) - 4)
		changed[at] ^= byte(1 + random.IntN(255))
		binary.LittleEndian.PutUint32(changed[len(changed)-4:], crc32.ChecksumIEEE(changed[:len(changed)-4]))
		if err := r.refused(ctx, changed, inputs, good); err != nil {
			return fmt.Errorf("byte %d of the recipe changed: %w", at, err)
		}
	}
	for range n {
		i := random.IntN(len(inputs))
		if len(inputs[i]) == 0 {
			continue
		}
		changed := slices.Clone(inputs)
		changed[i] = slices.Clone(inputs[i])
		at := random.IntN(len(changed[i]))
		changed[i][at] ^= byte(1 + random.IntN(255))
		if err := r.refused(ctx, encoded, changed, good); err != nil {
			return fmt.Errorf("byte %d of %s changed: %w", at, r.moduleCase.inputs[i], err)
		}
	}
	return nil
}

// refused checks that what was changed is an error, leaves the image as it is,
// or gives one whose digest is wrong. Where an object was changed, it must be
// the one that is blamed.
func (r *result) refused(ctx context.Context, encoded []byte, inputs [][]byte, good *recipe.Recipe) error {
	r.tampered++
	culprit := good.Blame(inputs)
	changed, err := recipe.Parse(encoded)
	if err != nil {
		return nil
	}
	got, err := changed.Apply(ctx, inputs, recipe.Options{Procs: 1})
	if err != nil {
		if culprit != nil && !errors.As(err, new(*recipe.InputError)) {
			return fmt.Errorf("the object is not named: %w", err)
		}
		return nil
	}
	if sha256.Sum256(got) == good.SHA256 {
		r.harmless++
	} else if culprit == nil && bytes.Equal(encoded, good.Encode()) {
		return errors.New("another image, and nobody is to blame")
	}
	return nil
}

// link runs the recorded ld command, which must give the image, and takes the
// least processor time of three runs. Of a case that took two links it is the
// last one that counts: it does what a recipe replaces.
func (r *result) link(ctx context.Context, image []byte) error {
	text, err := os.ReadFile(filepath.Join(r.dir, filepath.Dir(r.moduleCase.image), r.id+".ld"))
	if errors.Is(err, os.ErrNotExist) || bytes.Count(text, []byte("\n")) > 1 {
		return nil
	}
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "koweld-recipes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	output := filepath.Join(tmp, "image")
	words := append(strings.Fields(string(text)), "-o", output)
	if _, err := exec.LookPath(words[0]); err != nil {
		return nil // another release's ld: there is nothing to compare with
	}
	var least time.Duration
	for range 3 {
		cmd := exec.CommandContext(ctx, words[0], words[1:]...)
		cmd.Dir = r.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if least == 0 || took < least {
			least = took
		}
	}
	got, err := os.ReadFile(output)
	if err == nil && bytes.Equal(got, image) { // else another ld made it, or something followed
		r.ld = least
	}
	return err
}
