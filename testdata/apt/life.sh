# Sourced by test.sh: the life of a driver and its kernel, by apt alone.
# shellcheck shell=bash disable=SC2154 # $kernel, $driver and others of chroot.sh and driver.sh

# damage_objects: of the objects of the example, 1.3, one has another byte.
damage_objects() {
	local deb=("$scratch"/1.3/linux-objects-*.deb) tree=$scratch/damaged
	dpkg-deb -R "${deb[0]}" "$tree" && [[ -e $tree/usr/lib/linux-objects/acme/$kernel/acme.o ]] &&
		flip "$tree/usr/lib/linux-objects/acme/$kernel/acme.o" 100 && rm "$tree/DEBIAN/md5sums" &&
		cp "${deb[0]}" "$scratch/objects-1.3.deb" && dpkg-deb --root-owner-group -b "$tree" "${deb[0]}"
}

# hook FOLDER NAME: a hook of a kernel that fails.
hook() {
	mkdir -p "$root/etc/kernel/$1" &&
		printf '#!/bin/sh\necho "%s/%s fails" >&2\nexit 1\n' "$1" "$2" >"$root/etc/kernel/$1/$2" &&
		chmod +x "$root/etc/kernel/$1/$2"
}
unhook() { rm "$root/etc/kernel/$1/$2" && rmdir --ignore-fail-on-non-empty "$root/etc/kernel/$1"; }

# serves VERSION: all of it is in place and is what kbuild linked and the key signed.
serves() {
	check "version $1 is what modprobe takes (modinfo)" module_is "$1"
	check "the modules are kbuild's, the signatures good (cmp, openssl cms)" of_kbuild "$1"
	check "koweld finds all in place (verify)" inside koweld -q verify
	check "and tells dpkg -V's readers of nothing (verify --dpkg)" silent koweld verify --dpkg
}
silent() {
	local output
	if output=$(inside "$@" 2>&1) && [[ -z $output ]]; then return; fi
	printf '%s\n' "$output"
	return 1
}

# shellcheck disable=SC2016 # dpkg-query's own
status_is() { [[ $(inside dpkg-query -W -f '${db:Status-Status}' "$1") == "$2" ]]; }

# nothing_of_ours: no module, parked or not, and no folder for one. What depmod
# wrote stays until the kernel is purged, and what its headers have.
nothing_of_ours() {
	local left
	left=$(find "$root/lib/modules/$kernel/" -mindepth 1 ! -name 'modules.*' 2>/dev/null)
	[[ -z $left ]] || { printf '%s\n' "$left" && return 1; }
}

