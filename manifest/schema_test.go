package manifest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"koweld/manifest"
)

// beyondSchema lists the bad manifests that the schema lets pass, each with
// what JSON Schema cannot say.
var beyondSchema = map[string]string{
	// An instance is what is left when YAML has been read.
	"alias.yaml":                 "aliases are resolved",
	"alias-key.yaml":             "aliases are resolved",
	"anchor.yaml":                "anchors are gone",
	"merge.yaml":                 "merge keys are merged",
	"tag.yaml":                   "tags are applied",
	"local-tag.yaml":             "tags are applied",
	"second-document.yaml":       "an instance is one document",
	"second-empty-document.yaml": "an instance is one document",
	"after-the-end.yaml":         "an instance is one document",
	"deep.yaml":                  "depth, below a key that is ignored",
	"tab-separator.yaml":         "tabs are white space",
	"version-float.yaml":         "1.0 is 1",
	"size-hex.yaml":              "numbers have no base",
	"size-underscore.yaml":       "numbers have no underscores",

	// What a koweld can do is not in the schema.
	"needs-unknown.yaml": "which features there are",

	// A variable's value is another field.
	"vars-cycle.yaml":        "variables",
	"vars-kernel-cycle.yaml": "variables",
	"vars-unknown.yaml":      "variables",
	"vars-name-outside.yaml": "variables",
	"vars-long.yaml":         "variables: the length of a value",
	"vars-unclean.yaml":      "variables: a path that one spoils",
	"kernel-long.yaml":       "variables: the length of a value",

	// Two items or two fields.
	"signers-twice.yaml":       "unique across items",
	"module-twice.yaml":        "unique across items",
	"module-twice-dash.yaml":   "unique across items",
	"link-same-name.yaml":      "unique across items",
	"file-twice.yaml":          "unique across items",
	"file-below-file.yaml":     "across items",
	"module-below-module.yaml": "across items",
	"install-other-name.yaml":  "across fields",
	"replaces-itself.yaml":     "across fields",
	"flags-z-end.yaml":         "across items: -z and its keyword",
	"flags-z-flag.yaml":        "across items: -z and its keyword",
	"flags-keyword-alone.yaml": "across items: -z and its keyword",
	"link-deep.yaml":           "depth",
	"divert-itself.yaml":       "across fields",
	"divert-onto-file.yaml":    "across items",
	"divert-time.yaml":         "across items, by versions",
	"divert-twice.yaml":        "across items",

	// Relative paths and folders.
	"recipe-input-twice-spelt.yaml": "an absolute path is a relative one",
	"inputs-twice-spelt.yaml":       "an absolute path is a relative one",
	"inputs-unread.yaml":            "across fields: what reads an input",
	"inputs-script-unread.yaml":     "across fields: what reads an input",
	"inputs-unread-many.yaml":       "across fields: what reads an input",
}

var schema = sync.OnceValues(func() (*jsonschema.Resolved, error) {
	var s jsonschema.Schema
	if err := json.Unmarshal(manifest.SchemaJSON(), &s); err != nil {
		return nil, err
	}
	return s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
})

// accepts tells whether the schema accepts a document; what cannot be made an
// instance it does not.
func accepts(t require.TestingT, data []byte) bool {
	s, err := schema()
	require.NoError(t, err)
	inst, err := instance(data)
	return err == nil && s.Validate(inst) == nil
}

// instance is the JSON value of a document, as another reader of YAML than
// the package's own has it: an editor, say.
func instance(data []byte) (any, error) {
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	text, err := json.Marshal(jsonValue(v))
	if err != nil {
		return nil, err
	}
	var inst any
	err = json.Unmarshal(text, &inst)
	return inst, err
}

// jsonValue is v with keys that are strings, and without numbers that JSON
// does not have.
func jsonValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = jsonValue(e)
		}
		return out
	case map[any]any:
		out := map[string]any{}
		for k, e := range v {
			out[fmt.Sprint(k)] = jsonValue(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, jsonValue(e))
		}
		return out
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	}
	return v
}

