package recipe_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/elf64"
	"koweld/assemble/recipe"
)

// The sources of a module for real compilers and linkers.
var sources = map[string]string{
	"core.c": `
extern int blob(int); extern int printk(const char *, ...);
static int state[3] = {3, 4, 5}; int total; static int zeros[40];
static int helper(int x) { return x * state[1] + zeros[x & 31]; }
int core_entry(int x) { printk("core: %d\n", x); return state[0] + blob(helper(x)) + total; }
__attribute__((section(".init.text"))) int core_init(void) { printk("a string that both have\n"); return 0; }
`,
	"glue.c": `
extern int core_entry(int); extern int printk(const char *, ...);
const char *acme_name = "acme"; static int (*const table[])(int) = {core_entry};
int glue(int i) { printk("a string that both have\n"); switch (i) { case 1: return 7; case 2: return core_entry(3);
case 3: return 9; case 4: return table[0](i); case 5: return 1; case 6: return i * 3; } return core_entry(4); }
__attribute__((section(".exit.text"))) void glue_exit(void) { glue(2); }
`,
	"blob.S": `
.text
helper: .nops 4
.globl blob
.type blob, %function
blob: .cfi_startproc
 .nops 8
 .cfi_endproc
.size blob, .-blob
.section .text.shared, "axG", %progbits, shared, comdat
.weak shared
shared: .cfi_startproc
 .nops 16
 .cfi_endproc
.section .debug_shared, "G", %progbits, shared, comdat
.quad shared
.section .discard.hints, "", %progbits
.quad blob
.section .note.GNU-stack, "", %progbits
`,
	"acme.mod.c": `static const char info[] __attribute__((section(".modinfo"), used)) = "name=acme\0vermagic=6.1.0-42 SMP ";
struct module { char name[56]; int (*init)(void); void *rest[9]; }; extern int core_init(void);
__attribute__((section(".gnu.linkonce.this_module"))) struct module this_module = { .name = "acme", .init = core_init };
`,
	"again.S": `
.section .text.shared, "axG", %progbits, shared, comdat
.weak shared
shared: .cfi_startproc
 .nops 16
 .cfi_endproc
.text
.globl again
again: .cfi_startproc
 .quad shared
 .cfi_endproc
.section .note.GNU-stack, "", %progbits
`,
}

// run runs a program in a directory, or skips if it is not installed.
func run(t testing.TB, dir string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("SKIP: %s is not installed: what it makes is not tested", args[0])
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%v: %s", args, out)
}

func write(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
}

func readFile(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return data
}

var objectNames = []string{"core.o", "glue.o", "blob.o", "again.o", "acme.mod.o"}

var compiled sync.Map // by compiler: func() (map[string][]byte, error)

// compile puts the objects of the sources, and their linker script, into a new
// directory. A compiler runs once: it is slower than all that is tested.
func compile(t testing.TB, prefix string) (dir string, objects [][]byte) {
	t.Helper()
	gcc := prefix + "gcc"
	for _, tool := range []string{gcc, prefix + "as"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIP: %s is not installed: recipes for its objects are not tested", tool)
		}
	}
	once, _ := compiled.LoadOrStore(gcc, sync.OnceValues(func() (map[string][]byte, error) {
		dir, err := os.MkdirTemp("", "koweld-objects-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		files := make(map[string][]byte)
		for name, text := range sources {
			if strings.Contains(prefix, "aarch64") || strings.Contains(prefix, "s390x") {
				text = strings.ReplaceAll(text, ".nops", ".skip")
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return nil, err
			}
			object := strings.TrimSuffix(name, filepath.Ext(name)) + ".o"
			cmd := exec.Command(gcc, "-O2", "-g", "-fno-pic", "-fasynchronous-unwind-tables", "-ffunction-sections", "-c", "-o", object, name)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%w: %s", err, out)
			}
			if files[object], err = os.ReadFile(filepath.Join(dir, object)); err != nil {
				return nil, err
			}
		}
		return files, nil
	}))
	files, err := once.(func() (map[string][]byte, error))()
	require.NoError(t, err)
	dir = t.TempDir()
	for _, name := range objectNames {
		write(t, dir, name, files[name])
		objects = append(objects, files[name])
	}
	write(t, dir, "module.lds", []byte(`SECTIONS {
	/DISCARD/ : { *(.discard) *(.discard.*) }
	.text 0 : { *(.text .text.[0-9a-zA-Z_]*) }
	.init.text 0 : { *(.init.text) }
}
`))
	return dir, objects
}

