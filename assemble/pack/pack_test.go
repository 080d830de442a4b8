package pack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/assemble/pack"
	"koweld/manifest"
)

var compressions = []manifest.Compression{manifest.Gzip, manifest.XZ, manifest.Zstd}

const roomy = 64 << 20

// sample is bytes that shrink as objects do: runs, repetitions and noise.
func sample(size int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := append(make([]byte, 0, size+64), "\x7fELF"...)
	for len(b) < size {
		switch n := 1 + r.IntN(40); r.IntN(3) {
		case 0:
			b = append(b, make([]byte, n)...)
		case 1:
			for range n {
				b = append(b, byte(r.Uint32()))
			}
		default:
			from := r.IntN(len(b))
			b = append(b, b[from:min(from+n, len(b))]...)
		}
	}
	return b[:size]
}

// long is a sample that is quick to compress.
func long(size int) []byte {
	const period = 50 << 10
	return bytes.Repeat(sample(period), size/period+1)[:size]
}

func compress(t testing.TB, c manifest.Compression, data ...[]byte) []byte {
	t.Helper()
	out, err := pack.Compress(context.Background(), c, data...)
	require.NoError(t, err)
	return out
}

// program returns the path of an external judge, or skips.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIP: %s is not installed: nobody but koweld judges this", name)
	}
	return path
}

func TestInflateIsTheInverseOfCompress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(compressions).Draw(t, "compression")
		segments := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 4).Draw(t, "segments")
		repeat := rapid.IntRange(1, 400).Draw(t, "repeat")
		if len(segments) > 0 {
			segments[0] = bytes.Repeat(segments[0], repeat)
		}
		want := bytes.Join(segments, nil)

		packed, err := pack.Compress(context.Background(), c, segments...)
		require.NoError(t, err)
		got, err := pack.Inflate(packed, int64(len(want)))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got))
		assert.NoError(t, pack.Prove(context.Background(), packed, segments...))
		if len(want) > 0 {
			_, err = pack.Inflate(packed, int64(len(want)-1))
			assert.ErrorAs(t, err, new(*pack.LimitError))
		}
	})
}

func TestCompressNoneKeepsTheBytes(t *testing.T) {
	one := []byte("\x7fELF one")
	assert.Same(t, &one[0], &compress(t, manifest.None, one)[0], "a single segment is not copied")
	assert.Equal(t, "\x7fELF one two", string(compress(t, manifest.None, one, []byte(" two"))))

	got, err := pack.Inflate(one, int64(len(one)))
	require.NoError(t, err)
	assert.Same(t, &one[0], &got[0], "an ELF file is not copied")
	_, err = pack.Inflate(one, int64(len(one))-1)
	assert.ErrorAs(t, err, new(*pack.LimitError))
}

func TestCompressRefusesAnUnknownCompression(t *testing.T) {
	_, err := pack.Compress(context.Background(), "lz4", []byte("x"))
	assert.EqualError(t, err, `cannot compress by "lz4": it is not known`)
}

func TestCompressAndProveStopWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range compressions {
		packed := compress(t, c, sample(1000))
		_, err := pack.Compress(ctx, c, sample(1000))
		assert.ErrorIs(t, err, context.Canceled, c)
		assert.ErrorIs(t, pack.Prove(ctx, packed, sample(1000)), context.Canceled, c)
	}
}

func TestCompressIsDeterministic(t *testing.T) {
	data := long(300 << 10)
	for _, c := range compressions {
		first := compress(t, c, data)
		assert.True(t, bytes.Equal(first, compress(t, c, data)), c)
		assert.True(t, bytes.Equal(first, compress(t, c, data[:12345], data[12345:])), "%s: segments do not show", c)
		previous := runtime.GOMAXPROCS(1)
		assert.True(t, bytes.Equal(first, compress(t, c, data)), "%s: processors do not show", c)
		runtime.GOMAXPROCS(previous)
	}
}

