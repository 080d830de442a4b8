package modsig_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"koweld/assemble/modsig"
)

const magicSize = 28

func TestSplitTakesWhatSignFileAppended(t *testing.T) {
	image, cms, err := modsig.Split(read(t, "rsa2048-sha256.ko"))
	require.NoError(t, err)
	assert.Equal(t, read(t, "image.ko"), image)
	assert.Equal(t, read(t, "rsa2048-sha256.p7s"), cms)
}

func TestAttachGivesWhatSignFileWrites(t *testing.T) {
	s, err := modsig.Parse(read(t, "rsa2048-sha256.p7s"))
	require.NoError(t, err)
	assert.Equal(t, read(t, "rsa2048-sha256.ko"), modsig.Attach(read(t, "image.ko"), s))
}

func TestAttachThenSplitIsIdentity(t *testing.T) {
	s, err := modsig.Parse(read(t, "p256-sha256.p7s"))
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		image := rapid.SliceOfN(rapid.Byte(), 1, 4096).Draw(t, "image")
		before := bytes.Clone(image)
		gotImage, gotCMS, err := modsig.Split(modsig.Attach(image, s))
		require.NoError(t, err)
		assert.Equal(t, before, gotImage)
		assert.Equal(t, before, image, "Attach must not write to its argument")
		assert.Equal(t, s.CMS(), gotCMS)
	})
}

func TestSplitDoesNotLetAppendReachTheSignature(t *testing.T) {
	module := read(t, "rsa2048-sha256.ko")
	before := bytes.Clone(module)
	image, _, err := modsig.Split(module)
	require.NoError(t, err)
	_ = append(image, "overwritten"...)
	assert.Equal(t, before, module)
}

func TestSplitRefusesBadContainers(t *testing.T) {
	good := read(t, "rsa2048-sha256.ko")
	trailer := len(good) - magicSize - 12
	with := func(at int, c byte) []byte {
		b := bytes.Clone(good)
		b[trailer+at] = c
		return b
	}
	size := func(be32 string) []byte {
		return append(append(bytes.Clone(good[:trailer+8]), be32...), good[trailer+12:]...)
	}
	onlyMagic := good[len(good)-magicSize:]
	tests := []struct {
		name   string
		module []byte
		offset int
		msg    string
	}{
		{"magic alone", onlyMagic, 0, "no room"},
		{"half a trailer", good[trailer+1:], 0, "no room"},
		{"trailer alone", good[trailer:], 8, "signature of 419 bytes in a file that has 0"},
		{"no image", good[trailer-419:], 0, "no image"},
		{"algo", with(0, 1), trailer, "algo"},
		{"hash", with(1, 4), trailer + 1, "hash"},
		{"id_type PGP", with(2, 0), trailer + 2, "id_type"},
		{"id_type X.509", with(2, 1), trailer + 2, "id_type"},
		{"signer_len", with(3, 1), trailer + 3, "signer_len"},
		{"key_id_len", with(4, 1), trailer + 4, "key_id_len"},
		{"first padding", with(5, 1), trailer + 5, "padding"},
		{"last padding", with(7, 255), trailer + 7, "padding"},
		{"size 0", size("\x00\x00\x00\x00"), trailer + 8, "0 bytes"},
		{"size little-endian", size("\xa3\x01\x00\x00"), trailer + 8, "in a file"},
		{"size of file", size("\x00\x00\x03\xc4"), trailer + 8, "in a file"},
		{"size 2^32-1", size("\xff\xff\xff\xff"), trailer + 8, "in a file"},
		{"size 2^31", size("\x80\x00\x00\x00"), trailer + 8, "in a file"},
		{"more than the kernel reads", append(make([]byte, 70000), size("\x00\x01\x00\x00")...), 70000 + trailer + 8, "at most 65535"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := modsig.Split(tt.module)
			var fe *modsig.FormatError
			require.ErrorAs(t, err, &fe)
			assert.EqualValues(t, tt.offset, fe.Offset)
			assert.ErrorContains(t, err, tt.msg)
			assert.Regexp(t, "^cannot read module: ", err.Error())
		})
	}
}

func TestSplitOfUnsignedIsErrUnsigned(t *testing.T) {
	signed := read(t, "rsa2048-sha256.ko")
	for name, b := range map[string][]byte{
		"empty":           nil,
		"image":           read(t, "image.ko"),
		"newline missing": signed[:len(signed)-1],
		"newline added":   append(bytes.Clone(signed), '\n'),
		"bare CMS":        read(t, "rsa2048-sha256.p7s"),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := modsig.Split(b)
			require.ErrorIs(t, err, modsig.ErrUnsigned)
			assert.False(t, modsig.HasTrailer(b))
		})
	}
}

func TestDoubleSigningIsSeen(t *testing.T) {
	once := read(t, "rsa2048-sha256.ko")
	image, _, err := modsig.Split(modsig.Attach(once, sign(t, "p256", once)))
	require.NoError(t, err)
	assert.Equal(t, once, image)
	var re *modsig.RejectedError
	require.ErrorAs(t, modsig.CheckUnsigned(image), &re)
	assert.Equal(t, modsig.AlreadySigned, re.Reason)
	assert.EqualError(t, re, "cannot accept module: it is signed already")
	assert.NoError(t, modsig.CheckUnsigned(read(t, "image.ko")))
}

func TestParseDetachedTakesBothForms(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.name, func(t *testing.T) {
			bare, err := modsig.ParseDetached(read(t, g.name+".p7s"))
			require.NoError(t, err)
			full, err := modsig.ParseDetached(bare.Container())
			require.NoError(t, err)
			assert.Equal(t, bare, full)
		})
	}
}

func TestParseDetachedRefusesAModule(t *testing.T) {
	_, err := modsig.ParseDetached(read(t, "rsa2048-sha256.ko"))
	var fe *modsig.FormatError
	require.ErrorAs(t, err, &fe)
	assert.Contains(t, fe.Hint(), "sig split")
	_, err = modsig.InspectDetached(read(t, "rsa2048-sha256.ko"))
	assert.ErrorAs(t, err, &fe)
}
