package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is a file of the subject with one change.
type mutant struct {
	file   string // as the tree knows it
	line   int
	fun    string // the function that is changed
	what   string
	source []byte
}

func (m mutant) at() string     { return fmt.Sprintf("%s:%d %s", m.file, m.line, m.fun) }
func (m mutant) String() string { return m.at() + ": " + m.what }

// syncs are the calls that make something durable, records those that write
// the journal or take something back from it. To leave one out is a mutant.
var (
	syncs   = []string{"Sync", "SyncDir", "SyncFS", "sync", "syncDirs", "syncIndex"}
	records = []string{"append", "retract"}
)

// steps are, beside those, the calls whose order is the protocol. To swap two
// statements of a block that have such calls in them, with no third between
// them, is a mutant.
var steps = slices.Concat(syncs, records, []string{
	"keepIndex", "dropIndex", "restoreIndex", "depmod",
	"switchAll", "switchPlace", "undo", "undoSwitch", "drop", "clear", "finish", "forget", "forgetName",
	"Link", "Rename", "RenameNoReplace", "Write", "Truncate", "create", "unlink", "unlinkBoth", "rmdir",
})

// equivalent are the mutants that do what the original does, with the reason.
var equivalent = []struct{ fun, what, reason string }{
	{
		"undoNew", "if ours { … after return unlink(m.FS, o.Staged)",
		"once the staged name is gone, recovery tells our file by its bytes",
	},
	{
		"unlinkBoth", "if err := unlink(fsx, o.Staged); err != nil { … after return unlink(fsx, o.Staged+oldSuffix)",
		"neither name is needed any more",
	},
	{
		"Commit", "if err := tx.batch.sync(); err != nil { … after if err := tx.journal.append(r, journalReserve); err != nil { …",
		"no name is switched before both are done, and to take back needs no staged byte",
	},
	{
		"Commit", "for i, o := range tx.ops { … after if err := tx.batch.sync(); err != nil { …",
		"the kept names of the index become durable with the new names, before depmod; each file by itself is synced before them as well",
	},
	{
		"restoreIndex", "for _, e := range entries { … after if err := m.FS.SyncDir(o.Folder); err != nil { …",
		"what is removed there is found again by the next recovery; only the renames must be durable",
	},
}

// isEquivalent is the reason why a mutant is none; "" if it is one.
func (m mutant) isEquivalent() string {
	for _, e := range equivalent {
		if e.fun == m.fun && e.what == m.what {
			return e.reason
		}
	}
	return ""
}

// skip stands for a call that is left out. The arguments are still evaluated:
// so no variable is unused.
const skip = "mutantSkips"

const skipSource = "\n\nfunc " + skip + "(...any) error { return nil }\n"

// read returns the mutants of a package's files.
func read(dir string) (all []mutant, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		name := filepath.Join(dir, e.Name())
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		mutants, err := mutate(name, source)
		if err != nil {
			return nil, err
		}
		all = append(all, mutants...)
	}
	return all, nil
}

// mutate returns the mutants of one file.
func mutate(name string, source []byte) (all []mutant, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	text := func(n ast.Node) string {
		return string(source[files.Position(n.Pos()).Offset:files.Position(n.End()).Offset])
	}
	for _, decl := range file.Decls {
		fun, ok := decl.(*ast.FuncDecl)
		if !ok || fun.Body == nil {
			continue
		}
		add := func(n ast.Node, what string, edits ...edit) {
			all = append(all, mutant{
				file: name, line: files.Position(n.Pos()).Line, fun: fun.Name.Name, what: what,
				source: apply(source, edits),
			})
		}
		replace := func(n ast.Node, with string) edit {
			return edit{files.Position(n.Pos()).Offset, files.Position(n.End()).Offset, with}
		}
		ast.Inspect(fun.Body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && is(call, slices.Concat(syncs, records)) {
				var args []string
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
					args = append(args, text(sel.X))
				}
				for _, a := range call.Args {
					args = append(args, text(a))
				}
				add(call, "without "+oneLine(text(call)), replace(call, skip+"("+strings.Join(args, ", ")+")"))
			}
			var last ast.Stmt
			for _, s := range statements(n) {
				if !hasStep(s) {
					continue
				}
				if last != nil && !(onlySyncs(last) && onlySyncs(s)) {
					first, second := text(s), text(last)
					if call := returned(s); call != nil {
						first = "if err := " + text(call) + "; err != nil {\nreturn err\n}"
						second += "\nreturn nil"
					}
					add(last, fmt.Sprintf("%s after %s", oneLine(text(last)), oneLine(text(s))),
						replace(last, first), replace(s, second))
				}
				last = s
			}
			return true
		})
	}
	return all, nil
}

// statements are those of a block; the cases of a switch have no order.
func statements(n ast.Node) []ast.Stmt {
	switch n := n.(type) {
	case *ast.BlockStmt:
		return slices.DeleteFunc(slices.Clone(n.List), func(s ast.Stmt) bool {
			_, isCase := s.(*ast.CaseClause)
			return isCase
		})
	case *ast.CaseClause:
		return n.Body
	}
	return nil
}

// is reports whether a call is of one of the functions or methods. The append
// that Go has is none of them.
func is(call *ast.CallExpr, names []string) bool {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return slices.Contains(names, f.Sel.Name)
	case *ast.Ident:
		return f.Name != "append" && slices.Contains(names, f.Name)
	}
	return false
}

func hasStep(s ast.Stmt) bool { return len(stepsIn(s)) > 0 }

// stepsIn are the calls of steps in a statement.
func stepsIn(s ast.Stmt) (calls []*ast.CallExpr) {
	ast.Inspect(s, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && is(call, steps) {
			calls = append(calls, call)
		}
		return true
	})
	return calls
}

// onlySyncs reports whether a statement makes things durable and does no other
// step. The order of two of them means nothing.
func onlySyncs(s ast.Stmt) bool {
	return !slices.ContainsFunc(stepsIn(s), func(c *ast.CallExpr) bool { return !is(c, syncs) })
}

// returned is the step whose error a statement returns, or nil.
func returned(s ast.Stmt) *ast.CallExpr {
	r, ok := s.(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 {
		return nil
	}
	call, ok := r.Results[0].(*ast.CallExpr)
	if !ok || !is(call, steps) {
		return nil
	}
	return call
}

// An edit replaces bytes of a source.
type edit struct {
	from, to int
	with     string
}

// apply makes edits that do not overlap, the first first, and adds what a
// skipped call calls.
func apply(source []byte, edits []edit) []byte {
	var b []byte
	at := 0
	for _, e := range edits {
		b = append(append(b, source[at:e.from]...), e.with...)
		at = e.to
	}
	return append(append(b, source[at:]...), skipSource...)
}

// oneLine is the first line of a statement, for people.
func oneLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return line
}
