package assemble

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/assemble/elf64"
	"koweld/internal/fsys"
	"koweld/internal/tool"
	"koweld/manifest"
)

// link forms an image by GNU ld, as kbuild does (scripts/Makefile.build for
// the inner steps, scripts/Makefile.modfinal for the last one).
func (w *Welder) link(ctx context.Context, man *manifest.Manifest, m *manifest.Module, inputs []manifest.Input, h crypto.Hash) (outcome, error) {
	l := linking{w: w, module: m, spec: man.Linker}
	if l.spec == nil {
		l.spec = &manifest.Linker{}
	}
	l.machine = machines[l.spec.Emulation]
	var out outcome
	var err error
	if l.ld, err = w.findLinker(l.spec.Recorded); err != nil {
		return out, err
	}
	if out.tool, err = w.versionLine(ctx, l.ld); err != nil {
		return out, err
	}
	if want := l.spec.Recorded; !sameLinker(out.tool, want) {
		out.recorded = want.Name + " " + want.Version
	}
	if l.dir, err = w.makeFolder(m.Name); err != nil {
		return out, err
	}
	defer func() {
		if err := fsys.RemoveAll(w.FS, l.dir); err != nil {
			w.log().Warn("cannot remove scratch folder", "error", err)
		}
	}()
	const output = "image"
	if err := l.run(ctx, inputs, output, true); err != nil {
		return out, err
	}
	return out, l.read(ctx, path.Join(l.dir, output), h, &out)
}

// linking is one link under way. In its folder each step has one of its own,
// called by a number, that holds the step's inputs and nothing else. So the
// names that ld sees are free: two steps may have inputs of the same name, and
// no output can fall upon an input.
type linking struct {
	w       *Welder
	module  *manifest.Module
	spec    *manifest.Linker
	ld      string
	machine elf64.Machine // of the inputs; zero until one has told it
	dir     string        // below the root, no symbolic link on the way
	steps   int           // begun so far
}

// run makes output, a name below l.dir, of the inputs.
func (l *linking) run(ctx context.Context, inputs []manifest.Input, output string, final bool) error {
	step := strconv.Itoa(l.steps)
	l.steps++
	if err := l.w.FS.Mkdir(path.Join(l.dir, step), 0o700); err != nil {
		return err
	}
	var args []string
	if l.spec.Emulation != "" {
		args = append(args, "-m", l.spec.Emulation)
	}
	if final {
		args = append(append([]string{"-r"}, args...), l.spec.Flags...)
	} else {
		args = append(append(args, l.spec.InnerFlags...), "-r")
	}
	var lent []*os.File
	defer func() {
		for _, f := range lent {
			_ = f.Close()
		}
	}()
	if final && l.spec.Script != "" {
		const script = "module.lds"
		if err := l.lend(ctx, l.spec.Script, path.Join(step, script), &lent, nil); err != nil {
			return err
		}
		args = append(args, "-T", script)
	}
	args = append(args, "-o", path.Join("..", output))
	for _, in := range inputs {
		var err error
		name := path.Join(step, in.Name)
		switch {
		case in.Name == "" || in.Name != path.Base(in.Name) || strings.HasPrefix(in.Name, "-") || strings.HasPrefix(in.Name, "@"):
			err = &InputError{File: in.Object, Err: fmt.Errorf("ld takes no file called %q", in.Name)}
		case in.Object == "":
			err = l.run(ctx, in.Objects, name, false)
		default:
			err = l.lend(ctx, in.Object, name, &lent, l.checkObject)
		}
		if err != nil {
			return err
		}
		args = append(args, in.Name)
	}
	res, err := l.w.Tool.Run(ctx, tool.Cmd{
		Path:  l.ld,
		Args:  args,
		Dir:   l.w.FS.Host(path.Join(l.dir, step)),
		Files: lent,
	})
	if err == nil && len(res.Output()) > 0 {
		l.w.log().Debug("ld said", "module", l.module.Name, "output", res.Output())
	}
	return err
}

