package scenario

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pault.ag/go/debian/version"
)

// A release is one whose dpkg is tried: that of testdata/dpkg, or the host's.
type release struct {
	name string
	bin  string // its programs come first on PATH
}

func releases() []release {
	all := []release{{name: "host"}}
	if width() == "" {
		return all
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	for _, name := range []string{"bullseye", "bookworm", "trixie", "sid"} {
		all = append(all, release{name, filepath.Join(cache, "koweld/dpkg", name, "bin")})
	}
	return all
}

// eachRelease runs a test for the dpkg of each release.
func eachRelease(t *testing.T, test func(*testing.T, *lab, release)) {
	l := theLab(t)
	for _, r := range releases() {
		t.Run(r.name, func(t *testing.T) {
			if r.bin != "" {
				if _, err := os.Stat(r.bin); err != nil {
					t.Skipf("%v: testdata/dpkg/fetch.sh did not get it", err)
				}
			}
			test(t, l, r)
		})
	}
}

// path is PATH with the release's dpkg, and koweld as it is installed in root.
func (r release) path(root string) string {
	path := filepath.Join(root, "usr/bin")
	if r.bin != "" {
		path += ":" + r.bin
	}
	return path + ":/usr/sbin:/usr/bin:/sbin:/bin"
}

// version is what dpkg says of itself.
func (r release) version(t *testing.T) string {
	dpkg := "dpkg-query"
	if r.bin != "" {
		dpkg = filepath.Join(r.bin, dpkg)
	}
	out := output(t, dpkg, "-f", "", "--version")
	m := versionLine.FindStringSubmatch(out)
	require.NotNil(t, m, out)
	return m[1]
}

// steps are those of a scenario as they go with the release's dpkg.
func (r release) steps(t *testing.T, sc scenario) []step {
	t.Helper()
	this, err := version.Parse(r.version(t))
	require.NoError(t, err)
	that, err := version.Parse("1.23")
	require.NoError(t, err)
	steps := slices.Clone(sc.steps)
	for i, st := range steps {
		if st.newer != nil && version.Compare(this, that) >= 0 {
			steps[i].calls, steps[i].state = st.newer.calls, st.newer.state
		}
	}
	return steps
}
