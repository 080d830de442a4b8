package manifest

import (
	_ "embed"
	"slices"
)

//go:embed schema.json
var schemaJSON []byte

// SchemaJSON is the JSON schema (draft 2020-12) of manifests, for editors. It
// refuses nothing that [Parse] accepts. Parse refuses more: what depends on
// variables, on two fields or on two items. The caller owns the slice.
func SchemaJSON() []byte { return slices.Clone(schemaJSON) }
