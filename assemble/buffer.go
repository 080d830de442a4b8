package assemble

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Buffer returns size zeros, to hold an object or an image. It asks the kernel
// for large pages: a module of 76 MB and its objects touch 40,000 small ones for
// the first time, which takes longer than to form the module. Where the kernel
// has none (transparent_hugepage in Documentation/admin-guide/mm), that does
// nothing.
func Buffer(size int64) []byte {
	const page = 2 << 20 // bytes; of x86-64, and of arm64 with small pages of 4 KiB
	b := make([]byte, size)
	if size < 2*page {
		return b
	}
	start := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % page // to the next boundary
	length := (uintptr(size) - start) / page * page
	_ = unix.Madvise(b[start:][:length], unix.MADV_HUGEPAGE)
	return b
}
