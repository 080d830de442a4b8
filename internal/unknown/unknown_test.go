package unknown_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/unknown"
)

type outer struct {
	Name    string       `json:"name,omitempty"`
	Inner   []inner      `json:"inner,omitempty"`
	Unknown unknown.Keys `json:"-"`
}

type inner struct {
	N       int          `json:"n,omitempty"`
	Unknown unknown.Keys `json:"-"`
}

func (o outer) MarshalJSON() ([]byte, error) {
	type plain outer
	return unknown.Merge(plain(o), o.Unknown)
}

func (i inner) MarshalJSON() ([]byte, error) {
	type plain inner
	return unknown.Merge(plain(i), i.Unknown)
}

func TestUnknownKeysAreWrittenBack(t *testing.T) {
	for _, doc := range []string{
		`{}`, `{"name":"a"}`, `{"later":1}`, `{"name":"a","later":{"x":[1,2]}}`,
		`{"inner":[{"n":1,"m":2},{"m":3},{"n":4}],"a":null,"z":true}`,
	} {
		var o outer
		require.NoError(t, json.Unmarshal([]byte(doc), &o))
		require.NoError(t, unknown.Keep([]byte(doc), &o))
		again, err := json.Marshal(o)
		require.NoError(t, err)
		assert.Equal(t, doc, string(again))
	}
}
