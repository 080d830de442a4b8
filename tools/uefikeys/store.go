package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// A store of variables is that of EDK II for authenticated ones
// (MdeModulePkg/Include/Guid/VariableFormat.h): a header, then records, each at
// a multiple of four, and ff behind the last. The firmware only ever adds
// records, and marks older ones as deleted by clearing a bit.
const (
	storeHeaderSize  = 28
	recordHeaderSize = 60

	recordMagic   = 0x55aa
	stateAdded    = 0x3f
	deletedBit    = 0x02 // of the state; zero says deleted
	sizeOffset    = 16   // of the store's size in its header
	nameSizeAt    = 36
	dataSizeAt    = 40
	vendorAt      = 44
	attributesAt  = 4
	nonVolatile   = 1
	bootService   = 2
	runtimeAccess = 4
)

// guid is a GUID as it lies in memory: the first three fields little endian.
type guid [16]byte

var (
	authenticatedStore = guid{0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92} // aaf32c78-947b-439a-a180-2e144ec37792
	imageSecurity      = guid{0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f} // d719b2cb-3d3a-4596-a3bc-dad00e67656f
	shim               = guid{0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23} // 605dab50-e046-4300-abb6-3dd810dd8b23
	certX509           = guid{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72} // a5c059a1-94e4-4aa7-87b5-ab155c2bf072
)

// variable names one; create says that it may be missing.
type variable struct {
	name   string
	vendor guid
	create bool
}

var (
	securityDatabase = variable{name: "db", vendor: imageSecurity}
	mokList          = variable{name: "MokListRT", vendor: shim, create: true}
)

// signatureList is an EFI_SIGNATURE_LIST of one certificate (UEFI 32.4.1).
func signatureList(der []byte) []byte {
	b := append([]byte(nil), certX509[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(28+16+len(der)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(16+len(der)))
	b = append(b, shim[:]...) // the owner, whom nobody reads
	return append(b, der...)
}

// appendTo makes data the end of a variable, in the image of the flash.
func appendTo(image []byte, v variable, data []byte) error {
	start := bytes.Index(image, authenticatedStore[:])
	if start < 0 || start+storeHeaderSize > len(image) {
		return errors.New("there is no store of authenticated variables")
	}
	size := int(binary.LittleEndian.Uint32(image[start+sizeOffset:]))
	if size < storeHeaderSize || size > len(image)-start {
		return errors.New("its size is wrong")
	}
	store := image[start : start+size]
	name := encodeName(v.name)

	at, old := storeHeaderSize, -1
	for at+recordHeaderSize <= len(store) && binary.LittleEndian.Uint16(store[at:]) == recordMagic {
		record := store[at:]
		length := uint64(recordHeaderSize) + uint64(binary.LittleEndian.Uint32(record[nameSizeAt:])) + uint64(binary.LittleEndian.Uint32(record[dataSizeAt:]))
		if length > uint64(len(record)) {
			return errors.New("a record leads out of it")
		}
		if record[2] == stateAdded && bytes.Equal(record[vendorAt:recordHeaderSize], v.vendor[:]) &&
			bytes.HasPrefix(record[recordHeaderSize:length], name) {
			old = at
		}
		at += (int(length) + 3) &^ 3
	}
	if old < 0 && !v.create {
		return errors.New("there is none: are these the variables of a machine with Secure Boot?")
	}

	header := make([]byte, recordHeaderSize)
	binary.LittleEndian.PutUint16(header, recordMagic)
	header[2] = stateAdded
	binary.LittleEndian.PutUint32(header[attributesAt:], nonVolatile|bootService|runtimeAccess)
	copy(header[vendorAt:], v.vendor[:])
	if old >= 0 {
		// Attributes, time and key stay what they were.
		copy(header, store[old:old+recordHeaderSize])
		begin := old + recordHeaderSize + len(name)
		end := begin + int(binary.LittleEndian.Uint32(header[dataSizeAt:]))
		data = append(bytes.Clone(store[begin:end]), data...)
	}
	binary.LittleEndian.PutUint32(header[nameSizeAt:], uint32(len(name)))
	binary.LittleEndian.PutUint32(header[dataSizeAt:], uint32(len(data)))
	record := append(append(header, name...), data...)
	if at+len(record) > len(store) {
		return errors.New("it is full")
	}
	if !allErased(store[at : at+len(record)]) {
		return errors.New("it does not end where its records do")
	}
	if old >= 0 {
		store[old+2] &^= deletedBit
	}
	copy(store[at:], record)
	return nil
}

func allErased(b []byte) bool {
	for _, c := range b {
		if c != 0xff {
			return false
		}
	}
	return true
}

// encodeName is UCS-2 with its final zero.
func encodeName(name string) []byte {
	var b []byte
	for _, c := range append(utf16.Encode([]rune(name)), 0) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}