// What kernel/module/decompress.c and the decoders below it ask for.
func TestCompressGivesWhatKernelsTake(t *testing.T) {
	data := long(5 << 20)

	gz := compress(t, manifest.Gzip, data)
	assert.Equal(t, byte(0), gz[3], "gzip: no optional fields")
	assert.Equal(t, make([]byte, 4), gz[4:8], "gzip: no time")

	xz := compress(t, manifest.XZ, data)
	assert.Equal(t, []byte{0, 1}, xz[6:8], "xz: CRC-32")
	assert.Equal(t, byte(0), xz[13]&3, "xz: one filter")
	assert.Equal(t, []byte{0x21, 1, 16}, xz[14:17], "xz: LZMA2 with 1 MiB")

	var h zstd.Header
	zst := compress(t, manifest.Zstd, data)
	require.NoError(t, h.Decode(zst))
	assert.True(t, h.HasFCS)
	assert.Equal(t, uint64(len(data)), h.FrameContentSize)
	assert.False(t, h.SingleSegment)
	assert.LessOrEqual(t, h.WindowSize, uint64(2<<20))
}

func TestOtherProgramsReadWhatCompressWrites(t *testing.T) {
	data := long(1200 << 10)
	tests := []struct {
		name     string
		c        manifest.Compression
		tool     string
		args     []string
		contents bool // it prints what it inflated
	}{
		{"gzip -t", manifest.Gzip, "gzip", []string{"-t"}, false},
		{"gzip -dc", manifest.Gzip, "gzip", []string{"-dc"}, true},
		{"xz -t", manifest.XZ, "xz", []string{"-t"}, false},
		{"xz -dc within 2 MiB", manifest.XZ, "xz", []string{"-dc", "-M", "3MiB"}, true},
		{"busybox xzcat, XZ Embedded", manifest.XZ, "busybox", []string{"xzcat"}, true},
		{"zstd -t", manifest.Zstd, "zstd", []string{"-t"}, false},
		{"zstd -dc within 2 MiB", manifest.Zstd, "zstd", []string{"-dc", "--memory=2MB"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := program(t, tt.tool)
			for _, size := range []int{0, 1, 4096, len(data)} {
				file := filepath.Join(t.TempDir(), "x.ko"+tt.c.Suffix())
				require.NoError(t, os.WriteFile(file, compress(t, tt.c, data[:size]), 0o600))
				cmd := exec.Command(path, append(slices.Clone(tt.args), file)...)
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				require.NoError(t, cmd.Run(), stderr.String())
				if tt.contents {
					assert.True(t, bytes.Equal(data[:size], stdout.Bytes()))
				}
			}
		})
	}
}

