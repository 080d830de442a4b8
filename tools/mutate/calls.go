package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
)

// callTable says what koweld does for each call of dpkg.
const callTable = "internal/unit/calls.go"

// instead are the reactions that stand in the place of one: none at all where
// there is one, and that which is nearest and wrong.
var instead = map[string][]string{
	"leave":  {"form", "park"},
	"form":   {"leave", "revive"},
	"revive": {"leave", "form"},
	"park":   {"leave", "drop"},
	"drop":   {"leave"},
	"settle": {"leave"},
	"follow": {"leave", "settle"},
}

// readCalls returns the mutants of the table of calls: each rule with another
// reaction.
func readCalls() ([]mutant, error) {
	source, err := os.ReadFile(callTable)
	if err != nil {
		return nil, err
	}
	return mutateCalls(callTable, source)
}

func mutateCalls(name string, source []byte) (all []mutant, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	offset := func(p token.Pos) int { return files.Position(p).Offset }
	ast.Inspect(file, func(n ast.Node) bool {
		rule, ok := n.(*ast.CompositeLit)
		if !ok || rule.Type != nil {
			return true
		}
		i := slices.IndexFunc(rule.Elts, func(e ast.Expr) bool {
			id, ok := e.(*ast.Ident)
			return ok && instead[id.Name] != nil
		})
		if i < 2 {
			return true
		}
		do := rule.Elts[i].(*ast.Ident)
		call := string(source[offset(rule.Elts[0].Pos()):offset(rule.Elts[i].Pos())])
		for _, other := range instead[do.Name] {
			all = append(all, mutant{
				file: name, line: files.Position(rule.Pos()).Line, fun: call,
				what:   fmt.Sprintf("%s in the place of %s", other, do.Name),
				source: apply(source, []edit{{offset(do.Pos()), offset(do.End()), other}}),
			})
		}
		return true
	})
	return all, nil
}
