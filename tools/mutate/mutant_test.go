package main

import (
	"bytes"
	"context"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMutants(t *testing.T) {
	tests := []struct {
		name string
		body string
		want []string // what, and the changed body
	}{
		{"nothing", "x := append(y, 1)\nreturn use(x)", nil},
		{
			"a sync",
			"if err := f.Sync(); err != nil {\nreturn err\n}\nreturn nil",
			[]string{"without f.Sync()", "if err := mutantSkips(f); err != nil {\nreturn err\n}\nreturn nil"},
		},
		{
			"a sync with arguments",
			"return x.FS.SyncDir(path.Dir(name))",
			[]string{"without x.FS.SyncDir(path.Dir(name))", "return mutantSkips(x.FS, path.Dir(name))"},
		},
		{
			"a function",
			"return syncDirs(a, b)",
			[]string{"without syncDirs(a, b)", "return mutantSkips(a, b)"},
		},
		{
			"two steps and what is between them",
			"must(x.Rename(a, b))\nlook()\nmust(drop(c))",
			[]string{"must(x.Rename(a, b)) after must(drop(c))", "must(drop(c))\nlook()\nmust(x.Rename(a, b))"},
		},
		{
			"the last of two steps returns",
			"if err := drop(a); err != nil {\nreturn err\n}\nreturn forget(b)",
			[]string{
				"if err := drop(a); err != nil { … after return forget(b)",
				"if err := forget(b); err != nil {\nreturn err\n}\nif err := drop(a); err != nil {\nreturn err\n}\nreturn nil",
			},
		},
		{
			"syncs have no order among them",
			"must(f.Sync())\nmust(d.SyncDir(a))",
			[]string{
				"without f.Sync()", "must(mutantSkips(f))\nmust(d.SyncDir(a))",
				"without d.SyncDir(a)", "must(f.Sync())\nmust(mutantSkips(d, a))",
			},
		},
		{"cases have no order", "switch x {\ncase 1:\ndrop(a)\ncase 2:\nforget(b)\n}", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const head, tail = "package p\n\nfunc fun() error {\n", "\n}\n"
			mutants, err := mutate("p.go", []byte(head+tt.body+tail))
			require.NoError(t, err)
			var got []string
			for _, m := range mutants {
				body, ok := strings.CutPrefix(string(m.source), head)
				require.True(t, ok)
				body, ok = strings.CutSuffix(body, tail+skipSource)
				require.True(t, ok)
				got = append(got, m.what, body)
				assert.Equal(t, "p.go", m.file)
				assert.Equal(t, "fun", m.fun)
				_, err := parser.ParseFile(token.NewFileSet(), "p.go", m.source, 0)
				assert.NoError(t, err)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestTheSubjectHasMutants(t *testing.T) {
	t.Chdir("../..")
	all, err := read("internal/txn")
	require.NoError(t, err)
	assert.Greater(t, len(all), 30)
	for _, e := range equivalent {
		found := 0
		for _, m := range all {
			if m.isEquivalent() == e.reason {
				found++
			}
		}
		assert.Equal(t, 1, found, "mutants of %s, %s", e.fun, e.what)
	}
}

func TestFailed(t *testing.T) {
	tests := []struct{ name, output, want string }{
		{"nothing", "ok  \tkoweld/internal/txn\t1.0s\n", ""},
		{"a test", "--- FAIL: TestA (0.00s)\n    a_test.go:1: no\nFAIL\n", "TestA"},
		{"a subtest", "--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/b (0.00s)\n", "TestA/b"},
		{"too long", "panic: test timed out after 1s\n", "the time limit"},
		{"a panic", "panic: no\n\ngoroutine 1\n", "a panic: no"},
		{"a panic in a test", "--- FAIL: TestA (0.00s)\npanic: no\n", "TestA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, failed([]byte(tt.output))) })
	}
}

// A package of its own is the subject: one mutant is found, one survives and
// one does not compile.
func TestMutantsAreTested(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("go.mod", "module p\n\ngo 1.26\n")
	write("p.go", "package p\n\nimport \"errors\"\n\n"+
		"type file struct{}\n\nfunc (file) Sync() error { return errors.New(\"no\") }\n\n"+
		"func found() error { return file{}.Sync() }\n\nfunc survives() error { return file{}.Sync() }\n\n"+
		"func broken() (int, error) { return two{}.Sync() }\n\n"+
		"type two struct{}\n\nfunc (two) Sync() (int, error) { return 0, nil }\n")
	write("p_test.go", "package p\n\nimport \"testing\"\n\n"+
		"func TestFound(t *testing.T) {\n\tif found() == nil {\n\t\tt.Fatal(\"no error\")\n\t}\n}\n")
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "-mod=mod")
	mutants, err := read(".")
	require.NoError(t, err)
	require.Len(t, mutants, 3)
	var results []result
	for _, m := range mutants {
		r, err := m.test(context.Background(), []proof{{".", "."}}, time.Minute)
		require.NoError(t, err)
		results = append(results, r)
	}
	var out bytes.Buffer
	assert.Equal(t, 1, report(&out, results))
	assert.Contains(t, out.String(), "found by TestFound")
	assert.Contains(t, out.String(), "SURVIVED")
	assert.Contains(t, out.String(), "2 mutants: 1 found, 1 survived; 1 more do not compile")
	out.Reset()
	assert.Equal(t, 0, report(&out, results[:1]))
}

func TestMutantsOfCalls(t *testing.T) {
	const table = "package unit\n\nvar Rules = []Rule{\n\t{dpkg.Prerm, \"remove\", \"\", park, \"why\", \"source\"},\n\t{dpkg.Prerm, \"upgrade\", \"\", leave, \"why\", \"source\"},\n}\n"
	all, err := mutateCalls("calls.go", []byte(table))
	require.NoError(t, err)
	var got []string
	for _, m := range all {
		got = append(got, m.String())
	}
	assert.Equal(t, []string{
		`calls.go:4 dpkg.Prerm, "remove", "", : leave in the place of park`,
		`calls.go:4 dpkg.Prerm, "remove", "", : drop in the place of park`,
		`calls.go:5 dpkg.Prerm, "upgrade", "", : form in the place of leave`,
		`calls.go:5 dpkg.Prerm, "upgrade", "", : park in the place of leave`,
	}, got)
	assert.Contains(t, string(all[1].source), `"remove", "", drop, "why"`)
}

func TestEachCallHasAMutant(t *testing.T) {
	source, err := os.ReadFile("../../" + callTable)
	require.NoError(t, err)
	all, err := mutateCalls(callTable, source)
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, m := range all {
		seen[m.line] = true
	}
	assert.Len(t, seen, bytes.Count(source, []byte("{dpkg.P")))
}
