package assemble_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble"
	"koweld/internal/tool"
	"koweld/manifest"
)

// The sources of a module: two C objects that an inner step joins with one
// without FILE symbol, as NVIDIA's blobs are, and what modpost would make.
var sources = map[string]string{
	"core.c":     `extern int blob(void); static int state = 3; int core_entry(int x) { return state + x + blob(); }`,
	"glue.c":     `extern int core_entry(int); int glue(void) { return core_entry(4); } const char *name = "acme";`,
	"blob.s":     ".text\nhelper: nop\n.globl blob\nblob: mov $7, %eax\n ret\n.section .note.GNU-stack,\"\",@progbits\n",
	"acme.mod.c": `static const char info[] __attribute__((section(".modinfo"), used)) = "name=acme\0vermagic=6.1.0-42-amd64 SMP ";`,
	"a/x.c":      `int a_x(void) { return 1; }`,
	"b/x.c":      `int b_x(void) { return 2; }`,
}

const moduleLDS = `SECTIONS {
	/DISCARD/ : { *(.discard) *(.discard.*) }
	__ksymtab 0 : ALIGN(8) { *(SORT(___ksymtab+*)) }
	.init_array 0 : ALIGN(8) { *(SORT(.init_array.*)) *(.init_array) }
}
`

var (
	innerFlags = []string{"-z", "noexecstack"}
	finalFlags = []string{"-z", "noexecstack", "--build-id=sha1"}
)

// toolchain puts the objects of the sources and the linker script into
// dir/obj, or skips.
func toolchain(t testing.TB, dir string) {
	t.Helper()
	for _, name := range []string{"gcc", "as", "ld.bfd"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIP: %s is not installed: linking is not tested", name)
		}
	}
	objects, err := compile()
	require.NoError(t, err)
	files := maps.Clone(objects)
	files["module.lds"] = []byte(moduleLDS)
	for name, data := range files {
		file := filepath.Join(dir, "obj", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, data, 0o644))
	}
}

// compile returns the objects by name. It is done once: a compiler is slower
// than all that is tested here.
var compile = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "koweld-objects-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	objects := make(map[string][]byte)
	for name, text := range sources {
		source := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			return nil, err
		}
		compiler := []string{"gcc", "-O1", "-c"}
		if filepath.Ext(name) == ".s" {
			compiler = []string{"as"} // gcc would add a FILE symbol
		}
		cmd := exec.Command(compiler[0], append(compiler[1:], "-o", "out.o", filepath.Base(name))...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		data, err := os.ReadFile(filepath.Join(dir, "out.o"))
		if err != nil {
			return nil, err
		}
		objects[strings.TrimSuffix(name, filepath.Ext(name))+".o"] = data
	}
	return objects, nil
})

// kbuild links by hand, in the folder of the objects, with kbuild's lines: the
// judge of what the Welder does.
func kbuild(t testing.TB, dir string) []byte {
	t.Helper()
	t.Setenv("LC_ALL", "C")
	for _, args := range [][]string{
		slices.Concat([]string{"-m", "elf_x86_64"}, innerFlags, []string{"-r", "-o", "acme.o", "core.o", "glue.o", "blob.o"}),
		slices.Concat([]string{"-r", "-m", "elf_x86_64"}, finalFlags, []string{"-T", "module.lds", "-o", "acme.ko", "acme.o", "acme.mod.o"}),
	} {
		cmd := exec.Command("ld.bfd", args...)
		cmd.Dir = filepath.Join(dir, "obj")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	image, err := os.ReadFile(filepath.Join(dir, "obj/acme.ko"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "obj/acme.o")))
	return image
}

func object(name string) manifest.Input {
	return manifest.Input{Object: "/obj/" + name, Name: filepath.Base(name)}
}

func acmeLink() manifest.Form {
	return manifest.Form{Link: []manifest.Input{
		{Name: "acme.o", Objects: []manifest.Input{object("core.o"), object("glue.o"), object("blob.o")}},
		object("acme.mod.o"),
	}}
}

// linkBench is a bench with objects, whose module acme is linked.
func linkBench(t testing.TB) (b *bench, m *manifest.Module, image []byte) {
	t.Helper()
	b = newBench(t)
	toolchain(t, b.dir)
	b.man.Linker = &manifest.Linker{
		Emulation:  "elf_x86_64",
		Script:     "/obj/module.lds",
		Flags:      finalFlags,
		InnerFlags: innerFlags,
	}
	image = kbuild(t, b.dir)
	return b, b.module("acme", image, acmeLink()), image
}

