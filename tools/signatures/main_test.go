package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/modsig"
	"koweld/tools/tap"
)

// signatures runs the command on a kernel, without openssl.
func signatures(t *testing.T, dir string, args ...string) (output string, code int) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), append(append([]string{"-openssl", "0"}, args...), dir), &out, &errs)
	assert.Empty(t, errs.String())
	return out.String(), code
}

func TestGoodKernelsPass(t *testing.T) {
	for _, tt := range []struct{ key, keyName string }{
		{"rsa2048", "RSA-2048"},
		{"p384", "P-384"},
	} {
		t.Run(tt.key, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "1.0-test")
			writeKernel(t, dir, tt.key)
			out, code := signatures(t, dir)
			assert.Equal(t, 0, code)
			for _, line := range []string{
				"ok 1 - 1.0-test: 3 of 3 modules verify with a certificate out of vmlinuz",
				"ok 2 - 1.0-test: 3 of 3 modules are refused with one byte of the image changed",
				"ok 3 - 1.0-test: 3 of 3 modules are refused with one byte of the signature changed",
				"ok 4 - 1.0-test: 3 of 3 modules are the unsigned module and the signature",
				"ok 5 - 1.0-test: 3 of 3 modules have the signature that the vendor's signer sent",
				"1..5",
				"5 passed, 0 failed, 0 skipped",
			} {
				assert.Contains(t, out, line+"\n")
			}
			assert.Regexp(t, `(?m)^ *1\.0-test +`+tt.keyName+` +3 +3 +3 +3 +3 +3 +- +[0-9.]+$`, out)
		})
	}
}

func TestTheSampleIsSmallerAndTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "k")
	writeKernel(t, dir, "p256")
	out, code := signatures(t, dir, "--sample", "2")
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "ok 1 - k: 2 of 2 modules verify")

	modules, err := readTree(filepath.Join(dir, "signed"), ".ko", ".ko.xz")
	require.NoError(t, err)
	order := modules.shuffled()
	assert.ElementsMatch(t, []string{
		modulesDir + "/acme", modulesDir + "/fs/drill", modulesDir + "/net/probe",
	}, order)
	delete(modules, order[2])
	assert.Equal(t, order[:2], modules.shuffled())
}

func TestWithoutPartsThereAreNoPairs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "k")
	writeKernel(t, dir, "rsa2048")
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "unsigned")))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "detached")))
	out, code := signatures(t, dir)
	assert.Equal(t, 0, code)
	assert.NotContains(t, out, "unsigned")
	assert.Regexp(t, `(?m)^ *k +RSA-2048 +3 +- +- +3 +3 +3 +- +[0-9.]+$`, out)
	assert.Contains(t, out, "\n3 passed, 0 failed, 0 skipped\n")
}

// probe is the module of a test kernel that is broken in what follows.
const probe = modulesDir + "/net/probe.ko"