func TestSchemaAcceptsGoodManifests(t *testing.T) {
	s, err := schema()
	require.NoError(t, err)
	for _, doc := range corpus(t, "good") {
		t.Run(doc.name, func(t *testing.T) {
			inst, err := instance(doc.data)
			require.NoError(t, err)
			assert.NoError(t, s.Validate(inst))
		})
	}
}

func TestSchemaRefusesBadManifestsButTheListed(t *testing.T) {
	var accepted []string
	for _, doc := range corpus(t, "bad") {
		if accepts(t, doc.data) {
			accepted = append(accepted, doc.name)
		}
	}
	assert.Equal(t, slices.Sorted(maps.Keys(beyondSchema)), accepted)
}

func TestSchemaJSONIsACopy(t *testing.T) {
	manifest.SchemaJSON()[0] = 'x'
	assert.True(t, json.Valid(manifest.SchemaJSON()))
}

// spot is a place in a document where something can be put.
type spot struct {
	in  map[string]any // with key
	key string
	at  []any // with i
	i   int
}

// spots are the places of a document. Below vars a name is a variable's, and
// whether it is used is not the schema's to know.
func spots(v any) []spot {
	var all []spot
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if k != "vars" {
				all = append(all, spot{in: v, key: k})
				all = append(all, spots(v[k])...)
			}
		}
	case []any:
		for i := range v {
			all = append(all, spot{at: v, i: i})
			all = append(all, spots(v[i])...)
		}
	}
	return all
}

// other is a value of another type than v.
func other(t *rapid.T, v any) any {
	values := []any{"word", 7, 1.5, true, nil, []any{}, map[string]any{}}
	return rapid.SampledFrom(slices.DeleteFunc(values, func(o any) bool {
		return fmt.Sprintf("%T", o) == fmt.Sprintf("%T", v)
	})).Draw(t, "value")
}

// mutate changes one thing of the document.
func mutate(t *rapid.T, doc any) string {
	s := rapid.SampledFrom(spots(doc)).Draw(t, "spot")
	if s.in == nil {
		s.at[s.i] = other(t, s.at[s.i])
		return "type of an item"
	}
	switch what := rapid.SampledFrom([]string{"drop", "misspell", "type"}).Draw(t, "mutation"); what {
	case "drop":
		delete(s.in, s.key)
		return "drop " + s.key
	case "misspell":
		i := rapid.IntRange(0, len(s.key)).Draw(t, "at")
		s.in[s.key[:i]+"q"+s.key[i:]] = s.in[s.key]
		delete(s.in, s.key)
		return "misspell " + s.key
	default:
		s.in[s.key] = other(t, s.in[s.key])
		return "type of " + s.key
	}
}

// onlyUnread reports whether all that is wrong is that nothing reads an input any
// more, which is not the schema's to know.
func onlyUnread(err error) bool {
	var list manifest.ErrorList
	return errors.As(err, &list) && !slices.ContainsFunc(list, func(e *manifest.Error) bool {
		return !strings.HasPrefix(e.Msg, "nothing reads ")
	})
}

func TestSchemaAndDecoderAgreeOnMutants(t *testing.T) {
	docs := corpus(t, "good")
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var v any
		doc := rapid.SampledFrom(docs).Draw(t, "document")
		require.NoError(t, yaml.Unmarshal(doc.data, &v))
		what := mutate(t, v)
		data, err := yaml.Marshal(v)
		require.NoError(t, err)
		_, err = manifest.Parse("mutant.yaml", data, host)
		good := err == nil || onlyUnread(err)
		require.Equal(t, good, accepts(t, data), "%s: %v\n%s", what, err, data)
		if good {
			accepted++
		} else {
			refused++
		}
	})
	assert.NotZero(t, accepted, "no mutant was accepted")
	assert.NotZero(t, refused, "no mutant was refused")
}