# is_one_package: its hooks are called by the package that has the modules.
is_one_package() { ((${#kernel_packages[@]} == 1)); }

# no_folder_of_ours: dpkg removes the kernel's folders without a word. Of a kernel of
# several packages the hooks come before the modules go, and koweld hears of it later.
no_folder_of_ours() {
	! is_one_package || check "dpkg has found no folder of ours" said_not "not empty"
}

life_install() {
	chapter "Kernel, koweld and driver come in one run"
	files >"$scratch/empty"
	apt 0 install "$kernel_image" koweld "$driver"
	serves 1.0
	check "it is signed by the key (modinfo)" signer_is "acme of $release (key thrown away)"
	check "acme in the initramfs is kbuild's, the signature good (unmkinitramfs, cmp, openssl cms)" initramfs_is 1.0
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
	check "nothing of this machine's kernel is in the system" no_trace "$root"
}

life_upgrade() {
	chapter "It is upgraded"
	check "1.1 is published" publish "$scratch"/1.1/*.deb
	apt 0 install "$driver"
	serves 1.1
	check "acme in the initramfs is the new one" initramfs_is 1.1
	files >"$scratch/upgraded"

	chapter "The preinst of the next version fails"
	check "1.2 is published" publish "$scratch"/1.2/*.deb
	apt 100 install "$driver"
	serves 1.1
	apt 0 install --allow-downgrades "${driver_packages[@]/%/=1.1}"
	serves 1.1
	check "all is as before (file by file)" unchanged "$scratch/upgraded"
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong

	chapter "The objects of the next version do not fit: its postinst fails"
	check "1.3 is published" publish "$scratch"/1.3/*.deb
	apt 100 install "$driver"
	check "the output names the object" said 'acme\.o'
	check "dpkg calls it broken" status_is "$driver" half-configured
	check "version 1.1 still serves (modinfo)" module_is 1.1
	check "and is kbuild's, the signatures good (cmp, openssl cms)" of_kbuild 1.1
	check "acme in the initramfs is 1.1" initramfs_is 1.1
	cp "$scratch/objects-1.3.deb" "$root/repository/linux-objects-acme-${kernel}_1.3_amd64.deb"
	check "the right objects are published" publish "$scratch"/1.3/linux-modules-*.deb
	apt 0 install --reinstall "linux-objects-acme-$kernel"
	serves 1.3
	check "acme in the initramfs is 1.3" initramfs_is 1.3
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
	files >"$scratch/upgraded"
}

life_kernel() {
	local when
	chapter "A removal of the kernel fails, in prerm.d: the driver stays"
	hook prerm.d zz-fails
	apt 100 remove "$kernel_image"
	unhook prerm.d zz-fails
	serves 1.3
	check "all is as before (file by file)" unchanged "$scratch/upgraded"

	chapter "A removal of the kernel fails, in postrm.d before koweld is called: the driver stays"
	hook postrm.d 00-fails
	apt 100 remove "$kernel_image"
	check "the modules are where they were, the signatures good (cmp, openssl cms)" of_kbuild 1.3
	check "koweld finds all in place (verify)" inside koweld -q verify
	unhook postrm.d 00-fails
	apt 0 install --reinstall "$kernel_image"
	serves 1.3
	check "acme in the initramfs is 1.3" initramfs_is 1.3
	check "all is as before (file by file)" unchanged "$scratch/upgraded"

	hook postrm.d zz-fails
	if is_one_package; then
		chapter "A removal of the kernel fails, in postrm.d after koweld was called: the kernel is gone, and the driver waits"
		apt 100 remove "$kernel_image"
		check "the unit waits" waits
	else
		chapter "A removal of the kernel fails, in postrm.d after koweld was called: its modules are of another package, and the driver stays"
		apt 100 remove "$kernel_image"
		check "the modules are where they were, the signatures good (cmp, openssl cms)" of_kbuild 1.3
	fi
	unhook postrm.d zz-fails

	chapter "The removal succeeds"
	apt 0 remove "${kernel_packages[@]}"
	no_folder_of_ours
	check "the unit waits" waits
	check "nothing is left but what depmod wrote" nothing_of_ours
	check "koweld has nothing to find fault with (verify)" inside koweld -q verify

	chapter "The kernel comes again: its initramfs has the driver at once"
	apt 0 install "$kernel_image"
	serves 1.3
	check "acme in the initramfs is 1.3" initramfs_is 1.3
	check "it was made once" [ "$(grep -c '^update-initramfs: Generating' "$scratch/said")" -eq 1 ]
	check "all is as before (file by file)" unchanged "$scratch/upgraded"

	for when in remove purge; do
		chapter "The kernel goes in one step ($when)"
		apt 0 "$when" "${kernel_packages[@]}"
		no_folder_of_ours
		check "the unit waits" waits
		check "nothing is left but what depmod wrote" nothing_of_ours
	done
	check "nor that, now that it is purged" no_folder
}

life_purge() {
	chapter "The kernel comes again, and all is purged in one run"
	apt 0 install "$kernel_image"
	serves 1.3
	apt 0 purge "${kernel_packages[@]}" "${driver_packages[@]}" koweld
	check "all is as before the kernel came (file by file)" unchanged "$scratch/empty"
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
}

life_early() {
	chapter "The driver comes before its kernel, and waits"
	apt 0 install koweld "${driver_packages[@]/%/=1.3}"
	check "the unit waits" waits
	check "nothing is placed" no_folder
	run 1 koweld install --require-placed "$driver"
	check "the unit still waits" waits
	apt 0 install "$kernel_image"
	serves 1.3
	check "acme in the initramfs is 1.3" initramfs_is 1.3
	check "it was made once" [ "$(grep -c '^update-initramfs: Generating' "$scratch/said")" -eq 1 ]

	chapter "The driver is purged, then koweld, then the kernel"
	apt 0 purge "${driver_packages[@]}"
	check "the initramfs has no driver" initramfs_has_not
	apt 0 purge koweld
	apt 0 purge "${kernel_packages[@]}"
	check "all is as before the kernel came (file by file)" unchanged "$scratch/empty"
}

life_forced() {
	chapter "koweld is purged first, then the objects, the signatures, the modules"
	apt 0 install "$kernel_image" koweld
	files >"$scratch/before"
	apt 0 install "${driver_packages[@]/%/=1.3}"
	serves 1.3
	run 0 dpkg --purge --force-depends koweld
	check "the modules are where they were (cmp, openssl cms)" of_kbuild 1.3
	# The trigger calls the postinst, which cannot do without koweld: dpkg was forced.
	run 1 dpkg --purge --force-depends "linux-objects-acme-$kernel"
	check "the objects are gone all the same" [ ! -e "$root/usr/lib/linux-objects" ]
	check "the modules are where they were (cmp, openssl cms)" of_kbuild 1.3
	run 0 dpkg --purge --force-depends "linux-signatures-acme-$kernel"
	run 0 dpkg --purge "$driver"
	check "modprobe has no acme" modinfo_fails acme
	apt 0 install koweld
	check "all is as before the driver came (file by file)" unchanged "$scratch/before"
	apt 0 purge koweld "${kernel_packages[@]}"
	check "all is as before the kernel came (file by file)" unchanged "$scratch/empty"
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
}
modinfo_fails() { ! inside modinfo -k "$kernel" "$1"; }

# no_trace FOLDER: of the kernel that runs here no file below has the release.
no_trace() {
	local found
	found=$(grep -rlF --exclude-dir={proc,sys,dev} -e "$(uname -r)" -e "$(cat /proc/sys/kernel/random/boot_id)" "$1")
	[[ -z $found ]] || { printf '%s\n' "$found" && return 1; }
}

# life SMALL
life() {
	life_install
	life_upgrade
	life_kernel
	life_purge
	[[ -n $1 ]] || { life_early && life_forced; }
}