// share logs what a recipe spells out.
func share(t testing.TB, r *recipe.Recipe, image []byte) {
	t.Helper()
	var all int64
	var kinds []string
	for _, l := range r.Literals() {
		all += l.Bytes
		if l.Kind == recipe.KindCode || l.Kind == recipe.KindData {
			kinds = append(kinds, fmt.Sprintf("%s %d of %d", l.Section, l.Bytes, l.Of))
		}
	}
	t.Logf("recipe %d bytes, image %d; literals %.2f%%; of code and data: %v",
		len(r.Encode()), len(image), 100*float64(all)/float64(len(image)), kinds)
}

func TestRealLinkers(t *testing.T) {
	tests := []struct {
		name   string
		prefix string // of the compiler
		link   []string
	}{
		{"GNU ld", "", []string{"ld.bfd", "-r"}},
		{"GNU ld with a script", "", []string{"ld.bfd", "-r", "-T", "module.lds", "--build-id=sha1", "-z", "noexecstack"}},
		{"GNU ld that takes groups apart", "", []string{"ld.bfd", "-r", "--force-group-allocation"}},
		{"GNU ld that gathers common symbols", "", []string{"ld.bfd", "-r", "-d"}},
		{"GNU ld without debugging information", "", []string{"ld.bfd", "-r", "-S", "-T", "module.lds"}},
		{"gold", "", []string{"ld.gold", "-r"}},
		{"gold with a script", "", []string{"ld.gold", "-r", "-T", "module.lds"}},
		{"lld", "", []string{"ld.lld", "-r"}},
		{"lld that merges strings", "", []string{"ld.lld", "-r", "-O2"}},
		{"lld with a script", "", []string{"ld.lld", "-r", "-T", "module.lds", "--build-id=sha1"}},
		{"GNU ld for arm64", "aarch64-linux-gnu-", []string{"aarch64-linux-gnu-ld", "-r", "-T", "module.lds"}},
		{"lld for arm64", "aarch64-linux-gnu-", []string{"ld.lld", "-r", "-T", "module.lds"}},
		{"GNU ld for s390x", "s390x-linux-gnu-", []string{"s390x-linux-gnu-ld", "-r", "-T", "module.lds"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, objects := compile(t, tt.prefix)
			run(t, dir, append(append(tt.link, "-o", "acme.ko"), objectNames...)...)
			image := readFile(t, dir, "acme.ko")
			r := requireExact(t, image, objects...)
			share(t, r, image)
			require.True(t, bytes.Equal(image, naive(r.Encode(), objects)), "the document gives another image")
			assert.LessOrEqual(t, codeLiterals(r), int64(padding))
		})
	}
}

// padding is what linkers may put between the code of objects that is aligned.
const padding = 15

// codeLiterals are the bytes of code that a recipe spells out.
func codeLiterals(r *recipe.Recipe) (n int64) {
	for _, l := range r.Literals() {
		if l.Kind == recipe.KindCode {
			n += l.Bytes
		}
	}
	return n
}

