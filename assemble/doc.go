// Package assemble forms the image of a kernel module, proves it, attaches its
// signature and compresses it.
//
// A [Welder] does so for one module ([Welder.Weld]) or for all of a unit
// ([Welder.All]). What always holds:
//
//   - Nothing is welded that is not proven. An image whose size or SHA-256 is
//     not the declared one, or whose signature is not by a declared signer over
//     exactly these bytes, is an error: the kernel refuses wrong bytes under a
//     trusted signature even where it takes unsigned modules (module_sig_check
//     in kernel/module/signing.c).
//   - No target is written. The bytes are handed to the caller; only the
//     linker's files are on disk, in a folder of their own that is removed.
//   - Inputs are opened once, as trusted files, and what has been checked is
//     what is used: the linker gets the descriptors, not the names.
//   - No size that a file or a manifest states is allocated before the bytes
//     at hand bear it out.
package assemble
