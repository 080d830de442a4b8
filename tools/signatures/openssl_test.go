package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program returns the path of a program, or skips.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIP: %s is not installed", name)
	}
	return path
}

func TestOpensslJudges(t *testing.T) {
	judge := &openssl{program(t, "openssl")}
	img := image(t, "acme")
	for _, key := range []string{"rsa2048", "p384"} {
		t.Run(key, func(t *testing.T) {
			s, cert := sign(t, key, img), certificate(t, key+".crt")
			other := append([]byte{img[0] ^ 1}, img[1:]...)
			foreign := certificate(t, "foreign.crt")

			assert.NoError(t, judge.takes(t.Context(), img, s, cert))
			assert.EqualError(t, judge.refuses(t.Context(), img, s, cert), "openssl takes it with a byte changed")
			assert.NoError(t, judge.refuses(t.Context(), other, s, cert))
			assert.EqualError(t, judge.takes(t.Context(), other, s, cert), "openssl refuses it")
			assert.EqualError(t, judge.takes(t.Context(), img, s, foreign), "openssl refuses it")
		})
	}
}

// A program that cannot judge does not thereby refuse.
func TestOpensslThatFailsIsNoJudge(t *testing.T) {
	img := image(t, "acme")
	s, cert := sign(t, "p256", img), certificate(t, "p256.crt")
	script := filepath.Join(t.TempDir(), "openssl")
	write(t, []byte("#!/bin/sh\necho out of order >&2\nexit 1\n"), script)
	require.NoError(t, exec.Command("chmod", "+x", script).Run())
	for _, path := range []string{script, "/nonexistent/openssl"} {
		judge := &openssl{path}
		assert.ErrorContains(t, judge.refuses(t.Context(), img, s, cert), "cannot ask openssl: ")
		assert.ErrorContains(t, judge.takes(t.Context(), img, s, cert), "cannot ask openssl: ")
	}
}
