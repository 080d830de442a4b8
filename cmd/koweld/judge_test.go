package main

import (
	"bufio"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A judge reads what strace -f -y wrote of a batch and finds what leaves the
// root. What was opened is judged by the path of the descriptor that the kernel
// gave, which no link can hide; other calls by the names they were made with.
type judge struct {
	root     string            // that of the marks; "" between them
	program  map[string]string // by process, once it runs another
	pending  map[string]string // by thread: a call that is not finished
	scenes   int
	calls    int
	programs map[string]int

	violations []string
	roots      []string // of the violations
}

func newJudge() *judge {
	return &judge{program: map[string]string{}, pending: map[string]string{}, programs: map[string]int{}}
}

// systemFiles are outside and may be read: what programs need to run, and not
// what they work on.
var systemFiles = regexp.MustCompile(`^(` + strings.Join([]string{
	`/etc/ld\.so\.(cache|preload)`,
	`(/usr)?/lib(64|/[a-z0-9_]+-linux-gnu[a-z0-9]*)/[^/]+\.so[.0-9]*`, // shared libraries
	`(/usr)?/lib(/[a-z0-9_]+-linux-gnu)?/(bfd-plugins|gconv)(/[^/]*)?`,
	`/usr/(lib|share)/locale(/.*)?`, `/usr/share/locale-langpack(/.*)?`,
	`(/usr(/local)?)?/s?bin(/[^/]+)?`, // where programs are looked for
	`/proc`, `/proc/(self|\d+)(/(fd(/\d+)?|exe|maps|status|task(/\d+)?(/comm)?))?`, `/proc/filesystems`,
	`/sys/kernel/mm/transparent_hugepage/.*`, `/sys/devices/system/cpu.*`, `/sys/fs/cgroup(/.*)?`,
	`/dev/null`, `/etc/localtime`, `/usr/share/zoneinfo(/.*)?`,
	`/etc/dpkg/dpkg\.cfg(\.d)?(/.*)?`, `/etc/dpkg`,
	`/proc/cmdline`, `/etc/ssl/openssl\.cnf`, // kmod and its libcrypto
	// depmod -b takes the root's modules and the host's configuration.
	`(/etc|/run|/usr/local/lib|(/usr)?/lib)/depmod\.d(/[^/]+)?`,
	`pipe:.*`, `socket:.*`, `anon_inode:.*`,
}, "|") + `)$`)

var (
	threadLine = regexp.MustCompile(`^(\d+) +(.*)$`)
	resumed    = regexp.MustCompile(`^<\.\.\. \w+ resumed>(.*)$`)
	execLine   = regexp.MustCompile(`^execve\("([^"]+)".* = 0$`)
	result     = regexp.MustCompile(` = (?:\d+<([^>]*)>|-?\d+|\?).*$`)
	// argument is a descriptor with its path, or nothing, and a name.
	argument = regexp.MustCompile(`(?:(AT_FDCWD)(?:<([^>]*)>)?|\d+<([^>]*)>)?(?:, )?"((?:[^"\\]|\\.)*)"`)
)

func (j *judge) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := threadLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		thread, call := m[1], m[2]
		if begun, ok := strings.CutSuffix(call, " <unfinished ...>"); ok {
			j.pending[thread] = begun
			continue
		}
		if m := resumed.FindStringSubmatch(call); m != nil {
			call = j.pending[thread] + m[1]
		}
		j.judge(thread, call)
	}
	return lines.Err()
}

func (j *judge) judge(thread, call string) {
	if _, mark, ok := strings.Cut(call, `chdir("/koweld-`); ok {
		name, _, _ := strings.Cut(mark, `"`)
		root, begins := strings.CutPrefix(name, "at")
		j.root = ""
		if begins {
			j.root = root
			j.scenes++
		}
		return
	}
	if j.root == "" || strings.HasPrefix(call, "+++") || strings.HasPrefix(call, "---") {
		return
	}
	j.calls++
	if m := execLine.FindStringSubmatch(call); m != nil {
		j.program[thread] = filepath.Base(m[1])
		j.programs[j.program[thread]]++
	}
	if why := j.leaves(thread, call); why != "" {
		j.violations = append(j.violations, why+": "+thread+" "+call)
		j.roots = append(j.roots, j.root)
	}
}

// leaves says how a call leaves the root, or "".
func (j *judge) leaves(thread, call string) string {
	who := j.program[thread]
	if who == "" {
		who = "koweld"
	}
	name, args, _ := strings.Cut(call, "(")
	if m := result.FindStringSubmatch(args); m != nil {
		if m[1] != "" && !j.inside(m[1]) {
			return who + " has opened " + m[1]
		}
		if m[1] != "" {
			return ""
		}
		args = strings.TrimSuffix(args, m[0])
	}
	switch {
	case name == "readlink" || name == "readlinkat" || name == "execve":
		args, _, _ = strings.Cut(args, `",`)
		args += `"`
	case strings.HasPrefix(name, "symlink"):
		// What a link says is no name that is looked up.
		if _, rest, ok := strings.Cut(args, `", `); ok {
			args = rest
		}
	}
	confined := strings.Contains(args, "RESOLVE_IN_ROOT")
	for _, m := range argument.FindAllStringSubmatch(args, -1) {
		dir, path := m[2]+m[3], unquote(m[4])
		if confined {
			if dir != "" && !j.inside(dir) {
				return who + " looks below " + dir
			}
			continue
		}
		if who == "koweld" && dir != "" && m[1] == "" && (strings.Contains(path, "/") || path == "..") {
			return "koweld does not look at each component"
		}
		if !filepath.IsAbs(path) {
			if dir == "" {
				continue // below the working directory, which chdir showed
			}
			path = filepath.Join(dir, path)
		}
		path = filepath.Clean(path)
		if !j.inside(path) && !(strings.HasPrefix(j.root+"/", path+"/") && reads(name)) {
			return who + " names " + path
		}
	}
	return ""
}

