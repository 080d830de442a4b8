package assemble_test

import (
	"encoding/binary"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble"
	"koweld/assemble/modsig"
	"koweld/assemble/pack"
)

func TestModinfoReadsTheTags(t *testing.T) {
	image := elfFile([]byte("\x00license=GPL\x00\x00alias=pci:a=b*\x00alias=of:c\x00depends=\x00name=acme"))
	got, err := assemble.Modinfo(image)
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{
		"license": {"GPL"},
		"alias":   {"pci:a=b*", "of:c"},
		"depends": {""},
		"name":    {"acme"},
	}, got)
}

func TestModinfoOfAnImageWithoutIt(t *testing.T) {
	image := elfFile(nil)
	copy(image[64:], "\x00.madinfo")
	got, err := assemble.Modinfo(image)
	require.NoError(t, err)
	assert.Empty(t, got)
}

// A module of more than 65279 sections keeps their number, and the index of
// the section of names, in the header of section 0.
func TestModinfoKnowsExtendedNumbering(t *testing.T) {
	image := elfFile([]byte("name=acme\x00"))
	le := binary.LittleEndian
	headers := int(le.Uint64(image[40:]))
	le.PutUint16(image[60:], 0)
	le.PutUint16(image[62:], 0xffff)
	le.PutUint64(image[headers+32:], 3)
	le.PutUint32(image[headers+40:], 2)
	got, err := assemble.Modinfo(image)
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{"name": {"acme"}}, got)
}

func TestModinfoRefuses(t *testing.T) {
	image := elfFile([]byte("name=acme\x00"))
	headers := int(binary.LittleEndian.Uint64(image[40:]))
	name := slices.Clone(image)
	name[headers+64+2] = 1 // the section's name lies at 64 KiB
	for want, data := range map[string][]byte{
		"cannot read .modinfo: it is truncated":                              image[:70],
		"cannot read .modinfo: it is no ELF file":                            make([]byte, 100),
		"cannot read .modinfo: a section's name is beyond the section names": name,
		`cannot read .modinfo: entry "name" has no value`:                    elfFile([]byte("name\x00")),
	} {
		_, err := assemble.Modinfo(data)
		assert.EqualError(t, err, want)
	}
}

// modinfo(8) is the judge, on the tree's own module and those of the kernels that are here.
func TestModinfoAgreesWithKmod(t *testing.T) {
	modinfo, err := exec.LookPath("modinfo")
	if err != nil {
		t.Skip("SKIP: modinfo is not installed: nobody but koweld judges this")
	}
	// One of the tree's own is always there.
	files, err := filepath.Glob("../testdata/acme/package/usr/lib/linux-objects/acme/*/plain.ko")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	_ = filepath.WalkDir("/lib/modules/", func(path string, e fs.DirEntry, err error) error {
		if len(files) == 20 {
			return fs.SkipAll
		}
		if err == nil && e.Type().IsRegular() && strings.Contains(path, ".ko") {
			files = append(files, path)
		}
		return nil
	})
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		module, err := pack.Inflate(data, 1<<30)
		require.NoError(t, err, file)
		if image, _, err := modsig.Split(module); err == nil {
			module = image
		}
		got, err := assemble.Modinfo(module)
		require.NoError(t, err, file)
		for _, tag := range []string{"vermagic", "name", "license", "depends", "alias"} {
			out, err := exec.Command(modinfo, "-0", "-F", tag, file).Output()
			require.NoError(t, err)
			var want []string
			if len(out) > 0 {
				want = strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
			}
			assert.Equal(t, want, got[tag], "%s: %s", file, tag)
		}
	}
}

func FuzzModinfo(f *testing.F) {
	f.Add(plain)
	f.Add(elfFile(nil))
	f.Add(plain[:len(plain)-64])
	big := slices.Clone(plain)
	big[5] = 2
	f.Add(big)
	f.Fuzz(func(t *testing.T, data []byte) {
		tags, err := assemble.Modinfo(data)
		if err == nil && len(tags) > 0 {
			assert.Contains(t, string(data), ".modinfo")
		}
	})
}
