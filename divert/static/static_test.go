package static_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/divert"
	"koweld/divert/static"
)

var update = flag.Bool("update", false, "write the golden files anew")

func diversion(id, from, to string) static.Diversion {
	return static.Diversion{ID: id, Diversion: divert.Diversion{From: from, To: to, Package: "acme"}, Ship: true, Move: true, Conflict: "save"}
}

// some are diversions of each kind.
func some() []static.Diversion {
	now := diversion("halt", "/usr/sbin/halt", "/usr/sbin/halt.real")
	now.Twin, now.Since = "/sbin/halt", "2-1"
	was := diversion("old", "/sbin/halt", "/sbin/halt.real")
	was.Since, was.Until, was.Then = "1-1", "2-1", &now
	hidden := diversion("data", "/usr/share/tool/data", "/usr/share/tool/data.distrib")
	hidden.Ship, hidden.Conflict = false, "leave"
	gone := diversion("gone", "/usr/lib/gone", "/usr/lib/acme/gone")
	gone.Twin, gone.Until, gone.Conflict = "/lib/gone", "2-1", "fail"
	stays := diversion("stays", "/usr/share/stays", "/usr/share/stays.distrib")
	stays.Move = false
	return []static.Diversion{was, now, hidden, gone, stays}
}

func scripts(s static.Scripts) map[string]string {
	return map[string]string{"preinst": s.Preinst, "postinst": s.Postinst, "postrm": s.Postrm}
}

// What stands in maintainer scripts is looked at by people: so are the files in
// testdata.
func TestScripts(t *testing.T) {
	for name, text := range scripts(static.Write(some())) {
		at := filepath.Join("testdata", name)
		text = "#!/bin/sh\nset -e\n" + text
		if *update {
			require.NoError(t, os.WriteFile(at, []byte(text), 0o644))
		}
		want, err := os.ReadFile(at)
		require.NoError(t, err)
		assert.Equal(t, string(want), text)
	}
}

func TestNothingIsDivertedByNothing(t *testing.T) {
	assert.Equal(t, static.Scripts{}, static.Write(nil))
	s := static.Write([]static.Diversion{diversion("a", "/usr/share/a", "/usr/share/b")})
	assert.Empty(t, s.Postinst, "nothing is of the past")
	assert.NotContains(t, s.Preinst, "koweld_divert_after", "the file of the package replaces the other")
	assert.NotContains(t, s.Postrm, "koweld_divert_again")
}

// change are the lines that change dpkg's record.
var change = regexp.MustCompile(`(?m)^\t+dpkg-divert .*$`)

func TestEachDivertIsOneLiteralLine(t *testing.T) {
	form := regexp.MustCompile(`^\t+dpkg-divert --quiet --package acme --no-rename --divert /[a-z./-]+ --(add|remove) /[a-z./-]+$`)
	for name, text := range scripts(static.Write(some())) {
		lines := change.FindAllString(text, -1)
		assert.NotEmpty(t, lines, name)
		for _, line := range lines {
			assert.Regexp(t, form, line)
		}
		for line := range strings.Lines(text) {
			if strings.Contains(line, "dpkg-divert ") && !strings.HasPrefix(strings.TrimSpace(line), "#") && !change.MatchString(line) {
				assert.Regexp(t, `dpkg-divert --(truename|listpackage) "`, line)
			}
		}
		assert.NotContains(t, text, "#PACKAGE#")
	}
}

// What the preinst adds, the postrm removes.
func TestWhatIsAddedIsRemoved(t *testing.T) {
	s := static.Write(some())
	added := 0
	for _, line := range change.FindAllString(s.Preinst, -1) {
		if strings.Contains(line, " --add ") {
			added++
			assert.Contains(t, s.Postrm, strings.TrimSpace(strings.Replace(line, " --add ", " --remove ", 1)))
		}
	}
	assert.Equal(t, 4, added)
}

func TestShellcheck(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("SKIP: the scripts are not checked, shellcheck is not installed")
	}
	for _, all := range [][]static.Diversion{some(), some()[1:3], some()[2:3]} {
		for name, text := range scripts(static.Write(all)) {
			if text == "" {
				continue
			}
			at := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(at, []byte("#!/bin/sh\nset -e\n"+text), 0o644))
			out, err := exec.Command(shellcheck, at).CombinedOutput()
			assert.NoError(t, err, "%s", out)
		}
	}
}