func TestWhatIsWrongIsSeen(t *testing.T) {
	tests := []struct {
		name string
		harm func(t *testing.T, dir string)
		want []string // of the output; "not ok" is in no other line
	}{
		{"a byte of a module", func(t *testing.T, dir string) {
			b := modsig.Attach(image(t, "net/probe"), sign(t, "rsa2048", image(t, "net/probe")))
			b[100] ^= 0x40
			write(t, b, dir, "signed", probe)
		}, []string{"not ok 1 - k: 2 of 3 modules verify", "signature is over other bytes"}},
		{"another signer", func(t *testing.T, dir string) {
			write(t, modsig.Attach(image(t, "net/probe"), sign(t, "p384", image(t, "net/probe"))), dir, "signed", probe)
		}, []string{"not ok 1 - k: 2 of 3 modules verify", "the signer is none of the certificates given"}},
		{"no signature", func(t *testing.T, dir string) {
			write(t, image(t, "net/probe"), dir, "signed", probe)
		}, []string{"not ok 1 - k: 2 of 3 modules verify", "net/probe: cannot accept module: it is not signed"}},
		{"not a module", func(t *testing.T, dir string) {
			write(t, []byte("text"), dir, "signed", probe)
		}, []string{"not ok 1 - k: 2 of 3 modules verify"}},
		{"another twin", func(t *testing.T, dir string) {
			write(t, image(t, "net/prober"), dir, "unsigned", probe)
		}, []string{"not ok 4 - k: 2 of 3 modules are the unsigned", "net/probe: the unsigned module with the signature is not the signed one"}},
		{"a signed twin", func(t *testing.T, dir string) {
			write(t, modsig.Attach(image(t, "net/probe"), sign(t, "rsa2048", image(t, "net/probe"))), dir, "unsigned", probe)
		}, []string{"not ok 4 - k: 2 of 3 modules are the unsigned", "it is signed already"}},
		{"no twin", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "unsigned", probe)))
		}, []string{"not ok 4 - k: 2 of 3 modules are the unsigned", "net/probe: it has no unsigned twin"}},
		{"a twin alone", func(t *testing.T, dir string) {
			write(t, image(t, "more"), dir, "unsigned", modulesDir, "more.ko")
		}, []string{"not ok 4 - k: 3 of 3 modules are the unsigned", "/more: it has no signed twin"}},
		{"no twins", func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "unsigned", "lib")))
		}, []string{"not ok 4 - k: 0 of 3 modules are the unsigned"}},
		{"another detached signature", func(t *testing.T, dir string) {
			write(t, sign(t, "rsa2048", image(t, "acme")).CMS(), dir, "detached", probe+".sig")
		}, []string{"not ok 5 - k: 2 of 3 modules have the signature", "net/probe: the detached signature is not the attached one"}},
		{"no detached signature", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "detached", probe+".sig")))
		}, []string{"not ok 5 - k: 2 of 3 modules have the signature", "net/probe: there is no detached signature"}},
		{"a detached signature alone", func(t *testing.T, dir string) {
			write(t, nil, dir, "detached", modulesDir, "more.ko.sig")
		}, []string{"not ok 5 - k: 3 of 3 modules have the signature", "/more: there is no such module"}},
		{"a module twice", func(t *testing.T, dir string) {
			write(t, nil, dir, "signed", probe+".xz")
		}, []string{"not ok 1 - ", "cannot tell which is lib/modules/1.0-test/kernel/net/probe: "}},
		{"no modules", func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "signed/lib")))
		}, []string{"not ok 1 - ", "cannot find a module in "}},
		{"no vmlinuz", func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "signed/boot")))
		}, []string{"not ok 1 - ", "cannot tell which is the vmlinuz in ", "there are 0"}},
		{"two of vmlinuz", func(t *testing.T, dir string) {
			write(t, nil, dir, "signed/usr/lib/modules/1.0-test/vmlinuz")
		}, []string{"not ok 1 - ", "there are 2"}},
		{"another vmlinuz", func(t *testing.T, dir string) {
			vmlinux := certificate(t, "p384.crt").Raw
			write(t, bzImage(packZstd(t, vmlinux), len(vmlinux)), dir, "signed/boot/vmlinuz-1.0-test")
		}, []string{"not ok 1 - k: 0 of 3 modules verify"}},
		{"no certificate in vmlinuz", func(t *testing.T, dir string) {
			write(t, bzImage(packZstd(t, []byte("x")), 1), dir, "signed/boot/vmlinuz-1.0-test")
		}, []string{"not ok 1 - ", "cannot take the certificates out of ", "there is no certificate in it"}},
	}
	lines := regexp.MustCompile(`(?m)^not ok .*$`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "k")
			writeKernel(t, dir, "rsa2048")
			tt.harm(t, dir)
			out, code := signatures(t, dir)
			assert.Equal(t, 1, code)
			assert.Len(t, lines.FindAllString(out, -1), 1, out)
			for _, want := range tt.want {
				assert.Contains(t, out, want)
			}
			assert.Contains(t, out, " passed, 1 failed, 0 skipped\n")
		})
	}
}

// A judge that takes everything must not pass as one that refuses.
func TestRefusalsAreOfTheRightKind(t *testing.T) {
	good := modsig.Attach(image(t, "acme"), sign(t, "p256", image(t, "acme")))
	k := &kernel{certs: certificates(t, "p256.crt")}
	tests := []struct {
		name       string
		at         int // byte that is changed
		otherBytes bool
		want       string // "": refused as it should be
	}{
		{"nothing is changed", -1, true, "it is accepted with byte"},
		{"the image", 100, true, ""},
		{"the image, whatever the reason", 100, false, ""},
		{"the magic", len(good) - 2, false, ""},
		{"the magic is not the image", len(good) - 2, true, "the reason is wrong: cannot accept module: it is not signed"},
		{"the length of the CMS", len(good) - 30, false, ""},
		{"the length of the CMS is not the image", len(good) - 30, true, "the reason is wrong"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := bytes.Clone(good)
			if tt.at >= 0 {
				b[tt.at] ^= 1
			}
			err := k.refused(b, max(tt.at, 0), tt.otherBytes)
			if tt.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, tt.want)
			}
		})
	}
}

func TestFailuresAreNotPrintedWithoutEnd(t *testing.T) {
	var out strings.Builder
	r := &report{kernel: "k", modules: 12}
	for range 12 {
		r.add("m", outcome{claims: map[claim]error{verified: assert.AnError}})
	}
	r.tap(tap.New(&out))
	assert.Equal(t, mostShown, strings.Count(out.String(), "m: "+assert.AnError.Error()))
	assert.Contains(t, out.String(), "#   and 2 more\n")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"-sample", "-1", "x"}, {"-openssl", "-1", "x"}, {"-unknown", "x"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			var out, errs strings.Builder
			assert.Equal(t, 64, run(t.Context(), args, &out, &errs))
			assert.Empty(t, out.String())
			assert.NotEmpty(t, errs.String())
		})
	}
}
