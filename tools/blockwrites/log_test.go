package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// request is what a test has recorded: a byte that fills a sector, or a flush.
type request struct {
	sector uint64
	flags  uint64
	fill   byte
}

// record writes a log as the kernel does, and returns its name.
func record(t *testing.T, requests ...request) string {
	t.Helper()
	le := binary.LittleEndian
	b := le.AppendUint64(nil, magic)
	b = le.AppendUint64(b, version)
	b = le.AppendUint64(b, uint64(len(requests)))
	b = le.AppendUint32(b, 512)
	sector := func() { b = append(b, make([]byte, -len(b)&511)...) }
	sector()
	for _, r := range requests {
		var sectors uint64
		if r.fill != 0 || r.flags&discard != 0 {
			sectors = 1
		}
		b = le.AppendUint64(b, r.sector)
		b = le.AppendUint64(b, sectors)
		b = le.AppendUint64(b, r.flags)
		b = le.AppendUint64(b, 0)
		sector()
		if r.fill != 0 {
			b = append(b, bytes.Repeat([]byte{r.fill}, 512)...)
		}
	}
	name := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(name, b, 0o600))
	return name
}

// disk applies to one of four sectors filled with dots and gives their first bytes.
func disk(t *testing.T, args ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(name, bytes.Repeat([]byte{'.'}, 4*512), 0o600))
	var stderr strings.Builder
	require.Equal(t, 0, run(append(append([]string{"apply"}, args...), name), nil, &stderr), stderr.String())
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	var sectors []byte
	for i := 0; i < len(data); i += 512 {
		assert.Equal(t, bytes.Repeat(data[i:i+1], 512), data[i:i+512])
		sectors = append(sectors, data[i])
	}
	return strings.ReplaceAll(string(sectors), "\x00", "0")
}

func TestApply(t *testing.T) {
	log := record(t,
		request{sector: 0, fill: 'a'},
		request{flags: flush},
		request{sector: 1, fill: 'b'},
		request{sector: 2, fill: 'c', flags: fua},
		request{flags: flush},
		request{sector: 0, flags: discard},
		request{sector: 3, fill: 'd', flags: flush}, // flushes first, then writes
	)
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing yet", []string{"-at", "0"}, "...."},
		{"before a flush, kept", []string{"-at", "4"}, "abc."},
		{"before a flush, lost but for what went through", []string{"-at", "4", "-lose"}, "a.c."},
		{"after a flush nothing is lost", []string{"-at", "5", "-lose"}, "abc."},
		{"a discard", []string{"-at", "6"}, "0bc."},
		{"a discard, lost", []string{"-at", "6", "-lose"}, "abc."},
		{"a write that flushes is not flushed by itself", []string{"-at", "7", "-lose"}, "0bc."},
		{"all", []string{"-at", "7"}, "0bcd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, disk(t, append(tt.args, log)...))
		})
	}
}

func TestSomeIsLostByLot(t *testing.T) {
	log := record(t, request{sector: 0, fill: 'a'}, request{sector: 1, fill: 'b'}, request{sector: 2, fill: 'c'}, request{sector: 3, fill: 'd'})
	found := map[string]bool{}
	for _, seed := range strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16") {
		d := disk(t, "-at", "4", "-seed", seed, log)
		assert.Equal(t, d, disk(t, "-at", "4", "-seed", seed, log), "the same lot")
		found[d] = true
	}
	assert.Greater(t, len(found), 4)
}

func TestPoints(t *testing.T) {
	log := record(t,
		request{flags: flush}, // nothing to flush
		request{sector: 0, fill: 'a'},
		request{sector: 1, fill: 'b'},
		request{flags: flush},
		request{flags: flush},
		request{sector: 2, fill: 'c'},
	)
	var out strings.Builder
	require.Equal(t, 0, run([]string{"points", log}, &out, &out))
	assert.Equal(t, "0 kept\n3 kept\n6 kept\n", out.String())
	out.Reset()
	require.Equal(t, 0, run([]string{"points", "-every", log}, &out, &out))
	assert.Equal(t, "0 kept\n1 kept\n2 kept\n3 kept\n5 kept\n6 kept\n", out.String())

	log = record(t,
		request{sector: 0, fill: 'a'},
		request{sector: 1, fill: 'b', flags: fua},
		request{flags: flush},
	)
	out.Reset()
	require.Equal(t, 0, run([]string{"points", log}, &out, &out))
	assert.Equal(t, "0 kept\n2 kept\n2 lost\n3 kept\n", out.String(), "what went through is not lost")
}

// What is lost at a flush is what was there at the one before.
func TestADiskThatHasLostItsWritesIsAnEarlierOne(t *testing.T) {
	log := record(t,
		request{sector: 0, fill: 'a'},
		request{flags: flush},
		request{sector: 0, fill: 'b'},
		request{sector: 1, fill: 'b'},
		request{flags: flush},
		request{sector: 2, fill: 'c'},
		request{flags: flush},
	)
	assert.Equal(t, disk(t, "-at", "1", log), disk(t, "-at", "4", "-lose", log))
	assert.Equal(t, disk(t, "-at", "4", log), disk(t, "-at", "6", "-lose", log))
}

func TestWhatIsNoRecordIsAnError(t *testing.T) {
	whole, err := os.ReadFile(record(t, request{sector: 0, fill: 'a'}, request{sector: 1, fill: 'b'}))
	require.NoError(t, err)
	tests := []struct {
		name string
		data []byte
	}{
		{"empty", nil},
		{"cut off", whole[:len(whole)-512]},
		{"zeros", make([]byte, 4096)},
		{"more entries than bytes", append(bytes.Clone(whole[:16]), bytes.Repeat([]byte{0xff}, 4096)...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "log")
			require.NoError(t, os.WriteFile(name, tt.data, 0o600))
			var out strings.Builder
			assert.Equal(t, 1, run([]string{"list", name}, &out, &out))
			assert.Contains(t, out.String(), "cannot read "+name)
		})
	}
}
