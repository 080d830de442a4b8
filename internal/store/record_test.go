package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/internal/store"
)

// Records of each release, as that release wrote them, must stay what they
// are when this one reads and writes them.
func TestGoldenRecords(t *testing.T) {
	names, err := filepath.Glob("testdata/record-v*.json")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			r, err := store.Decode(data)
			require.NoError(t, err)
			assert.NotEmpty(t, r.Package)
			assert.NotEmpty(t, r.Files)
			again, err := store.Encode(r)
			require.NoError(t, err)
			assert.Equal(t, string(data), string(again))
		})
	}
}

func TestGoldenRecordSaysWhatItSaid(t *testing.T) {
	data, err := os.ReadFile("testdata/record-v1.json")
	require.NoError(t, err)
	r, err := store.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, store.Pending, r.State)
	assert.Equal(t, []store.Effect{store.EffectInitramfs}, r.Pending)
	module := r.Find("/lib/modules/6.1.0-42-amd64/kernel/acme/acme.ko")
	require.NotNil(t, module)
	assert.Equal(t, store.Mode(0o644), module.Mode)
	assert.Equal(t, "link", module.Module.Engine)
	conf := r.Find("/usr/lib/modprobe.d/acme.conf")
	require.NotNil(t, conf)
	assert.Equal(t, store.Mode(0o600), conf.Original.Mode)
	assert.Equal(t, []byte("a\x00b"), conf.Original.Xattrs["user.note"])
	assert.Nil(t, r.Find("/none"))
	assert.Nil(t, (*store.Record)(nil).Find("/none"))
}

func TestGoldenRecordKnowsItsInputs(t *testing.T) {
	for name, want := range map[string]string{
		"record-v1.json":        "",
		"record-v1-inputs.json": "77aa5f3c9ab000112233445566778899aabbccddeeff00112233445566778899",
	} {
		data, err := os.ReadFile("testdata/" + name)
		require.NoError(t, err)
		r, err := store.Decode(data)
		require.NoError(t, err)
		assert.Equal(t, want, r.Inputs)
		assert.Empty(t, r.Unknown)
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct{ name, data, err string }{
		{"newer", `{"koweld": 2, "files": "other"}`, "a newer koweld wrote it"},
		{"needs", `{"koweld": 1, "needs": ["saved-dirs"]}`, "a newer koweld wrote it"},
		{"no version", `{}`, "it says version 0"},
		{"empty", ``, "unexpected end of JSON input"},
		{"cut off", `{"koweld": 1, "files": [`, "unexpected end of JSON input"},
		{"two", `{"koweld": 1}{"koweld": 1}`, "invalid character '{' after top-level value"},
		{"no record", `[]`, "cannot unmarshal array"},
		{"a mode that is none", `{"koweld": 1, "files": [{"mode": "0948"}]}`, "invalid syntax"},
		{"a mode that is too large", `{"koweld": 1, "files": [{"mode": "10000"}]}`, "value out of range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := store.Decode([]byte(tt.data))
			assert.ErrorContains(t, err, tt.err)
		})
	}
}

// A later koweld may add keys anywhere: what this one rewrites still has them.
func TestUnknownKeysAreKept(t *testing.T) {
	golden, err := os.ReadFile("testdata/record-v1.json")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		var doc any
		numbers := json.NewDecoder(bytes.NewReader(golden))
		numbers.UseNumber()
		require.NoError(t, numbers.Decode(&doc))
		added := strew(t, doc)
		data, err := json.Marshal(doc)
		require.NoError(t, err)
		r, err := store.Decode(data)
		require.NoError(t, err)
		again, err := store.Encode(r)
		require.NoError(t, err)
		require.JSONEq(t, string(data), string(again))
		if added == 0 {
			require.Equal(t, string(golden), string(again))
		}
		twice, err := store.Decode(again)
		require.NoError(t, err)
		last, err := store.Encode(twice)
		require.NoError(t, err)
		require.Equal(t, string(again), string(last), "the same record gives the same bytes")
	})
}

// strew adds keys to the objects of a document, but not to the attributes of
// a file, which are data.
func strew(t *rapid.T, v any) (added int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			added += strew(t, e)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name != "xattrs" {
				added += strew(t, v[name])
			}
		}
		key := rapid.SampledFrom([]string{"-", "x-a", "Ünknown", "<&>", "later", ""})
		value := rapid.SampledFrom([]any{nil, true, 1e300, -7.0, "<text>", []any{}, map[string]any{"deep": []any{1.0}}})
		for range rapid.IntRange(0, 3).Draw(t, "keys") {
			v[key.Draw(t, "key")] = value.Draw(t, "value")
			added++
		}
	}
	return added
}

func FuzzDecode(f *testing.F) {
	golden, err := os.ReadFile("testdata/record-v1.json")
	require.NoError(f, err)
	f.Add(golden)
	f.Add([]byte(`{"koweld":1,"files":null,"manifest":null}`))
	f.Add([]byte(`{"koweld":1,"files":[{"original":{"xattrs":{"user.a":"AA=="}}}],"later":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := store.Decode(data)
		if err != nil {
			return
		}
		once, err := store.Encode(r)
		require.NoError(t, err)
		again, err := store.Decode(once)
		require.NoError(t, err)
		twice, err := store.Encode(again)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}

// The digests are a second tool's: sha256sum writes the same bytes with -z,
// and takes them for a check once the NULs are newlines.
func TestSumsAreThoseOfSha256sum(t *testing.T) {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Skip("SKIP: the digests are not judged, sha256sum is not installed")
	}
	dir := t.TempDir()
	var r store.Record
	args := []string{"-z", "--"}
	for i, name := range []string{"plain.ko", "with space", "ümlaut", `back\slash`, "star*"} {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, fmt.Append(nil, i), 0o644))
		args = append(args, name)
	}
	want, err := exec.Command("sha256sum", args...).Output()
	require.NoError(t, err)
	for line := range strings.SplitSeq(strings.TrimSuffix(string(want), "\x00"), "\x00") {
		sum, name, _ := strings.Cut(line, "  ")
		r.Files = append(r.Files, store.File{Path: name, SHA256: sum})
	}
	got := store.EncodeSums(&r)
	assert.Equal(t, string(want), string(got))
	lines := strings.ReplaceAll(string(got), "\x00", "\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sums"), []byte(lines), 0o644))
	check := func() error {
		return exec.Command("sha256sum", "--check", "--strict", "--quiet", filepath.Join(dir, "sums")).Run()
	}
	assert.NoError(t, check())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain.ko"), []byte("tampered"), 0o644))
	assert.Error(t, check())
}

func TestParkedNames(t *testing.T) {
	long := strings.Repeat(".", 200)
	seen := map[string]bool{}
	for _, pkg := range []string{"a", "b"} {
		for _, name := range []string{"acme.ko", "acme%2eko", "acme.ko.xz", "acme", "%", long + "ko", long + "kp"} {
			got := store.ParkedName(pkg, "/lib/modules/k/"+name)
			assert.Equal(t, "/lib/modules/k", path.Dir(got))
			assert.NotContains(t, path.Base(got), ".ko", "depmod indexes it")
			assert.LessOrEqual(t, len(path.Base(got)), 255)
			assert.False(t, seen[got], "%s is the name of two files", got)
			seen[got] = true
		}
	}
}
