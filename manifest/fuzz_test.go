package manifest_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/manifest"
)

// meaning is a manifest without its positions and the document's name and
// digest: what two documents of one meaning share.
func meaning(m *manifest.Manifest) manifest.Manifest {
	out := *m
	out.File, out.SHA256 = "", ""
	out.Signers = each(out.Signers, func(s *manifest.Signer) { s.Pos = manifest.Pos{} })
	out.Files = each(out.Files, func(f *manifest.File) { f.Pos = manifest.Pos{} })
	out.Diverts = each(out.Diverts, func(d *manifest.Divert) { d.Pos = manifest.Pos{} })
	out.Modules = each(out.Modules, func(m *manifest.Module) {
		m.Pos = manifest.Pos{}
		m.Form = each(m.Form, func(f *manifest.Form) {
			f.Pos = manifest.Pos{}
			f.Link = inputsMeaning(f.Link)
		})
	})
	if len(out.Inputs) > 0 {
		out.Inputs = maps.Clone(out.Inputs)
	}
	for name, c := range out.Inputs {
		c.Pos = manifest.Pos{}
		out.Inputs[name] = c
	}
	if out.Linker != nil {
		l := *out.Linker
		l.Pos = manifest.Pos{}
		out.Linker = &l
	}
	return out
}

func inputsMeaning(in []manifest.Input) []manifest.Input {
	return each(in, func(i *manifest.Input) {
		i.Pos = manifest.Pos{}
		i.Objects = inputsMeaning(i.Objects)
	})
}

// each is a copy of all with f applied to each element.
func each[T any](all []T, f func(*T)) []T {
	var out []T
	for _, e := range all {
		f(&e)
		out = append(out, e)
	}
	return out
}

func FuzzParse(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		for _, doc := range corpus(f, folder) {
			f.Add(doc.data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := manifest.Parse("fuzz.yaml", data, host)
		if err != nil {
			wellFormed(t, err)
			return
		}
		full, err := m.Expand()
		require.NoError(t, err)
		again, err := manifest.Parse("full.yaml", full, manifest.Vars{})
		require.NoError(t, err, "%s", full)
		assert.Equal(t, meaning(m), meaning(again))
		if _, err := instance(data); err == nil {
			assert.True(t, accepts(t, data), "the schema refuses what Parse accepts")
		}
	})
}

// wellFormed checks what holds for each error of Parse.
func wellFormed(t *testing.T, err error) {
	var needs *manifest.NeedsError
	if errors.As(err, &needs) {
		assert.Equal(t, "fuzz.yaml", needs.File)
		assert.NotEmpty(t, needs.Feature)
		return
	}
	var list manifest.ErrorList
	require.ErrorAs(t, err, &list)
	require.NotEmpty(t, list)
	last := manifest.Pos{Line: 1, Column: 1}
	for _, e := range list {
		assert.Equal(t, "fuzz.yaml", e.File)
		assert.NotEmpty(t, e.Msg)
		assert.False(t, e.Pos.Line < last.Line || e.Pos.Line == last.Line && e.Pos.Column < last.Column, "%v after %v", e.Pos, last)
		last = e.Pos
	}
}