// What is done to a module after the link.
func TestRealEdits(t *testing.T) {
	tests := []struct {
		name  string
		edits [][]string
	}{
		{"strip -g", [][]string{{"strip", "-g", "acme.ko"}}},
		{"strip --strip-unneeded", [][]string{{"strip", "--strip-unneeded", "acme.ko"}}},
		{"objcopy", [][]string{{"objcopy", "acme.ko"}}},
		{"objcopy --add-section", [][]string{{"objcopy", "--add-section", ".BTF=btf", "--set-section-flags", ".BTF=alloc,readonly", "acme.ko"}}},
		{"objcopy --remove-section", [][]string{{"objcopy", "-R", ".comment", "-R", ".note.GNU-stack", "acme.ko"}}},
		{"objcopy --rename-section", [][]string{{"objcopy", "--rename-section", ".init.text=.init.code", "acme.ko"}}},
		{"objcopy --redefine-sym", [][]string{{"objcopy", "--redefine-sym", "core_entry=acme_core_entry", "--localize-symbol", "glue", "acme.ko"}}},
		{"objcopy --update-section .eh_frame", [][]string{
			{"objcopy", "--dump-section", ".eh_frame=eh", "acme.ko", "other.ko"},
			{"dd", "if=/dev/zero", "of=eh", "conv=notrunc", "bs=1", "seek=24", "count=9", "status=none"},
			{"objcopy", "--update-section", ".eh_frame=eh", "acme.ko"},
		}},
		{"objcopy --compress-debug-sections", [][]string{{"objcopy", "--compress-debug-sections=zlib", "acme.ko"}}},
		{"llvm-strip -g", [][]string{{"llvm-strip", "-g", "acme.ko"}}},
		{"llvm-objcopy", [][]string{{"llvm-objcopy", "--add-section", ".BTF=btf", "acme.ko"}}},
		{"ld -r once more", [][]string{{"ld.bfd", "-r", "-o", "again.ko", "acme.ko"}, {"mv", "again.ko", "acme.ko"}}},
		{"ld -r once more, with objects", [][]string{{"ld.bfd", "-r", "-T", "module.lds", "-o", "again.ko", "acme.ko"}, {"mv", "again.ko", "acme.ko"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, objects := compile(t, "")
			write(t, dir, "btf", bytes.Repeat([]byte("type information "), 40))
			run(t, dir, append([]string{"ld.bfd", "-r", "-T", "module.lds", "--build-id=sha1", "-o", "acme.ko"}, objectNames...)...)
			for _, edit := range tt.edits {
				run(t, dir, edit...)
			}
			image := readFile(t, dir, "acme.ko")
			r := requireExact(t, image, objects...)
			share(t, r, image)
			require.True(t, bytes.Equal(image, naive(r.Encode(), objects)), "the document gives another image")
			assert.LessOrEqual(t, codeLiterals(r), int64(padding))
		})
	}
}

// More sections than 16 bits can number.
func TestSeventyThousandSections(t *testing.T) {
	const count = 70_000
	check := func(t *testing.T, image []byte, objects ...[]byte) {
		m, err := elf64.Parse(image)
		require.NoError(t, err)
		require.Greater(t, len(m.Sections), count)
		r := requireExact(t, image, objects...)
		share(t, r, image)
		assert.Zero(t, codeLiterals(r))
		assert.NotZero(t, r.Rules&recipe.RuleShndx)
	}
	t.Run("built", func(t *testing.T) {
		o := &object{machine: s390x, names: mergedNumbers}
		for i := range count {
			p := part{name: fmt.Sprintf(".text.%d", i), flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, align: 4, data: fmt.Appendf(nil, "%8d", i)}
			if i%7 == 0 {
				p.relocs = []reloc{{at: 4, symbol: 1 + (i*11)%count, kind: 3, addend: 2}}
			}
			o.parts = append(o.parts, p)
			o.symbols = append(o.symbols, symbol{name: fmt.Sprintf("f%05d", i), info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), part: i + 1, size: 8})
		}
		l := linker{names: mergedNumbers, order: backwards}
		check(t, l.link(o).encode(), o.encode())
	})
	if os.Getenv("KOWELD_TEST") != "full" {
		return // the same by as and ld takes several times as long
	}
	t.Run("assembled", func(t *testing.T) {
		dir := t.TempDir()
		var text bytes.Buffer
		for i := range count {
			fmt.Fprintf(&text, ".section .text.f%d,\"ax\",@progbits\n.globl f%d\nf%d: .quad f%d\n", i, i, i, (i*11)%count)
		}
		write(t, dir, "many.s", text.Bytes())
		run(t, dir, "as", "-o", "many.o", "many.s")
		run(t, dir, "ld.bfd", "-r", "-o", "many.ko", "many.o")
		check(t, readFile(t, dir, "many.ko"), readFile(t, dir, "many.o"))
	})
}

// mergedNumbers is mergedNames for names of one length, none of which ends
// another.
func mergedNumbers(names []string) (table []byte, at []uint32) { return eachName(names) }
