package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// layer runs a shell text as a layer called "trial" and returns what was
// printed, the report and the exit code.
func layer(t *testing.T, as, skipsText, shell string) (output, report string, code int) {
	t.Helper()
	dir := t.TempDir()
	skipsFile := filepath.Join(dir, "skips")
	require.NoError(t, os.WriteFile(skipsFile, []byte(skipsText), 0o644))
	reportFile := filepath.Join(dir, "report")
	var out strings.Builder
	code = run([]string{
		"run", "-as", as, "-tier", "check", "-skips", skipsFile, "-to", reportFile,
		"trial", "sh", "-c", shell,
	}, &out, &out)
	written, err := os.ReadFile(reportFile)
	require.NoError(t, err, out.String())
	return out.String(), string(written), code
}

func TestLayerCounts(t *testing.T) {
	tests := []struct {
		name   string
		as     string
		skips  string
		shell  string
		report string // counts of the report: passed, failed, skipped
		says   []string
		code   int
	}{
		{
			name:   "nothing ran",
			as:     "gotest",
			shell:  "true",
			report: "0 1 0",
			says:   []string{"no test ran"},
			code:   1,
		},
		{
			name:   "command that fails before any test",
			as:     "tap",
			shell:  "echo broken >&2; exit 3",
			report: "0 1 0",
			says:   []string{"broken", "exit status 3"},
			code:   1,
		},
		{
			name: "a test says what it proved",
			as:   "gotest",
			shell: `printf '%s\n' '{"Action":"output","Package":"p","Test":"T","Output":"    x_test.go:7: power: 12 crash points, 0 violations\n"}'
				printf '%s\n' '{"Action":"output","Package":"p","Test":"T","Output":"    x_test.go:8: something else\n"}'
				printf '%s\n' '{"Action":"pass","Package":"p","Test":"T"}'`,
			report: "1 0 0",
			says:   []string{"proof p.T: power: 12 crash points, 0 violations\n"},
		},
		{
			name:   "tap",
			as:     "tap",
			shell:  "echo 'ok 1 - one'; echo 'some output'; echo 'ok 2 - two'; echo 1..2",
			report: "2 0 0",
			says:   []string{"some output"},
		},
		{
			name:   "tap failure without an exit code",
			as:     "tap",
			shell:  "echo 'ok 1 - one'; echo 'not ok 2 - two'",
			report: "1 1 0",
			code:   1,
		},
		{
			name:   "tap and a script that dies",
			as:     "tap",
			shell:  "echo 'ok 1 - one'; exit 1",
			report: "1 1 0",
			code:   1,
		},
		{
			name:   "tap skip with leave",
			as:     "tap",
			skips:  "check trial built_again no headers in the archive",
			shell:  "echo 'ok 1 - built again # SKIP no headers'; echo 'ok 2 - two'",
			report: "1 0 1",
			says:   []string{"skipped built again: no headers"},
		},
		{
			name:   "tap skip without leave",
			as:     "tap",
			skips:  "test trial built_again another tier\ncheck other built_again another layer",
			shell:  "echo 'ok 1 - built again # SKIP no headers'; echo 'ok 2 - two'",
			report: "1 1 1",
			says:   []string{"FAIL built again: skipped without leave"},
			code:   1,
		},
		{
			name: "go test",
			as:   "gotest",
			shell: `cat <<'END'
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestA/b"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":0.5}
{"Action":"skip","Package":"empty"}
END`,
			report: "2 0 0",
			says:   []string{"ok   p (0.5 s)"},
		},
		{
			name:  "go test with a failure and a skip",
			as:    "gotest",
			skips: "* * p.TestC/* needs root",
			shell: `cat <<'END'
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC/x","Output":"=== RUN TestC/x\n"}
{"Action":"output","Package":"p","Test":"TestC/x","Output":"    c_test.go:2: no root\n"}
{"Action":"skip","Package":"p","Test":"TestC/x"}
{"Action":"fail","Package":"p"}
END
exit 1`,
			report: "0 1 1",
			says:   []string{"FAIL p.TestB\n    b_test.go:1: wrong", "skipped p.TestC/x: c_test.go:2: no root"},
			code:   1,
		},
		{
			name: "go test that does not build",
			as:   "gotest",
			shell: `cat <<'END'
{"ImportPath":"p","Action":"build-output","Output":"p.go:1: syntax error\n"}
{"Action":"output","Package":"p","Output":"FAIL p [build failed]\n"}
{"Action":"fail","Package":"p"}
END
exit 1`,
			report: "0 1 0",
			says:   []string{"syntax error", "FAIL p [build failed]"},
			code:   1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			output, report, code := layer(t, tt.as, tt.skips, tt.shell)
			assert.Equal(t, tt.code, code, output)
			assert.True(t, strings.HasPrefix(report, tt.report+" layer trial: ran "), report)
			for _, want := range tt.says {
				assert.Contains(t, output, want)
			}
			assert.NotContains(t, output, "quiet", "the output of a test that passes is not shown")
		})
	}
}

func TestSum(t *testing.T) {
	tests := []struct {
		name   string
		report string
		last   string
		code   int
	}{
		{"all passed", "3 0 1 layer a: x\n2 0 0 layer b: y\n", "5 passed, 0 failed, 1 skipped", 0},
		{"one failed", "3 0 0 layer a: x\n2 1 0 layer b: y\n", "5 passed, 1 failed, 0 skipped", 1},
		{"nothing ran", "", "0 passed, 0 failed, 0 skipped", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report := filepath.Join(t.TempDir(), "report")
			require.NoError(t, os.WriteFile(report, []byte(tt.report), 0o644))
			var out strings.Builder
			assert.Equal(t, tt.code, run([]string{"sum", report}, &out, &out))
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			assert.Equal(t, tt.last, lines[len(lines)-1])
		})
	}
}

func TestSkipsMustGiveAReason(t *testing.T) {
	_, err := readSkips("skips", strings.NewReader("# fine\n\n* * p.TestX\n"))
	assert.ErrorContains(t, err, "skips:3: want TIER LAYER TEST REASON")
}
