// Package modsig reads and writes the signatures of kernel modules.
//
// A signed module is the image, then the signature container:
//
//	image ‖ CMS ‖ trailer (12 bytes) ‖ "~Module signature appended~\n"
//
// (include/linux/module_signature.h, kernel/module_signature.c). The CMS is a
// DER SignedData (RFC 5652) over the image. What people call a detached
// signature is either that CMS alone (sign-file -d or -p, Debian's .sig) or
// the whole container (Ubuntu's and NVIDIA's .sig); [ParseDetached] takes both.
//
// The kernel is stricter than CMS in what it verifies and laxer in how it is
// encoded. This package keeps the kernel's rules (crypto/asymmetric_keys/
// pkcs7.asn1, pkcs7_parser.c, pkcs7_verify.c) and insists on DER beside them:
//
//   - content type data, and no content: the image is supplied from outside;
//   - no signed attributes (pkcs7_verify.c: "Invalid module sig (has authattrs)");
//   - issuer and serial number with version 1, subjectKeyIdentifier with 3;
//   - RSA PKCS#1 v1.5 as rsaEncryption, or ECDSA as ecdsa-with-SHA*, with keys
//     of the sizes and curves that crypto/rsa.c and crypto/ecdsa.c know;
//   - at most 65535 bytes (lib/asn1_decoder.c);
//   - unsigned attributes and embedded certificates are allowed. Nothing signs
//     them, so nothing here trusts them.
//
// Beyond the kernel, koweld wants exactly one signer, SHA-256, SHA-384 or
// SHA-512, a digestAlgorithms set that is the signer's, and no byte after the
// SignedData. A signature is thus taken here only if the kernel takes its form.
//
// Two errors matter to callers: [*FormatError] says that bytes are not what
// they should be, [*RejectedError] that they are well formed and not accepted.
//
// The package reads no files and keeps no state.
package modsig
