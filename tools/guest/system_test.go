package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func archive(t *testing.T, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		require.NoError(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size)))
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	b.Write(make([]byte, 4096)) // a disk is longer than what is on it
	return &b
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	err := unpackTar(archive(t,
		tar.Header{Name: "script", Typeflag: tar.TypeReg, Size: 7, Mode: 0o755},
		tar.Header{Name: "refused/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "refused/acme.ko", Typeflag: tar.TypeReg, Size: 5000, Mode: 0o644},
	), dir)
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(dir, "refused/acme.ko"))
	require.NoError(t, err)
	assert.Len(t, data, 5000)
}

func TestUnpackRefuses(t *testing.T) {
	tests := []struct {
		name   string
		header tar.Header
	}{
		{"a name that leads out", tar.Header{Name: "../script", Typeflag: tar.TypeReg}},
		{"an absolute name", tar.Header{Name: "/script", Typeflag: tar.TypeReg}},
		{"a link", tar.Header{Name: "script", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.ErrorContains(t, unpackTar(archive(t, tt.header), t.TempDir()), "cannot unpack "+tt.header.Name)
		})
	}
}
