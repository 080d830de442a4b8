package divert_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/divert"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, data string
		want       []divert.Diversion
		fault      string // line and reason
	}{
		{"nothing", "", nil, ""},
		{"a package's and a local one", "/bin/sh\n/bin/sh.distrib\ndash\n/a\n/b\n:\n", []divert.Diversion{
			{From: "/bin/sh", To: "/bin/sh.distrib", Package: "dash"}, {From: "/a", To: "/b"},
		}, ""},
		{"names as dpkg takes them", "//a\n/./b\n:\n", []divert.Diversion{{From: "/a", To: "/b"}}, ""},
		{"an odd spelling stays", "/d//a\n/d/../b\n:\n", []divert.Diversion{{From: "/d//a", To: "/d/../b"}}, ""},
		{"a name of the greatest length", "/" + strings.Repeat("a", 1021) + "\n/b\n:\n", []divert.Diversion{{From: "/" + strings.Repeat("a", 1021), To: "/b"}}, ""},
		{"a longer one", "/" + strings.Repeat("a", 1022) + "\n/b\n:\n", nil, "1: a line of 1023 bytes, more than dpkg reads"},
		{"ends after a name", "/a\n/b\n:\n/c\n", nil, "5: the file ends within a diversion"},
		{"ends after two names", "/a\n/b\n", nil, "3: the file ends within a diversion"},
		{"no last newline", "/a\n/b\n:", nil, "3: the last line does not end"},
		{"zeros", "\x00\x00\x00", nil, "1: a zero byte, as a power cut leaves them"},
		{"zeros later", "/a\n/b\n:\n/c\x00\n/d\n:\n", nil, "4: a zero byte, as a power cut leaves them"},
		{"an empty name", "/a\n\n:\n", nil, "2: an empty line"},
		{"an empty holder", "/a\n/b\n\n", nil, "3: an empty line"},
		{"a relative name", "/a\nb\n:\n", nil, `2: "b" is not absolute`},
		{"onto itself", "/a\n/a\n:\n", nil, "2: /a is in a diversion already"},
		{"diverted twice", "/a\n/b\n:\n/a\n/c\nx\n", nil, "4: /a is in a diversion already"},
		{"a chain", "/a\n/b\n:\n/b\n/c\n:\n", nil, "4: /b is in a diversion already"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := divert.Parse("/d", []byte(tt.data))
			if tt.fault == "" {
				require.NoError(t, err)
				assert.Equal(t, tt.want, got)
				return
			}
			assert.EqualError(t, err, "cannot trust the diversions of dpkg: /d:"+tt.fault)
			var fault *divert.FormatError
			require.ErrorAs(t, err, &fault)
			assert.Contains(t, fault.Hint(), "/d-old")
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("/bin/sh\n/bin/sh.distrib\ndash\n/usr/share/man/man1/sh.1.gz\n/usr/share/man/man1/sh.distrib.1.gz\ndash\n"))
	f.Add([]byte("/lib32\n/.lib32.usr-is-merged\nbase-files\n"))
	f.Add([]byte("/a\n/b\n:\n/c"))
	f.Add([]byte("//./a\n/b\n:\n"))
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := divert.Parse("/d", data)
		if err != nil {
			var fault *divert.FormatError
			require.True(t, errors.As(err, &fault), "%v", err)
			require.Positive(t, fault.Line)
			return
		}
		// What was read says the same again.
		again, err := divert.Parse("/d", encode(all))
		require.NoError(t, err)
		require.Equal(t, all, again)
	})
}

func TestParseReadsWhatDpkgWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`/[a-zA-Z0-9._:+ü\[ -]{1,20}(/[a-z]{1,5}){0,3}`), 2, 20, rapid.ID[string]).Draw(t, "names")
		var all []divert.Diversion
		for i := 0; i+1 < len(names); i += 2 {
			if strings.HasPrefix(names[i], "/./") || strings.HasPrefix(names[i+1], "/./") {
				t.Skip("a name that dpkg shortens")
			}
			all = append(all, divert.Diversion{From: names[i], To: names[i+1], Package: rapid.StringMatching(`([a-z][a-z0-9+.-]{1,9})?`).Draw(t, "holder")})
		}
		got, err := divert.Parse("/d", encode(all))
		require.NoError(t, err)
		require.Equal(t, all, got)
	})
}
