# Sourced by bench.sh: Debian's 5.10.0-32-amd64 as a package would ship it for
# koweld. Its 3,888 unsigned modules, their detached signatures and the
# certificate of their signer are Debian's own; testdata/signatures/fetch.sh
# downloads them.
# shellcheck shell=bash

debian_kernel=5.10.0-32-amd64

# debian_signer VMLINUZ: the certificate that the kernel's Secure Boot signature
# holds; the same key signed the modules. The certificate table is the fifth
# data directory of a PE32+ image; its first entry has a header of 8 bytes
# (Microsoft's PE format, "The Attribute Certificate Table").
debian_signer() {
	local pe at
	pe=$(le32 "$1" 60)
	at=$(le32 "$1" $((pe + 24 + 144)))
	tail -c +$((at + 8 + 1)) "$1" | openssl pkcs7 -inform DER -print_certs |
		openssl x509
}

# le32 FILE OFFSET: the little-endian number there.
le32() { od -An -tu4 --endian=little -j "$2" -N 4 "$1" | tr -d ' '; }

# debian_lay_out CACHE DIR: makes in DIR
#
#	unsigned/   the modules, as they lie below /lib/modules/KERNEL
#	detached/   a signature for each, NAME.ko.sig: CMS, trailer and magic
#	cms/        the same as bare CMS, as sign-file -s wants it
#	signed/     the signed modules, to compare
#	list        the path of each module, one a line
#	manifest    of all of them
debian_lay_out() {
	local pairs=$1/pairs dir=$2 tree
	mkdir -p "$dir/deb" "$dir/cms"
	dpkg-deb -x "$pairs/linux-image-$debian_kernel"_*.deb "$dir/deb/signed"
	dpkg-deb -x "$pairs/linux-image-$debian_kernel-unsigned"_*.deb "$dir/deb/unsigned"
	for tree in signed unsigned; do
		mv "$dir/deb/$tree/lib/modules/$debian_kernel" "$dir/$tree"
	done
	debian_signer "$dir/deb/signed/boot/vmlinuz-$debian_kernel" >"$dir/signer.pem"
	tar -xf "$pairs"/linux-signed-amd64_*.tar.xz -C "$dir/cms" --strip-components=7 \
		"source-template/debian/signatures/linux-image-$debian_kernel-unsigned/lib/modules/$debian_kernel"
	rm -r "$dir/deb"
	(cd "$dir/unsigned" && find . -name '*.ko' -printf '%P\n' | sort) >"$dir/list"
	debian_detached "$dir"
	debian_manifest "$dir" >"$dir/manifest"
}

# debian_detached DIR: the signatures with trailer and magic, each the end of
# the signed module.
debian_detached() {
	local size module
	sed 's|/[^/]*$||' "$1/list" | sort -u | (mkdir "$1/detached" && cd "$1/detached" && xargs -d '\n' mkdir -p)
	(cd "$1/unsigned" && xargs -d '\n' stat -c '%s %n') <"$1/list" |
		while read -r size module; do
			tail -c +$((size + 1)) "$1/signed/$module" >"$1/detached/$module.sig"
		done
}

# debian_manifest DIR
debian_manifest() {
	cat <<-END
		koweld: 1
		package: linux-modules-debian-$debian_kernel
		kernel: $debian_kernel
		objects: /usr/lib/linux-objects/debian
		signatures: /usr/lib/linux-signatures/debian
		signers:
		  - certificate: signer.pem
		    sha256: $(openssl x509 -in "$1/signer.pem" -outform DER | sha256sum | cut -d' ' -f1)
		modules:
	END
	(cd "$1/unsigned" && paste -d' ' <(xargs -d '\n' sha256sum <"$1/list") <(xargs -d '\n' stat -c %s <"$1/list")) |
		awk '{
			name = $2
			sub(".*/", "", name)
			sub("[.]ko$", "", name)
			print "  - name: \"" name "\""
			print "    form: [{whole: " $2 "}]"
			print "    image: {sha256: " $1 ", size: " $3 "}"
			print "    signature: " $2 ".sig"
			print "    install: " $2
		}'
	echo "after: {depmod: false, initramfs: never}"
}
