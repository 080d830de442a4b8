package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// This test is the linter of the layout: which package may know which, and
// which of them may ask the operating system. It reads the imports of all
// files, whatever their build constraints; those of tests are free.

const module = "koweld"

// Trees of packages are written as the go command does: "divert/...".
var (
	ground   = []string{"internal/fsys/...", "internal/txn/...", "internal/store/..."}
	planners = []string{"assemble/...", "divert/...", "quirks/..."}
)

// arrows says what a package must not reach, directly or through others.
var arrows = []struct {
	from []string
	not  []string
	rule string
}{
	{[]string{"internal/fsys"}, []string{"..."}, "fsys is the ground: it knows nothing of koweld"},
	{[]string{"internal/txn/..."}, slices.Concat(planners, []string{"internal/store/..."}), "fsys ← txn ← store"},
	{[]string{"internal/store/..."}, planners, "fsys ← txn ← store"},
	{[]string{"manifest/...", "internal/dpkg/...", "internal/tool/..."}, slices.Concat(ground, planners), "manifest, dpkg and tool know neither fsys, txn and store nor a planner"},
	{[]string{"assemble/..."}, []string{"divert/...", "quirks/..."}, "planners do not know each other"},
	{[]string{"divert/..."}, []string{"assemble/...", "quirks/..."}, "planners do not know each other"},
	{[]string{"quirks/..."}, []string{"assemble/...", "divert/..."}, "planners do not know each other"},
	{planners, []string{"internal/txn/...", "internal/store/..."}, "planners return operations, they do not run them"},
	{slices.Concat(ground, planners, []string{"manifest/...", "internal/dpkg/...", "internal/tool/..."}), []string{"internal/unit/..."}, "only cmd imports unit"},
	{[]string{"..."}, []string{"cmd/..."}, "nothing imports a command"},
	{[]string{"..."}, []string{"internal/fsys/aferofs"}, "aferofs is for tests: afero links net/http into the program"},
}

// homes says where an import from outside may be used; tools/ holds programs
// for the repository, which are not part of koweld.
var homes = []struct {
	path string
	in   []string
	rule string
}{
	{"gopkg.in/yaml.v3", []string{"manifest/..."}, "YAML is decoded strictly, in manifest alone"},
	{"github.com/spf13/afero", []string{"internal/fsys/aferofs"}, "afero is an adapter over fsys, not the seam"},
	{"os/exec", []string{"internal/tool", "tools/..."}, "only tool starts programs"},
	{"path/filepath", []string{"internal/fsys/...", "internal/tool", "cmd/...", "tools/..."}, "names below the root are those of package path"},
}

// system are the imports that reach the operating system. Errors of its names
// (unix.ENOENT) are free for all.
var (
	system = []string{"os", "syscall", "golang.org/x/sys/unix"}
	errnos = regexp.MustCompile(`^(E[A-Z0-9]+|Errno)$`)
)

// seams are the packages that may use them: all of it, or the symbols named.
var seams = []struct {
	in      []string
	symbols []string // nil: all
	reason  string
}{
	{[]string{"internal/fsys/..."}, nil, "the file system below the root"},
	{[]string{"internal/tool"}, nil, "programs"},
	{[]string{"cmd/...", "tools/..."}, nil, "programs of their own"},
	{
		[]string{"assemble"},
		[]string{"os.File", "os.NewFile", "os.Stat", "unix.FcntlInt", "unix.F_DUPFD_CLOEXEC"},
		"lends open inputs to ld through the host's /proc/self/fd",
	},
	{
		[]string{"assemble"},
		[]string{"unix.Madvise", "unix.MADV_HUGEPAGE"},
		"asks for large pages for what it has in memory",
	},
	{[]string{"internal/store"}, []string{"unix.Getpid"}, "says in the lock who holds it"},
}

func TestArrows(t *testing.T) {
	pkgs := load(t, os.DirFS(".."))
	for _, name := range []string{"internal/fsys", "internal/tool", "manifest"} {
		require.Contains(t, pkgs, name, "the test looks at the wrong directory")
	}
	for _, v := range violations(pkgs) {
		t.Error(v)
	}
}

