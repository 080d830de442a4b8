package quirks_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"koweld/quirks"
)

const manPath = "../docs/man/koweld-quirk.5"

// manPage is koweld-quirk(5) with the escape of the hyphen undone.
func manPage(t *testing.T) string {
	page, err := os.ReadFile(manPath)
	require.NoError(t, err)
	return strings.ReplaceAll(string(page), `\-`, "-")
}

// keysOf are the keys of a document, those of vars left out.
func keysOf(n *yaml.Node) []string {
	var all []string
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if strings.HasPrefix(c.Value, "x-") {
				continue
			}
			all = append(all, c.Value)
			if c.Value == "vars" {
				return append(all, keysOf(&yaml.Node{Kind: yaml.MappingNode, Content: n.Content[i+2:]})...)
			}
			continue
		}
		all = append(all, keysOf(c)...)
	}
	return all
}

// Each key that the corpus uses is described, and no other. The corpus has each
// key of the format, as its first line says.
func TestManPageDescribesTheKeys(t *testing.T) {
	var used []string
	for _, src := range slices.Concat(corpus(t, "good"), shipped(t)) {
		var n yaml.Node
		require.NoError(t, yaml.Unmarshal(src.Data, &n))
		used = append(used, keysOf(&n)...)
	}
	var described []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Ic (.*)$`).FindAllStringSubmatch(manPage(t), -1) {
		described = append(described, strings.Split(m[1], " , ")...)
	}
	for _, all := range []*[]string{&used, &described} {
		slices.Sort(*all)
		*all = slices.Compact(*all)
	}
	assert.Equal(t, used, described)
}

func TestManPageHasTheWords(t *testing.T) {
	page := manPage(t)
	words := slices.Concat(quirks.Layouts, quirks.TopLayouts, quirks.Statuses, quirks.Kinds, quirks.Relations, quirks.Views, quirks.Levels)
	for _, s := range quirks.Stages {
		words = append(words, string(s))
	}
	for _, w := range words {
		if w == "converting" {
			continue // everything waits, whatever a condition says
		}
		assert.Regexp(t, `Ql `+regexp.QuoteMeta(w)+`\b`, page)
	}
}

func TestManPageExampleIsAQuirk(t *testing.T) {
	_, example, found := strings.Cut(manPage(t), ".Sh EXAMPLES\n.Bd -literal\n")
	require.True(t, found)
	example, _, found = strings.Cut(example, ".Ed\n")
	require.True(t, found)
	all, err := quirks.Parse(quirks.Source{File: "example", Data: []byte(example)}, host)
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestManPageIsWellFormed(t *testing.T) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("mandoc is not installed")
	}
	out, err := exec.Command(mandoc, "-T", "lint", "-W", "warning", manPath).CombinedOutput()
	assert.NoError(t, err, "%s", out)
}
