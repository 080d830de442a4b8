#!/bin/bash
# Makes what lies in package/ and SHA256SUMS from src/: kbuild compiles and
# links, koweld makes recipes, the kernel's sign-file signs with a key that is
# thrown away.
#
#   make.sh            makes everything anew, under a new key
#   make.sh --recipes  makes the recipes anew
#   make.sh --check    builds again and compares with what is checked in
#
# Needs Debian 12, the headers of the kernel below, and Go.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tap.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/kbuild.sh"

kernel=6.1.0-56-amd64
unit=linux-modules-acme-$kernel
modules=(acme acme_aux plain)
headers=/usr/src/linux-headers-$kernel
sign_file=$headers/scripts/sign-file

objects=usr/lib/linux-objects/acme/$kernel
signatures=usr/lib/linux-signatures/acme/$kernel
manifest=usr/share/koweld/manifests/$unit.yaml

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=$work/build new=$work/package

# compile: the modules in $build, their inputs in $new. No debugging
# information, and no path of this machine in __FILE__: the objects stay small
# and are the same wherever they are made.
compile() {
	mkdir "$build"
	cp "$here"/src/{Kbuild,*.[ch]} "$build"
	make -s -C "$headers" M="$build" \
		KCFLAGS="-g0 -ffile-prefix-map=$build/=acme/" modules \
		>"$work/log" 2>&1 || {
		cat "$work/log" >&2
		return 1
	}
	mkdir -p "$new/$objects" "$new/$signatures" "$new/${manifest%/*}"
	cp "$build"/{core,glue,acme.mod,acme_aux,acme_aux.mod}.o "$build/plain.ko" \
		"$here"/src/acme.{lds,conf} "$new/$objects"
	chmod 644 "$new/$objects"/*
}

# build_koweld: as $work/koweld.
build_koweld() {
	(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$work/koweld" ./cmd/koweld)
}

# of NAME: the objects of a module, in the order of the link.
of() {
	case $1 in
	acme) printf '%s\n' core.o glue.o acme.mod.o ;;
	*) printf '%s\n' "$1.o" "$1.mod.o" ;;
	esac
}

# recipes FOLDER: of what kbuild linked, as FOLDER/NAME.recipe.
recipes() {
	local name inputs
	for name in acme acme_aux; do
		mapfile -t inputs < <(of "$name")
		"$work/koweld" recipe make -q -o "$1/$name.recipe" "$build/$name.ko" "${inputs[@]/#/$new/$objects/}" || return
	done
}

# applies RECIPE NAME: it forms what kbuild linked.
applies() {
	local inputs
	mapfile -t inputs < <(of "$2")
	rm -f "$work/formed"
	"$work/koweld" recipe apply -q -o "$work/formed" "$1" "${inputs[@]/#/$here/package/$objects/}" &&
		cmp "$work/formed" "$build/$2.ko"
}

# certificate: a throw-away key, and a certificate that outlives this project.
certificate() {
	mkdir "$work/ca"
	: >"$work/ca/index"
	cat >"$work/ca/conf" <<-END
		[ca]
		default_ca = throwaway
		[throwaway]
		database = $work/ca/index
		new_certs_dir = $work/ca
		rand_serial = yes
		default_md = sha256
		policy = any
		x509_extensions = module_signer
		[any]
		commonName = supplied
		[req]
		distinguished_name = any
		[module_signer]
		basicConstraints = critical,CA:FALSE
		keyUsage = digitalSignature
		extendedKeyUsage = codeSigning
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
	END
	openssl req -new -newkey rsa:2048 -nodes -config "$work/ca/conf" -batch \
		-subj "/CN=koweld test signer (key thrown away)" \
		-keyout "$work/key.pem" -out "$work/ca/request" 2>"$work/log"
	openssl ca -selfsign -batch -notext -config "$work/ca/conf" \
		-keyfile "$work/key.pem" -in "$work/ca/request" \
		-startdate 20260101000000Z -enddate 21260101000000Z \
		-out "$new/$signatures/signer.pem" 2>"$work/log"
}

# sign: each form that packages ship. acme has a bare CMS, acme_aux and plain
# the whole container; acme_aux names its signer by subjectKeyIdentifier (-k),
# the others by issuer and serial number.
sign() {
	local cert=$new/$signatures/signer.pem name
	"$sign_file" -d sha256 "$work/key.pem" "$cert" "$build/acme.ko"
	mv "$build/acme.ko.p7s" "$new/$signatures/acme.ko.sig"
	"$sign_file" sha256 "$work/key.pem" "$cert" "$build/acme.ko" "$work/acme.ko"
	"$sign_file" -k sha256 "$work/key.pem" "$cert" "$build/acme_aux.ko" "$work/acme_aux.ko"
	"$sign_file" sha256 "$work/key.pem" "$cert" "$build/plain.ko" "$work/plain.ko"
	for name in acme_aux plain; do
		tail -c +$(($(size "$build/$name.ko") + 1)) "$work/$name.ko" \
			>"$new/$signatures/$name.ko.sig"
	done
	(cd "$work" && sha256sum -- "${modules[@]/%/.ko}") >"$work/SHA256SUMS"
}

# write_manifest: the flags are those that kbuild recorded.
write_manifest() {
	cat >"$new/$manifest" <<-END
		koweld: 1
		package: $unit
		kernel: $kernel
		objects: /usr/lib/linux-objects/acme/\${kernel}
		signatures: /usr/lib/linux-signatures/acme/\${kernel}
		signers:
		  - certificate: signer.pem
		    sha256: $(openssl x509 -in "$new/$signatures/signer.pem" -outform DER | sha256sum | cut -d' ' -f1)
		linker:
		  emulation: elf_x86_64
		  script: acme.lds
		  flags: $(link_flags "$build/.acme.ko.cmd")
		  inner-flags: $(link_flags "$build/.acme.o.cmd")
		  recorded: {name: GNU ld, version: "$(ld_version)"}
		modules:
		  - name: acme
		    form:
		      - {recipe: acme.recipe, inputs: [core.o, glue.o, acme.mod.o]}
		      - link: [{name: acme.o, objects: [core.o, glue.o]}, acme.mod.o]
		    image: {sha256: $(digest "$build/acme.ko"), size: $(size "$build/acme.ko")}
		    signature: acme.ko.sig # a bare CMS
		    install: kernel/acme/acme.ko
		    compress: none
		  - name: acme_aux
		    form:
		      - {recipe: acme_aux.recipe, inputs: [acme_aux.o, acme_aux.mod.o]}
		      - link: [acme_aux.o, acme_aux.mod.o]
		    image: {sha256: $(digest "$build/acme_aux.ko"), size: $(size "$build/acme_aux.ko")}
		    signature: acme_aux.ko.sig # with the kernel's trailer
		    install: kernel/acme/acme_aux.ko
		    compress: xz
		  - name: plain
		    form:
		      - whole: plain.ko
		    image: {sha256: $(digest "$build/plain.ko"), size: $(size "$build/plain.ko")}
		    install: updates/plain.ko
		files:
		  - {source: acme.conf, install: /usr/lib/modprobe.d/acme.conf, mode: "0644"}
		after: {depmod: true, initramfs: never}
	END
}

# no_paths: nothing of this machine is in the objects.
no_paths() {
	! grep -laF -e "$work" -e "$HOME/" "$new/$objects"/*
}

# attached NAME: kbuild's link and the checked-in signature, put together by
# sign-file, as $work/NAME.ko.
attached() {
	local name=$1 sig=$here/package/$signatures/$1.ko.sig
	if tail -c 28 "$sig" | grep -q '~Module signature appended~'; then
		head -c -40 "$sig" >"$work/$name.cms"
	else
		cp "$sig" "$work/$name.cms"
	fi
	"$sign_file" -s "$work/$name.cms" sha256 unused "$build/$name.ko" "$work/$name.ko"
}

# signed_by_certificate NAME: OpenSSL's word on the signature over the image.
signed_by_certificate() {
	openssl cms -verify -binary -inform DER -in "$work/$1.cms" -content "$build/$1.ko" \
		-certfile "$here/package/$signatures/signer.pem" -nointern -noverify -out /dev/null
}

declares_image() {
	grep -q "image: {sha256: $(digest "$build/$1.ko"), size: $(size "$build/$1.ko")}" \
		"$here/package/$manifest"
}

# bare FILE: its lines without comments and indentation.
bare() { sed 's/ *#.*//; s/^ *//' "$1"; }

# readme_quotes: the manifest in README.md has only lines of this one.
readme_quotes() {
	sed -n '/^## A manifest/,/^## /s/^    //p' "$here/../../README.md" >"$work/quoted"
	[ -s "$work/quoted" ] && ! bare "$work/quoted" | grep -vxF -f <(bare "$here/package/$manifest")
}

compare() {
	local file name
	for file in "$new/$objects"/*; do
		check "${file##*/} is built again byte for byte" \
			cmp "$file" "$here/package/$objects/${file##*/}"
	done
	check "koweld is built" build_koweld
	mkdir "$work/recipes"
	check "recipes are made" recipes "$work/recipes"
	for name in acme acme_aux; do
		# The maker may have got better: its recipes need not be the same.
		check "$name.recipe that is checked in forms kbuild's module (cmp)" \
			applies "$here/package/$objects/$name.recipe" "$name"
		check "$name.recipe made anew forms kbuild's module (cmp)" \
			applies "$work/recipes/$name.recipe" "$name"
	done
	check "the objects hold no path of this machine" no_paths
	for name in "${modules[@]}"; do
		attached "$name"
		check "$name.ko as kbuild links it is what the manifest declares" declares_image "$name"
		check "the signature of $name.ko is good (openssl cms)" signed_by_certificate "$name"
	done
	check "kbuild's modules with the signatures are those of SHA256SUMS" \
		env --chdir="$work" sha256sum -c "$here/SHA256SUMS"
	check "README.md quotes this manifest" readme_quotes
	finish "testdata/acme"
}

case ${1-} in
--check | --recipes) ;;
'') ;;
*)
	echo "usage: ${0##*/} [--check | --recipes]" >&2
	exit 64
	;;
esac

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
if ! need "$headers/Makefile=linux-headers-$kernel" make=make openssl=openssl go=golang-1.26; then
	[[ ${1-} == --check ]] || exit 1
	skip "the objects are built again" "linux-headers-$kernel cannot be had here"
	finish "testdata/acme"
	exit
fi
compile
if [[ ${1-} == --check ]]; then
	compare
	exit
fi
build_koweld
if [[ ${1-} == --recipes ]]; then
	recipes "$here/package/$objects"
	exit
fi
recipes "$new/$objects"
certificate
sign
write_manifest
no_paths || {
	echo "the objects hold a path of this machine" >&2
	exit 1
}
rm -rf "$here/package"
cp -R "$new" "$here/package"
cp "$work/SHA256SUMS" "$here/SHA256SUMS"
cat "$here/package/$manifest"