func TestWeldLinksAsKbuildDoes(t *testing.T) {
	b, m, image := linkBench(t)
	for name, procFD := range map[string]string{"by descriptors": "", "by copies, without /proc": "/nonexistent"} {
		b.welder.ProcFD = procFD
		got, err := b.weld(m)
		require.NoError(t, err, name)
		assert.Equal(t, image, got.Segments[0], name)
		assert.Equal(t, assemble.EngineLink, got.Engine)
		assert.Regexp(t, `^GNU ld .*\d$`, got.Tool)
		assert.Empty(t, got.Warnings)
		b.clean()
	}

	f, err := elf.NewFile(bytes.NewReader(image))
	require.NoError(t, err)
	symbols, err := f.Symbols()
	require.NoError(t, err)
	assert.True(t, slices.ContainsFunc(symbols, func(s elf.Symbol) bool {
		return elf.ST_TYPE(s.Info) == elf.STT_FILE && s.Name == "blob.o"
	}), "ld names an object without FILE symbol after its file: the names of inputs count")
}

func TestWeldDependsOnTheNamesOfInputs(t *testing.T) {
	b, m, _ := linkBench(t)
	m.Form[0].Link[0].Objects[2].Name = "nv-kernel.o"
	_, err := b.weld(m)
	var e *assemble.ImageError
	require.ErrorAs(t, err, &e)
	b.clean()
}

func TestWeldIsNotMovedByTheEnvironment(t *testing.T) {
	for _, kv := range [][2]string{
		{"ELF_PACKAGE_METADATA", `{"type":"deb","name":"x"}`},
		{"LD_RUN_PATH", "/opt/lib"},
		{"LDEMULATION", "elf_i386"},
		{"LANG", "de_DE.UTF-8"},
	} {
		t.Run(kv[0], func(t *testing.T) {
			t.Setenv(kv[0], kv[1])
			b := newBench(t) // the runner takes the environment here
			toolchain(t, b.dir)
			b.man.Linker = &manifest.Linker{Emulation: "elf_x86_64", Script: "/obj/module.lds", Flags: finalFlags, InnerFlags: innerFlags}
			require.NoError(t, os.Unsetenv(kv[0]))
			image := kbuild(t, b.dir)
			got, err := b.weld(b.module("acme", image, acmeLink()))
			require.NoError(t, err)
			assert.Equal(t, image, got.Segments[0])
		})
	}
}

