# Sourced by scripts, after chroot.sh: the example of dh-koweld as the driver acme
# for $kernel, and what modprobe, OpenSSL and the initramfs say of it.
# shellcheck shell=bash disable=SC2154,SC2034 # $scratch, $kernel, $cache, $packages

# driver_of KERNEL: the names of its packages.
driver_of() {
	driver=linux-modules-acme-$1
	driver_packages=("$driver" "linux-objects-acme-$1" "linux-signatures-acme-$1")
}

# builder RELEASE: a root to build in, with koweld and dh-koweld as packaged, and a
# key that signs all versions.
builder() {
	mkdir "$builder" && tar -x -C "$builder" -f "$cache/$1/build.tar" && mount -t proc none "$builder/proc" || return
	mkdir "$builder/packages" "$builder/build" && cp "$packages"/{koweld_*_amd64,dh-koweld_*_all}.deb "$builder/packages" || return
	chroot "$builder" sh -c 'dpkg --force-unsafe-io -i /packages/*.deb' || return
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=acme of $1 (key thrown away)" \
		-keyout "$builder/build/key.pem" -out "$builder/build/signer.pem" 2>/dev/null || return
	cp "$builder/build/signer.pem" "$scratch/signer.pem"
}

# build VERSION [PREPARE]: the example in that version, in $scratch/VERSION, by its
# own rules; PREPARE is a function that changes the source package, its argument.
build() {
	local tree=$builder/build/$1/acme-driver-$1
	mkdir -p "$builder/build/$1" && cp -R "$builder/usr/share/doc/dh-koweld/examples/acme-driver" "$tree" || return
	sed -i "1s/(.*)/($1)/" "$tree/debian/changelog"
	sed -i "s/MODULE_VERSION(.*)/MODULE_VERSION(\"$1\")/" "$tree/src/core.c"
	inside_builder "$1" debian/rules control KERNEL="$kernel" || return
	if [[ -n ${2-} ]]; then "$2" "$tree" || return; fi
	inside_builder "$1" SIGNING_KEY=/build/key.pem SIGNING_CERTIFICATE=/build/signer.pem \
		dpkg-buildpackage --no-sign --build=binary || return
	mkdir "$scratch/$1" && cp "$builder/build/$1"/*.deb "$tree"/build/*.ko "$scratch/$1"
}

inside_builder() {
	chroot "$builder" /usr/bin/env -i -C "/build/$1/acme-driver-$1" PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C.UTF-8 "${@:2}"
}

# repacked: 1.1 as 1.2, with a preinst that fails.
repacked() {
	local deb tree name
	mkdir "$scratch/1.2" || return
	for deb in "$scratch"/1.1/*.deb; do
		tree=$scratch/repacked
		name=${deb##*/}
		dpkg-deb -R "$deb" "$tree" && sed -i 's/1\.1\b/1.2/' "$tree/DEBIAN/control" || return
		if [[ $name == "${driver}"_* ]]; then
			printf '#!/bin/sh\necho "the preinst of 1.2 fails" >&2\nexit 1\n' >"$tree/DEBIAN/preinst" &&
				chmod 755 "$tree/DEBIAN/preinst" || return
		fi
		dpkg-deb --root-owner-group -b "$tree" "$scratch/1.2/${name/_1.1_/_1.2_}" && rm -r "$tree" || return
	done
}

end_builder() { umount "$builder/proc" && rm -rf --one-file-system "$builder"; }

# module_is VERSION: what modprobe would load, and that it is signed.
module_is() { [[ $(inside modinfo -k "$kernel" -F version acme) == "$1" ]]; }
signer_is() { [[ $(inside modinfo -k "$kernel" -F signer acme_aux) == "$1" ]]; }

# of_kbuild VERSION: the bytes before the signature are those that kbuild linked,
# and OpenSSL finds the signature good.
of_kbuild() {
	local name
	for name in acme acme_aux plain; do
		signed "$root$(inside modinfo -k "$kernel" -F filename "$name")" "$scratch/$1/$name.ko" || return
	done
}

# signed MODULE IMAGE: the module is the image and a good signature over it.
signed() {
	local size
	size=$(stat -c %s "$2") && head -c "$size" "$1" | cmp - "$2" &&
		tail -c +$((size + 1)) "$1" | head -c -40 >"$scratch/cms" &&
		openssl cms -verify -binary -inform DER -in "$scratch/cms" -content "$2" \
			-certfile "$scratch/signer.pem" -nointern -noverify -out /dev/null
}

in_initramfs() { inside lsinitramfs "/boot/initrd.img-$kernel" >"$scratch/initramfs"; }
initramfs_has() { in_initramfs && grep -q '/acme\.ko' "$scratch/initramfs"; }
initramfs_has_not() { in_initramfs && ! grep -q '/acme\.ko' "$scratch/initramfs"; }

# initramfs_is VERSION: the acme in it is that which kbuild linked, signed.
initramfs_is() {
	local found
	rm -rf --one-file-system "$root/tmp/initramfs"
	inside unmkinitramfs "/boot/initrd.img-$kernel" /tmp/initramfs || return
	mapfile -t found < <(find "$root/tmp/initramfs" -name 'acme.ko*')
	((${#found[@]} == 1)) && signed "${found[0]}" "$scratch/$1/acme.ko"
}

no_folder() { [[ ! -e $root/lib/modules/$kernel ]]; }

waits() { inside koweld status --json "$driver" | grep '"state": *"waiting"'; }