// reads reports whether a call only looks: the folders above the root are
// looked at on the way to it.
func reads(call string) bool {
	return strings.Contains(call, "stat") || strings.HasPrefix(call, "readlink") || strings.HasPrefix(call, "open") || call == "getcwd"
}

func (j *judge) inside(path string) bool {
	path = strings.TrimSuffix(path, " (deleted)")
	return path == j.root || strings.HasPrefix(path, j.root+"/") || systemFiles.MatchString(path)
}

func unquote(s string) string { return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s) }

// TestTheJudgeSees feeds the judge what must not pass, and what must.
func TestTheJudgeSees(t *testing.T) {
	tests := []struct {
		name, call string
		want       string
	}{
		{"a file inside", `openat(7</r/root/lib>, "acme.ko", O_RDONLY) = 8</r/root/lib/acme.ko>`, ""},
		{"through a link", `openat(7</r/root/lib>, "acme.ko", O_RDONLY) = 8</r/outside/acme.ko>`, "koweld has opened /r/outside/acme.ko"},
		{"a neighbour", `openat(7</r/root>, "x", O_RDONLY) = 8</r/rooter/x>`, "koweld has opened /r/rooter/x"},
		{"the kernel confines", `openat2(7</r/root>, "../../etc/passwd", {flags=O_PATH, resolve=RESOLVE_IN_ROOT}, 24) = -1 ENOENT (No such file)`, ""},
		{"confined elsewhere", `openat2(7</r/outside>, "x", {flags=O_PATH, resolve=RESOLVE_IN_ROOT}, 24) = -1 ENOENT (No such file)`, "koweld looks below /r/outside"},
		{"several components", `newfstatat(7</r/root>, "lib/x", 0x1, 0) = 0`, "koweld does not look at each component"},
		{"dot dot", `openat(7</r/root>, "..", O_PATH) = -1 EACCES (Permission denied)`, "koweld does not look at each component"},
		{"a library", `openat(AT_FDCWD</r>, "/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY) = 3</usr/lib/x86_64-linux-gnu/libc.so.6>`, ""},
		{"the host's modules", `openat(AT_FDCWD</r>, "/lib/modules/6.1/modules.dep", O_RDONLY) = -1 ENOENT (No such file)`, "koweld names /lib/modules/6.1/modules.dep"},
		{"a rename out", `renameat2(7</r/root/lib>, "a", 8</r/outside>, "a", RENAME_NOREPLACE) = 0`, "koweld names /r/outside/a"},
		{"a link's text", `symlinkat("/proc/self/fd/3", 7</r/root/lib>, "core.o") = 0`, ""},
		{"a link out there", `symlinkat("/proc/self/fd/3", 7</r/outside>, "core.o") = 0`, "koweld names /r/outside/core.o"},
		{"a folder above", `newfstatat(AT_FDCWD</x>, "/r", {st_mode=S_IFDIR|0755}, 0) = 0`, ""},
		{"removed above", `unlinkat(AT_FDCWD</x>, "/r", 0) = 0`, "koweld names /r"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := newJudge()
			require.NoError(t, j.read(strings.NewReader(strings.Join([]string{
				`1 chdir("/koweld-at/r/root") = -1 ENOENT (No such file or directory)`,
				`1 ` + tt.call,
				`1 chdir("/koweld-end") = -1 ENOENT (No such file or directory)`,
				`1 openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = 3</etc/shadow>`,
			}, "\n"))))
			if tt.want == "" {
				assert.Empty(t, j.violations)
				return
			}
			require.Len(t, j.violations, 1)
			assert.Contains(t, j.violations[0], tt.want+": ")
		})
	}
	t.Run("in two pieces, of a tool", func(t *testing.T) {
		j := newJudge()
		require.NoError(t, j.read(strings.NewReader(`1 chdir("/koweld-at/r/root") = -1 ENOENT (No such file or directory)
2 execve("/usr/sbin/depmod", ["depmod"], 0xc0 /* 3 vars */) = 0
2 openat(AT_FDCWD</x>, "/r/root/lib/a.ko", O_RDONLY <unfinished ...>
1 newfstatat(7</r/root>, "lib", 0x1, 0) = 0
2 <... openat resumed>) = 4</r/outside/a.ko>
`)))
		assert.Equal(t, map[string]int{"depmod": 1}, maps.Clone(j.programs))
		require.Len(t, j.violations, 1)
		assert.Contains(t, j.violations[0], "depmod has opened /r/outside/a.ko")
	})
}
