#!/bin/sh
# Makes the files of this folder anew. See README.md.
#
#	./make.sh [SIGN-FILE]
#
# needs openssl 3, as (binutils), and the kernel's scripts/sign-file built with
# OpenSSL's CMS (Debian: linux-kbuild-6.1).
set -eu
cd "$(dirname "$0")"
sign_file=${1:-/usr/lib/linux-kbuild-6.1/scripts/sign-file}
export LC_ALL=C

printf '\t.section .modinfo,"a"\n\t.asciz "license=GPL"\n' | as -o image.ko -

certificate() { # NAME KEY-OPTIONS...
	name=$1
	shift
	openssl req -x509 -nodes -sha256 -days 36500 -batch -subj "/O=koweld/CN=test $name" \
		-keyout "$name.key" -out "$name.crt" "$@" 2>/dev/null
}
certificate rsa2048 -newkey rsa:2048
certificate p256 -newkey ec -pkeyopt ec_paramgen_curve:P-256
certificate p384 -newkey ec -pkeyopt ec_paramgen_curve:P-384
certificate p521 -newkey ec -pkeyopt ec_paramgen_curve:P-521
certificate foreign -newkey ec -pkeyopt ec_paramgen_curve:P-256
certificate nokeyid -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
	-config /dev/null -addext basicConstraints=critical,CA:FALSE -addext subjectKeyIdentifier=none
rm -f foreign.key
chmod 644 *.key

signed() { # KEY HASH
	"$sign_file" -d "$2" "$1.key" "$1.crt" image.ko && mv image.ko.p7s "$1-$2.p7s"
	"$sign_file" -d -k "$2" "$1.key" "$1.crt" image.ko && mv image.ko.p7s "$1-$2-keyid.p7s"
}
signed rsa2048 sha256
signed rsa2048 sha384
signed rsa2048 sha512
signed p256 sha256
signed p384 sha384
signed p521 sha512
"$sign_file" sha256 rsa2048.key rsa2048.crt image.ko rsa2048-sha256.ko

cms() { # OUTPUT OPTIONS...
	out=$1
	shift
	openssl cms -sign -binary -in image.ko -outform DER -out "$out" "$@"
}
plain="-md sha256 -noattr -nocerts -signer rsa2048.crt -inkey rsa2048.key"
cms openssl-plain.p7s $plain
cms openssl-certificates.p7s -md sha256 -noattr -signer rsa2048.crt -inkey rsa2048.key -certfile p256.crt
cms openssl-attributes.p7s -md sha256 -nocerts -signer rsa2048.crt -inkey rsa2048.key
cms openssl-content.p7s -nodetach $plain
cms openssl-indefinite.p7s -nodetach -stream $plain
cms openssl-two-signers.p7s $plain -signer p256.crt -inkey p256.key
cms openssl-type.p7s -econtent_type 1.2.840.113549.1.9.16.1.4 $plain
cms openssl-pss.p7s $plain -keyopt rsa_padding_mode:pss
cms openssl-sha1.p7s -md sha1 -noattr -nocerts -signer rsa2048.crt -inkey rsa2048.key
cms openssl.pem -outform PEM $plain
openssl cms -data_create -in image.ko -outform DER -out openssl-unsigned-data.p7s