func TestArrowsSeeViolations(t *testing.T) {
	file := func(lines ...string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.Join(lines, "\n"))}
	}
	tests := []struct {
		name string
		tree fstest.MapFS
		want []string
	}{
		{"nothing", fstest.MapFS{"manifest/a.go": file("package manifest", `import "gopkg.in/yaml.v3"`)}, nil},
		{
			"an upward arrow",
			fstest.MapFS{"internal/fsys/a.go": file("package fsys", `import "koweld/internal/txn"`), "internal/txn/b.go": file("package txn")},
			[]string{"internal/fsys/a.go: internal/fsys reaches internal/txn: fsys is the ground: it knows nothing of koweld"},
		},
		{
			"through another",
			fstest.MapFS{
				"divert/a.go":     file("package divert", `import "koweld/internal/x"`),
				"internal/x/b.go": file("package x", `import "koweld/quirks"`),
				"quirks/c.go":     file("package quirks"),
			},
			[]string{"divert/a.go: divert reaches quirks by internal/x: planners do not know each other"},
		},
		{"in a test", fstest.MapFS{"divert/a_test.go": file("package divert", `import ("koweld/quirks"; "os/exec"; "os")`, "var _ = os.Open")}, nil},
		{
			"a program started",
			fstest.MapFS{"internal/dpkg/a.go": file("package dpkg", `import "os/exec"`)},
			[]string{"internal/dpkg/a.go: imports os/exec: only tool starts programs"},
		},
		{
			"YAML elsewhere",
			fstest.MapFS{"quirks/a.go": file("package quirks", `import y "gopkg.in/yaml.v3"`)},
			[]string{"quirks/a.go: imports gopkg.in/yaml.v3: YAML is decoded strictly, in manifest alone"},
		},
		{
			"a file read",
			fstest.MapFS{"quirks/a.go": file("package quirks", `import sys "os"`, "var x, _ = sys.ReadFile(\"/etc/passwd\")", "var e = sys.ErrNotExist")},
			[]string{
				"quirks/a.go: uses os.ErrNotExist: only fsys and tool ask the operating system",
				"quirks/a.go: uses os.ReadFile: only fsys and tool ask the operating system",
			},
		},
		{
			"errors are free, calls are not",
			fstest.MapFS{"internal/txn/a.go": file("package txn", `import "golang.org/x/sys/unix"`, "var _ = unix.ENOENT", "var _ = unix.Getpid()")},
			[]string{"internal/txn/a.go: uses unix.Getpid: only fsys and tool ask the operating system"},
		},
		{
			"an exception is for its package",
			fstest.MapFS{
				"assemble/a.go":   file("package assemble", `import "os"`, "var _ = os.Stat", "var _ = os.Open"),
				"assemble/x/a.go": file("package x", `import "os"`, "var _ = os.Stat"),
			},
			[]string{
				"assemble/a.go: uses os.Open: only fsys and tool ask the operating system",
				"assemble/x/a.go: uses os.Stat: only fsys and tool ask the operating system",
			},
		},
		{
			"a dot import hides its uses",
			fstest.MapFS{"quirks/a.go": file("package quirks", `import . "os"`, "var _ = Open")},
			[]string{"quirks/a.go: uses os.*: only fsys and tool ask the operating system"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, violations(load(t, tt.tree)))
		})
	}
}

// pkg is a package without its tests.
type pkg struct {
	imports map[string]string          // path to the first file that has it
	uses    map[string]map[string]bool // file to symbols of system packages
}

// load reads the packages of a module, by their paths in it.
func load(t *testing.T, tree fs.FS) map[string]*pkg {
	t.Helper()
	pkgs := map[string]*pkg{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p := pkgs[path.Dir(name)]
		if p == nil {
			p = &pkg{map[string]string{}, map[string]map[string]bool{}}
			pkgs[path.Dir(name)] = p
		}
		return p.add(name, f)
	})
	require.NoError(t, err)
	return pkgs
}

func (p *pkg) add(name string, f *ast.File) error {
	as := map[string]string{} // local name of a system package to its own
	uses := map[string]bool{}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if _, ok := p.imports[imported]; !ok {
			p.imports[imported] = name
		}
		if !slices.Contains(system, imported) {
			continue
		}
		own := path.Base(imported)
		switch {
		case spec.Name == nil:
			as[own] = own
		case spec.Name.Name == ".":
			uses[own+".*"] = true
		default:
			as[spec.Name.Name] = own
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && as[id.Name] != "" && !errno(as[id.Name], sel.Sel.Name) {
			uses[as[id.Name]+"."+sel.Sel.Name] = true
		}
		return true
	})
	p.uses[name] = uses
	return nil
}

// errno reports whether a symbol only names an error of the kernel.
func errno(pkg, symbol string) bool { return pkg != "os" && errnos.MatchString(symbol) }

// violations checks the packages against all rules and returns what is wrong,
// sorted.
func violations(pkgs map[string]*pkg) (wrong []string) {
	for name, p := range pkgs {
		for to, way := range reach(pkgs, name) {
			for _, a := range arrows {
				if within(name, a.from) && within(to, a.not) {
					by := ""
					if len(way) > 1 {
						by = " by " + strings.Join(way[:len(way)-1], ", ")
					}
					wrong = append(wrong, fmt.Sprintf("%s: %s reaches %s%s: %s", p.imports[module+"/"+way[0]], name, to, by, a.rule))
				}
			}
		}
		for _, h := range homes {
			if file, ok := p.imports[h.path]; ok && !within(name, h.in) {
				wrong = append(wrong, fmt.Sprintf("%s: imports %s: %s", file, h.path, h.rule))
			}
		}
		for file, uses := range p.uses {
			for symbol := range uses {
				if !permitted(name, symbol) {
					wrong = append(wrong, fmt.Sprintf("%s: uses %s: only fsys and tool ask the operating system", file, symbol))
				}
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// reach returns the packages of the module that from imports, directly or
// through others, each with the shortest way to it, itself the last.
func reach(pkgs map[string]*pkg, from string) map[string][]string {
	ways := map[string][]string{}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		p := pkgs[todo[0]]
		if p == nil { // has only tests
			continue
		}
		for _, imported := range slices.Sorted(maps.Keys(p.imports)) {
			to, ok := strings.CutPrefix(imported, module+"/")
			if !ok || to == from || ways[to] != nil {
				continue
			}
			ways[to] = append(slices.Clone(ways[todo[0]]), to)
			todo = append(todo, to)
		}
	}
	return ways
}

// within reports whether a package is in one of the trees.
func within(name string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool {
		prefix, below := strings.CutSuffix(tree, "...")
		if !below {
			return name == tree
		}
		return strings.HasPrefix(name+"/", prefix)
	})
}

func permitted(name, symbol string) bool {
	for _, s := range seams {
		if within(name, s.in) && (s.symbols == nil || slices.Contains(s.symbols, symbol)) {
			return true
		}
	}
	return false
}
