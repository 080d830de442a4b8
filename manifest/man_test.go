package manifest_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/manifest"
)

// manPage is koweld-manifest(5) with the escape of the hyphen undone.
func manPage(t *testing.T) string {
	page, err := os.ReadFile("../docs/man/koweld-manifest.5")
	require.NoError(t, err)
	return strings.ReplaceAll(string(page), `\-`, "-")
}

// keys are the names of all properties in a part of the schema.
func keys(v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if props, ok := e.(map[string]any); ok && k == "properties" {
				for name := range props {
					all = append(all, name)
				}
			}
			all = append(all, keys(e)...)
		}
	case []any:
		for _, e := range v {
			all = append(all, keys(e)...)
		}
	}
	return all
}

func parsedSchema(t *testing.T) map[string]any {
	var s map[string]any
	require.NoError(t, json.Unmarshal(manifest.SchemaJSON(), &s))
	return s
}

func TestManPageDescribesTheKeysOfTheSchema(t *testing.T) {
	var described []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Ic (.*)$`).FindAllStringSubmatch(manPage(t), -1) {
		described = append(described, strings.Split(m[1], " , ")...)
	}
	want := keys(parsedSchema(t))
	for _, list := range []*[]string{&described, &want} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	assert.Equal(t, want, described)
}

func TestManPageListsTheFlagsOfTheSchema(t *testing.T) {
	_, rest, found := strings.Cut(manPage(t), "These are allowed:\n.Bd -literal -offset indent\n")
	require.True(t, found)
	list, _, found := strings.Cut(rest, ".Ed")
	require.True(t, found)
	words := strings.Fields(strings.ReplaceAll(list, ",", ""))

	items := parsedSchema(t)["$defs"].(map[string]any)["flags"].(map[string]any)["items"].(map[string]any)
	var flags []string
	for _, way := range items["anyOf"].([]any) {
		if enum, ok := way.(map[string]any)["enum"].([]any); ok {
			for _, f := range enum {
				flags = append(flags, f.(string))
			}
		}
	}
	require.NotEmpty(t, flags)
	for _, f := range flags {
		_, err := manifest.Parse("m.yaml", withModule("linker: {flags: ['"+f+"']}"), host)
		assert.NoError(t, err, f)
		assert.Contains(t, words, f)
	}
	for _, w := range words {
		if strings.HasPrefix(w, "-") && !strings.Contains(w, "=") && !strings.HasPrefix(w, "-z") {
			assert.Contains(t, flags, w)
		}
	}
}

// The example of the page shows every key of the format that has a meaning.
func TestManPageExampleIsAManifest(t *testing.T) {
	_, example, found := strings.Cut(manPage(t), ".Sh EXAMPLES\n.Bd -literal\n")
	require.True(t, found)
	example, _, found = strings.Cut(example, ".Ed\n")
	require.True(t, found)

	m, err := manifest.Parse("example", []byte(example), host)
	require.NoError(t, err)
	assert.Len(t, m.Modules, 2)
	assert.Len(t, m.Files, 2)
	assert.True(t, accepts(t, []byte(example)))
	for _, key := range keys(parsedSchema(t)) {
		if !slices.Contains([]string{"needs", "quirks"}, key) {
			assert.Regexp(t, `(?m)[\s{]`+key+`:`, "\n"+example)
		}
	}
}