func TestWeldLinksEqualNamesInDifferentSteps(t *testing.T) {
	b := newBench(t)
	toolchain(t, b.dir)
	form := manifest.Form{Link: []manifest.Input{
		{Name: "one.o", Objects: []manifest.Input{object("a/x.o")}},
		// A step may be called like its own input.
		{Name: "x.o", Objects: []manifest.Input{object("b/x.o")}},
	}}
	before, err := os.ReadFile(filepath.Join(b.dir, "obj/b/x.o"))
	require.NoError(t, err)

	dir := t.TempDir()
	for _, args := range []string{"a/x.o -o one.o", "b/x.o -o x.o", "one.o x.o -o image"} {
		inputs := strings.Fields(strings.NewReplacer("a/", b.dir+"/obj/a/", "b/", b.dir+"/obj/b/").Replace(args))
		cmd := exec.Command("ld.bfd", append([]string{"-r"}, inputs...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	image, err := os.ReadFile(filepath.Join(dir, "image"))
	require.NoError(t, err)

	got, err := b.weld(b.module("acme", image, form)) // without linker: a plain ld -r
	require.NoError(t, err)
	assert.Equal(t, image, got.Segments[0])
	after, err := os.ReadFile(filepath.Join(b.dir, "obj/b/x.o"))
	require.NoError(t, err)
	assert.Equal(t, before, after, "no output falls upon an input")
}

func TestWeldLinksWhatItChecked(t *testing.T) {
	b, m, image := linkBench(t)
	b.welder.Tool = swapper{b.welder.Tool, func(args []string) {
		if slices.Contains(args, "core.o") {
			b.remove("/obj/core.o")
			require.NoError(t, os.Rename(filepath.Join(b.dir, "obj/a/x.o"), filepath.Join(b.dir, "obj/core.o")))
		}
	}}
	got, err := b.weld(m)
	require.NoError(t, err)
	assert.Equal(t, image, got.Segments[0], "the object was swapped behind the check")
}

// swapper does something before each program is run.
type swapper struct {
	tool.Runner
	before func(args []string)
}

func (s swapper) Run(ctx context.Context, c tool.Cmd) (tool.Result, error) {
	s.before(c.Args)
	return s.Runner.Run(ctx, c)
}

func TestWeldTellsOfAnotherLinker(t *testing.T) {
	b, m, _ := linkBench(t)
	b.man.Linker.Recorded = manifest.Recorded{Name: "GNU ld", Version: "1.99"}
	got, err := b.weld(m)
	require.NoError(t, err)
	require.Len(t, got.Warnings, 1)
	assert.Regexp(t, `^linked by GNU ld .*, recorded is GNU ld 1.99: the image is the same$`, got.Warnings[0])

	m.Image.SHA256 = digest(nil)
	_, err = b.weld(m)
	var e *assemble.ImageError
	require.ErrorAs(t, err, &e)
	assert.Regexp(t, `image digest \w+ is not the declared \w+ \(link by GNU ld .*, recorded is GNU ld 1.99\)$`, err.Error())
	assert.Equal(t, "install GNU ld 1.99, or a package of the module that was built for this release", e.Hint())
}

func TestWeldPrefersTheRecordedLinker(t *testing.T) {
	b, m, image := linkBench(t)
	const private = "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'GNU ld (private) 9.9'; exit; }\nexec ld.bfd \"$@\"\n"
	b.write("/usr/lib/acme/ld", []byte(private))
	b.chmod("/usr/lib/acme/ld", 0o755)
	b.man.Linker.Recorded = manifest.Recorded{Name: "GNU ld", Version: "9.9", Path: "/usr/lib/acme/ld"}
	got, err := b.weld(m)
	require.NoError(t, err)
	assert.Equal(t, image, got.Segments[0])
	assert.Equal(t, "GNU ld (private) 9.9", got.Tool)
	assert.Empty(t, got.Warnings)

	b.chmod("/usr/lib/acme/ld", 0o777)
	_, err = b.weld(m)
	assert.ErrorContains(t, err, "cannot trust /usr/lib/acme/ld: it is writable by others")

	b.remove("/usr/lib/acme/ld")
	got, err = b.weld(m)
	require.NoError(t, err)
	assert.NotEqual(t, "GNU ld (private) 9.9", got.Tool)
}

func TestWeldRefusesObjects(t *testing.T) {
	b, m, _ := linkBench(t)
	good, err := os.ReadFile(filepath.Join(b.dir, "obj/glue.o"))
	require.NoError(t, err)
	le := binary.LittleEndian
	headers := int(le.Uint64(good[40:]))
	patch := func(at int, with ...byte) []byte {
		c := slices.Clone(good)
		copy(c[at:], with)
		return c
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "it is truncated"},
		{"ELF header cut", good[:63], "it is truncated"},
		{"ELF header only", good[:64], "it is truncated"},
		{"cut before the section headers", good[:headers], "it is truncated"},
		{"cut in the first section header", good[:headers+63], "it is truncated"},
		{"cut after the first section header", good[:headers+64], "it is truncated"},
		{"cut in the last section header", good[:len(good)-1], "it is truncated"},
		{"section headers beyond the end", patch(40, le.AppendUint64(nil, 1<<62)...), "it is truncated"},
		{"section headers at a negative offset", patch(40, le.AppendUint64(nil, 1<<63)...), "it is truncated"},
		{"a section beyond the end", patch(headers+64+24, le.AppendUint64(nil, 1<<40)...), "it is truncated"},
		{"a section of negative size", patch(headers+64+32, le.AppendUint64(nil, 1<<63)...), "it is truncated"},
		{"without section headers", patch(40, make([]byte, 8)...), "it has no section headers"},
		{"names in no section", patch(62, 0xf0, 0), "its section names are in no section"},
		{"names in section 0", patch(62, 0, 0), "its section names are in no section"},
		{"another machine", patch(18, 183, 0), "it is for another machine: EM_AARCH64, little-endian instead of EM_X86_64, little-endian"},
		{"a program", patch(16, 2, 0), "it is no relocatable file but ET_EXEC"},
		{"32 bits", patch(4, 1), "it is no 64-bit ELF file"},
		{"another byte order", patch(5, 3), "its byte order is not known"},
		{"text", bytes.Repeat([]byte("text\n"), 20), "it is no ELF file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.write("/obj/glue.o", tt.data)
			for _, emulation := range []string{"elf_x86_64", ""} {
				b.man.Linker.Emulation = emulation
				_, err := b.weld(m)
				var e *assemble.InputError
				require.ErrorAs(t, err, &e)
				assert.Equal(t, "cannot weld acme.ko: link by "+versionLine(t)+": cannot use /obj/glue.o: "+tt.want, err.Error())
			}
			b.clean()
		})
	}
}

func versionLine(t *testing.T) string {
	out, err := exec.Command("ld.bfd", "--version").Output()
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

func TestWeldRefusesNames(t *testing.T) {
	b, m, _ := linkBench(t)
	for _, name := range []string{"", "-plugin", "@core.o", "../core.o", "a/core.o", "."} {
		m.Form[0].Link = []manifest.Input{{Object: "/obj/core.o", Name: name}}
		_, err := b.weld(m)
		assert.ErrorAs(t, err, new(*assemble.InputError), "%q", name)
		b.clean()
	}
	m.Form[0].Link = []manifest.Input{object("a/x.o"), object("b/x.o")}
	for _, procFD := range []string{"", "/nonexistent"} {
		b.welder.ProcFD = procFD
		_, err := b.weld(m)
		assert.ErrorContains(t, err, "cannot use /obj/b/x.o: its name occurs twice in one step")
	}
}

// fakeLD stands for a linker that fails.
type fakeLD struct {
	run func(c tool.Cmd) (tool.Result, error)
}

func (f fakeLD) Look(name string) (string, error) { return "/usr/bin/" + name, nil }

func (f fakeLD) Run(_ context.Context, c tool.Cmd) (tool.Result, error) {
	if slices.Equal(c.Args, []string{"--version"}) {
		return tool.Result{Stdout: []byte("GNU ld (fake) 1.0\nCopyright\n")}, nil
	}
	return f.run(c)
}

func TestWeldTellsWhatAFailingLinkerSaid(t *testing.T) {
	b := newBench(t)
	b.write("/obj/a.o", plain)
	m := b.module("acme", plain, manifest.Form{Link: []manifest.Input{object("a.o")}})
	b.welder.Tool = fakeLD{func(c tool.Cmd) (tool.Result, error) {
		return tool.Result{}, &tool.FailedError{Cmd: c, Code: 1, Output: "ld.bfd: a.o: relocation is bad"}
	}}
	_, err := b.weld(m)
	assert.ErrorAs(t, err, new(*tool.FailedError))
	assert.EqualError(t, err, "cannot weld acme.ko: link by GNU ld (fake) 1.0: cannot run /usr/bin/ld.bfd: exit code 1: ld.bfd: a.o: relocation is bad")
	b.clean()
}

func TestWeldDoesNotTrustALinkerThatWritesNothing(t *testing.T) {
	b := newBench(t)
	b.write("/obj/a.o", plain)
	b.welder.Tool = fakeLD{func(tool.Cmd) (tool.Result, error) { return tool.Result{}, nil }}
	_, err := b.weld(b.module("acme", plain, manifest.Form{Link: []manifest.Input{object("a.o")}}))
	notExist(t, err)
	assert.ErrorContains(t, err, "cannot open what ld wrote")
}

func TestWeldKeepsALinkersWarningsForTheDebugLog(t *testing.T) {
	b, m, _ := linkBench(t)
	real := b.welder.Tool
	b.welder.Tool = fakeLD{func(c tool.Cmd) (tool.Result, error) {
		res, err := real.Run(context.Background(), c)
		res.Stderr = append(res.Stderr, "ld.bfd: warning: creating DT_TEXTREL\n"...)
		return res, err
	}}
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		var log bytes.Buffer
		b.welder.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
		got, err := b.weld(m)
		require.NoError(t, err)
		assert.Empty(t, slices.DeleteFunc(got.Warnings, func(s string) bool { return strings.HasPrefix(s, "linked by") }))
		assert.Equal(t, want, strings.Contains(log.String(), "creating DT_TEXTREL"), level)
	}
}

func TestWeldPassesByWhatAKilledRunLeft(t *testing.T) {
	b, m, image := linkBench(t)
	b.write(b.welder.Scratch+"/acme-1/image", []byte("half a link"))
	got, err := b.weld(m)
	require.NoError(t, err)
	assert.Equal(t, image, got.Segments[0])
}

func TestWeldStopsALinkThatIsCancelled(t *testing.T) {
	b, m, _ := linkBench(t)
	ctx, cancel := context.WithCancel(context.Background())
	b.welder.Tool = swapper{b.welder.Tool, func(args []string) {
		if slices.Contains(args, "core.o") {
			cancel()
		}
	}}
	_, err := b.welder.Weld(ctx, b.man, m)
	assert.ErrorIs(t, err, context.Canceled)
	b.clean()
}