// checkObject checks an input, and that all inputs are for one machine.
func (l *linking) checkObject(f io.ReaderAt, size int64) error {
	o, err := elf64.Read(f, size)
	if err != nil {
		return err
	}
	if l.machine == (elf64.Machine{}) {
		l.machine = o.Machine
	}
	return o.Check(l.machine)
}

// lend gives ld the trusted file by the name as, below l.dir: as a symbolic
// link to the descriptor that has been checked, which ld inherits. So what was
// checked is what is linked. Without /proc the file is copied.
func (l *linking) lend(ctx context.Context, file, as string, lent *[]*os.File, check func(io.ReaderAt, int64) error) error {
	err := l.lendOpen(ctx, file, path.Join(l.dir, as), lent, check)
	if err != nil {
		return &InputError{File: file, Err: err}
	}
	return nil
}

func (l *linking) lendOpen(ctx context.Context, file, as string, lent *[]*os.File, check func(io.ReaderAt, int64) error) error {
	f, size, err := l.w.openInput(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if check != nil {
		if err := check(f, size); err != nil {
			return err
		}
	}
	procFD := l.w.ProcFD
	if procFD == "" {
		procFD = "/proc/self/fd"
	}
	if _, err := os.Stat(path.Join(procFD, strconv.Itoa(int(f.Fd())))); err != nil {
		return l.copy(ctx, f, size, as)
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot duplicate its descriptor: %w", err)
	}
	// The child's descriptors of tool.Cmd.Files begin at 3.
	target := path.Join(procFD, strconv.Itoa(3+len(*lent)))
	*lent = append(*lent, os.NewFile(uintptr(fd), file))
	return l.once(l.w.FS.Symlink(target, as))
}

func (l *linking) copy(ctx context.Context, f fsys.File, size int64, as string) error {
	data, err := readExactly(ctx, f, size, io.Discard)
	if err != nil {
		return err
	}
	to, err := l.w.FS.Create(as, 0o600)
	if err != nil {
		return l.once(err)
	}
	_, err = to.Write(data)
	return errors.Join(err, to.Close())
}

// once explains a name that a step's folder has already.
func (l *linking) once(err error) error {
	if errors.Is(err, unix.EEXIST) {
		return errors.New("its name occurs twice in one step")
	}
	return err
}

// read takes the linked image into memory if its size is the declared one or,
// where a recipe can tell in what another differs, not far from it.
func (l *linking) read(ctx context.Context, name string, h crypto.Hash, out *outcome) error {
	f, err := l.w.FS.Open(name)
	if err != nil {
		return fmt.Errorf("cannot open what ld wrote: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot open what ld wrote: %w", err)
	}
	out.size = info.Size
	sink := io.Discard
	switch want := l.module.Image.Size; {
	case out.size == want:
		out.digests = newDigests(h)
		sink = out.digests
	case !hasRecipe(l.module) || (out.size-1<<20)/2 > want:
		return nil
	}
	if out.bytes, err = readExactly(ctx, f, out.size, sink); err != nil {
		return fmt.Errorf("cannot read what ld wrote: %w", err)
	}
	return nil
}

// makeFolder makes a folder for one link in w.Scratch. One that a killed run
// left behind is passed by.
func (w *Welder) makeFolder(module string) (string, error) {
	if _, err := fsys.MkdirAll(w.FS, w.Scratch, 0o700); err != nil {
		return "", fmt.Errorf("cannot make scratch folder: %w", err)
	}
	// Linkers find it from the host: no link on the way may mislead them.
	scratch, err := w.FS.Resolve(w.Scratch)
	if err != nil {
		return "", fmt.Errorf("cannot make scratch folder: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		w.folders++
		dir := path.Join(scratch, fmt.Sprintf("%s-%d", module, w.folders))
		if err := w.FS.Mkdir(dir, 0o700); err == nil {
			return dir, nil
		} else if !errors.Is(err, unix.EEXIST) {
			return "", fmt.Errorf("cannot make scratch folder: %w", err)
		}
	}
}
