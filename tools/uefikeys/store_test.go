package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// flash is an image with a store of some size between other bytes, with one
// variable, db, whose value is the word "first".
func flash(size int) []byte {
	le := binary.LittleEndian
	store := append([]byte(nil), authenticatedStore[:]...)
	store = le.AppendUint32(store, uint32(size))
	store = append(store, make([]byte, storeHeaderSize-len(store))...)
	record := make([]byte, recordHeaderSize)
	le.PutUint16(record, recordMagic)
	record[2] = stateAdded
	le.PutUint32(record[attributesAt:], 0x27)
	le.PutUint32(record[nameSizeAt:], 6)
	le.PutUint32(record[dataSizeAt:], 5)
	copy(record[vendorAt:], imageSecurity[:])
	record = append(record, "d\x00b\x00\x00\x00first\xff"...)
	store = append(store, record...)
	for len(store) < size {
		store = append(store, 0xff)
	}
	return append(append(make([]byte, 72), store...), make([]byte, 100)...)
}

// value is that of a variable, as firmware finds it.
func value(t *testing.T, image []byte, name string, vendor guid) (string, uint32) {
	t.Helper()
	at := 72 + storeHeaderSize
	found, attributes, n := "", uint32(0), 0
	for binary.LittleEndian.Uint16(image[at:]) == recordMagic {
		nameSize := int(binary.LittleEndian.Uint32(image[at+nameSizeAt:]))
		dataSize := int(binary.LittleEndian.Uint32(image[at+dataSizeAt:]))
		begin := at + recordHeaderSize
		if image[at+2] == stateAdded && string(image[begin:begin+nameSize]) == string(encodeName(name)) && guid(image[at+vendorAt:begin]) == vendor {
			found, attributes = string(image[begin+nameSize:begin+nameSize+dataSize]), binary.LittleEndian.Uint32(image[at+attributesAt:])
			n++
		}
		at = (begin+nameSize+dataSize-72+3)&^3 + 72
	}
	require.LessOrEqual(t, n, 1, "two of one name")
	return found, attributes
}

func TestVariablesGrow(t *testing.T) {
	image := flash(4096)
	require.NoError(t, appendTo(image, securityDatabase, []byte("+second")))
	require.NoError(t, appendTo(image, mokList, []byte("mine")))
	require.NoError(t, appendTo(image, securityDatabase, []byte("+third")))
	require.NoError(t, appendTo(image, mokList, []byte("+yours")))
	db, attributes := value(t, image, "db", imageSecurity)
	assert.Equal(t, "first+second+third", db)
	assert.EqualValues(t, 0x27, attributes, "those of before")
	mok, attributes := value(t, image, "MokListRT", shim)
	assert.Equal(t, "mine+yours", mok)
	assert.EqualValues(t, 7, attributes)
}

func TestStoresThatAreRefused(t *testing.T) {
	full := flash(storeHeaderSize + recordHeaderSize + 64)
	dirty := flash(4096)
	dirty[72+storeHeaderSize+recordHeaderSize+80] = 0
	torn := flash(4096)
	binary.LittleEndian.PutUint32(torn[72+storeHeaderSize+dataSizeAt:], 1<<31)
	long := flash(4096)
	binary.LittleEndian.PutUint32(long[72+sizeOffset:], 1<<30)
	tests := []struct {
		name  string
		image []byte
		text  string
	}{
		{"none", make([]byte, 100), "there is no store"},
		{"full", full, "it is full"},
		{"not erased", dirty, "does not end where"},
		{"torn", torn, "leads out of it"},
		{"too long", long, "size is wrong"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.ErrorContains(t, appendTo(tt.image, mokList, []byte("mine")), tt.text)
		})
	}
	without := flash(4096)
	without[72+storeHeaderSize+2] &^= deletedBit
	assert.ErrorContains(t, appendTo(without, securityDatabase, []byte("x")), "Secure Boot")
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	require.NoError(t, err)
	asPEM, asDER, in, out := filepath.Join(dir, "pem"), filepath.Join(dir, "der"), filepath.Join(dir, "in"), filepath.Join(dir, "out")
	require.NoError(t, os.WriteFile(asPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(asDER, der, 0o600))
	require.NoError(t, os.WriteFile(in, flash(8192), 0o600))
	var stderr strings.Builder
	require.Equal(t, 0, run([]string{"-in", in, "-out", out, "-db", asPEM, "-mok", asDER, "-mok", asPEM}, &stderr), stderr.String())
	image, err := os.ReadFile(out)
	require.NoError(t, err)
	list := string(signatureList(der))
	db, _ := value(t, image, "db", imageSecurity)
	assert.Equal(t, "first"+list, db)
	mok, _ := value(t, image, "MokListRT", shim)
	assert.Equal(t, list+list, mok)

	assert.Equal(t, 1, run([]string{"-in", in, "-out", out, "-db", in}, &stderr))
	assert.Contains(t, stderr.String(), "it is no certificate")
	assert.Equal(t, 64, run(nil, &stderr))
}