func TestXZListsOneBlockWithCRC32(t *testing.T) {
	path := program(t, "xz")
	file := filepath.Join(t.TempDir(), "x.xz")
	require.NoError(t, os.WriteFile(file, compress(t, manifest.XZ, long(1200<<10)), 0o600))
	out, err := exec.Command(path, "--robot", "--list", file).Output()
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^file\t1\t1\t\d+\t1228800\t[\d.]+\tCRC32\t0$`, string(out))
}

func TestInflateReadsWhatOtherProgramsWrite(t *testing.T) {
	data := long(700 << 10)
	tests := []struct {
		name string
		tool string
		args []string
	}{
		{"gzip -9 with name", "gzip", []string{"-9c"}},
		{"xz crc32", "xz", []string{"-1c", "--check=crc32", "--lzma2=preset=1,dict=1MiB"}},
		{"xz crc64", "xz", []string{"-1c"}},
		{"xz sha256", "xz", []string{"-1c", "--check=sha256"}},
		{"xz without check", "xz", []string{"-1c", "--check=none"}},
		{"xz -9, 64 MiB of dictionary", "xz", []string{"-9c"}},
		{"xz of several blocks", "xz", []string{"-1c", "-T2", "--block-size=300000"}},
		{"zstd", "zstd", []string{"-3c"}},
		{"zstd -19", "zstd", []string{"-19c"}},
		{"zstd without size or checksum", "zstd", []string{"-3c", "--no-content-size", "--no-check"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := program(t, tt.tool)
			for _, size := range []int{0, 5, len(data)} {
				file := filepath.Join(t.TempDir(), "data")
				require.NoError(t, os.WriteFile(file, data[:size], 0o600))
				packed, err := exec.Command(path, append(slices.Clone(tt.args), file)...).Output()
				require.NoError(t, err)

				got, err := pack.Inflate(packed, int64(size))
				require.NoError(t, err, "%d bytes", size)
				assert.True(t, bytes.Equal(data[:size], got))
				if size > 0 {
					_, err = pack.Inflate(packed, int64(size)-1)
					assert.ErrorAs(t, err, new(*pack.LimitError))
				}
			}
		})
	}
}

func TestInflateRefusesFiltersByName(t *testing.T) {
	path := program(t, "xz")
	file := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(file, sample(4096), 0o600))
	for filter, want := range map[string]string{
		"--x86":   "cannot inflate xz data: its filter x86 BCJ is not LZMA2",
		"--delta": "cannot inflate xz data: its filter delta is not LZMA2",
	} {
		packed, err := exec.Command(path, "-c", filter, "--lzma2", file).Output()
		require.NoError(t, err)
		_, err = pack.Inflate(packed, roomy)
		assert.EqualError(t, err, want)
	}
}

func TestInflateRefuses(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "it begins like no ELF, gzip, xz or zstd file"},
		{"text", []byte("#!/bin/sh\n"), "it begins like no ELF, gzip, xz or zstd file"},
		{"an xz bomb", dictBomb(37), "its dictionary of 1610612736 bytes is larger than 67108864"},
		{"an xz bomb of 4 GiB", dictBomb(40), "its dictionary of 4294967295 bytes is larger than 67108864"},
		{"a property that is none", dictBomb(41), "the properties of its LZMA2 filter are malformed"},
		// A frame of one empty block whose window descriptor means 2 GiB.
		{"a zstd bomb", []byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"), "its window of 2147483648 bytes is larger than 67108864"},
		{"a zstd dictionary", []byte("\x28\xb5\x2f\xfd\x21\x07\x00\x01\x00\x00"), "it needs dictionary 7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pack.Inflate(tt.data, 1<<40)
			var e *pack.DataError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.want, e.Reason)
			assert.NotEmpty(t, e.Hint())
		})
	}
}

// dictBomb is an empty xz stream whose block claims the dictionary that the
// property byte means.
func dictBomb(property byte) []byte {
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	block := sum([]byte{2, 0, 0x21, 1, property, 0, 0, 0})
	index := sum([]byte{0, 1, byte(len(block)) + 1 + 4, 0})
	footer := []byte{byte(len(index)/4 - 1), 0, 0, 0, 0, 1}
	b := append([]byte("\xfd7zXZ\x00"), sum([]byte{0, 1})...)
	b = append(b, block...)
	b = append(b, 0, 0, 0, 0) // end marker, padding
	b = append(b, 0, 0, 0, 0) // CRC-32 of nothing
	b = append(b, index...)   //
	b = append(b, sum(footer)[6:]...)
	b = append(b, footer...)
	return append(b, 'Y', 'Z')
}

func TestTheBombIsWellFormedButForItsDictionary(t *testing.T) {
	got, err := pack.Inflate(dictBomb(16), 0)
	require.NoError(t, err)
	assert.Empty(t, got)
}

func TestInflateRefusesEveryTruncation(t *testing.T) {
	for _, c := range compressions {
		packed := compress(t, c, sample(700))
		for n := range packed {
			_, err := pack.Inflate(packed[:n], roomy)
			var e *pack.DataError
			require.ErrorAs(t, err, &e, "%s cut at %d of %d", c, n, len(packed))
			assert.Error(t, pack.Prove(context.Background(), packed[:n], sample(700)))
		}
	}
}

func TestInflateRefusesWhatFollows(t *testing.T) {
	for _, c := range compressions {
		packed := compress(t, c, sample(700))
		for name, tail := range map[string][]byte{"a byte": {0}, "padding": make([]byte, 4), "another": packed} {
			_, err := pack.Inflate(slices.Concat(packed, tail), roomy)
			var e *pack.DataError
			require.ErrorAs(t, err, &e, "%s and %s", c, name)
			assert.Equal(t, "it has data behind its end", e.Reason)
		}
	}
}

func TestInflateNoticesEveryFlippedBit(t *testing.T) {
	want := sample(300)
	for _, c := range compressions {
		packed := compress(t, c, want)
		for i := range packed {
			for bit := range 8 {
				broken := slices.Clone(packed)
				broken[i] ^= 1 << bit
				got, err := pack.Inflate(broken, roomy)
				if err == nil { // gzip's XFL and OS bytes, and bits that mean nothing
					require.Equal(t, want, got, "%s: bit %d of byte %d", c, bit, i)
				}
			}
		}
	}
}

func TestInflateAllocatesWhatTheDataBearOut(t *testing.T) {
	const size = 12 << 20
	zeros := make([]byte, size)
	for _, c := range compressions {
		packed := compress(t, c, zeros)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := pack.Inflate(packed, 1<<20)
		runtime.ReadMemStats(&after)
		require.ErrorAs(t, err, new(*pack.LimitError), c)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20), "%s allocated beyond its limit", c)
	}
}

func TestProveTellsADifference(t *testing.T) {
	const size = 150_000
	data := long(size)
	packed := make(map[manifest.Compression][]byte)
	for _, c := range compressions {
		packed[c] = compress(t, c, data)
	}
	other := slices.Clone(data)
	other[140_000] ^= 1
	tests := []struct {
		name string
		want [][]byte
		err  string // behind "cannot prove FORMAT data: "; "" for none
	}{
		{"the same", [][]byte{data}, ""},
		{"the same in pieces", [][]byte{nil, data[:7], {}, data[7:100_000], data[100_000:], nil}, ""},
		{"another byte", [][]byte{other}, "they differ from the original in the"},
		{"too short", [][]byte{data, {1}}, "they end at byte 150000, the original goes on"},
		{"too long", [][]byte{data[:size-1]}, "they go on behind the original's end at byte 149999"},
		{"nothing wanted", nil, "they go on behind the original's end at byte 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for c, packed := range packed {
				err := pack.Prove(context.Background(), packed, tt.want...)
				if tt.err == "" {
					assert.NoError(t, err)
				} else {
					assert.ErrorContains(t, err, "cannot prove "+string(c)+" data: "+tt.err)
				}
			}
		})
	}
}

func TestProveLeavesTheSegmentsAlone(t *testing.T) {
	segments := [][]byte{sample(1000), sample(2000)}
	require.NoError(t, pack.Prove(context.Background(), compress(t, manifest.Zstd, segments...), segments...))
	assert.Len(t, segments[0], 1000)
	assert.Len(t, segments[1], 2000)
}

func FuzzInflate(f *testing.F) {
	for _, c := range compressions {
		f.Add(compress(f, c, sample(900)))
		f.Add(compress(f, c, nil))
	}
	f.Add(dictBomb(16))
	f.Add(dictBomb(37))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 20
		got, err := pack.Inflate(data, limit)
		if err != nil {
			var d *pack.DataError
			var l *pack.LimitError
			require.True(t, errors.As(err, &d) || errors.As(err, &l), "%T", err)
			return
		}
		require.LessOrEqual(t, len(got), limit)
		require.NoError(t, pack.Prove(context.Background(), data, got))
	})
}

func BenchmarkCompress(b *testing.B) {
	data := sample(8 << 20)
	for _, c := range compressions {
		b.Run(string(c), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				compress(b, c, data)
			}
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	data := sample(8 << 20)
	for _, c := range compressions {
		packed := compress(b, c, data)
		b.Run(string(c), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := pack.Inflate(packed, int64(len(data))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
