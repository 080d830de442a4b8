#!/bin/bash
# Modules that koweld placed, on stock kernels of Debian under Secure Boot. The example
# driver of dh-koweld is built for the kernel and signed with a key of this run; dpkg
# installs koweld and the driver on the Debian of a disk, which is booted with the signer
# in db, as MOK, and nowhere. Modules that must not load are refused by koweld before
# anything is placed, and by the kernel when they are carried past it.
#
#   test.sh [KERNEL...]   6.1, 6.12 and 7; or 6.1-cloud
#   test.sh nvidia        NVIDIA's driver on 6.1 (minutes more, the first time)
#   test.sh --ci          6.1-cloud alone: five boots
#
# Results are lines of TAP, with a table at the end. The kernels and systems are kept
# in ${XDG_CACHE_HOME:-~/.cache}/koweld/vm. Needs root with CAP_SYS_ADMIN, and Go.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tap.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/apt.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tree.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/tools.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/root.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/example.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/said.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/pack.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/nvidia.sh"

unavailable() {
	skip "virtual machines" "$1"
	finish vm
	exit
}

# The mounts are those of a name space of our own, and end with it.
if [[ ${KOWELD_UNSHARED-} != yes ]]; then
	if ((EUID != 0)) || ! unshare --mount --pid --fork true 2>/dev/null; then
		unavailable "needs root with CAP_SYS_ADMIN: mount, chroot"
	fi
	need qemu-system-x86_64=qemu-system-x86 /usr/share/OVMF/OVMF_CODE_4M.secboot.fd=ovmf cpio=cpio \
		mmdebstrap=mmdebstrap mke2fs=e2fsprogs depmod=kmod dpkg-scanpackages=dpkg-dev xz=xz-utils openssl=openssl getfattr=attr ||
		unavailable "QEMU, OVMF or another package cannot be had here"
	mkdir -p "$cache"
	KOWELD_UNSHARED=yes exec unshare --mount --pid --fork --kill-child "$0" "$@"
fi

names=() ci=''
for word; do
	case $word in
	--ci) ci=yes names=(6.1-cloud) ;;
	-*)
		sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | head -n -1 >&2
		exit 64
		;;
	*) names+=("$word") ;;
	esac
done
((${#names[@]} > 0)) || names=(6.1 6.12 7 nvidia)

top=$(mktemp -d "${TMPDIR:-/tmp}/koweld-vm.XXXXXX")
trap 'cd /; umount -R "$top" 2>/dev/null; rm -rf --one-file-system "$top"' EXIT
mount -t tmpfs none "$top" || exit 1
logs=$cache/log
rm -rf --one-file-system "$logs"
table=$top/table
: >"$table"

chapter() { printf '\n# %s\n' "$*"; }

# row TRUST MODULE RESULT: a line of the table.
row() { printf '%-24s %-10s %-20s %s\n' "$kernel" "$@" >>"$table"; }

# boot NAME TRUST [OPTION...]: boots the disk with load.sh, what it said in $said; the
# console stays in $logs.
boots=0
boot() {
	local name=$1 trust=$2 what line code=0
	shift 2
	boots=$((boots + 1))
	said=$scratch/said
	"$here/boot.sh" "$@" --snapshot --log "$logs/$kernel-$name" "$vmlinuz" "$initrd" "$scratch/disk" \
		"$here/load.sh" "$scratch/modules" "$scratch/refused" >"$said" || code=$?
	console=$logs/$kernel-$name/console
	while IFS=: read -r what line; do
		case $line in
		' version '* | ' taint '*) ;;
		*) row "$trust" "$what" "${line# }" ;;
		esac
	done < <(grep -v '^kernel: ' "$said")
	return "$code"
}

# install_driver: koweld and the driver on the system, by dpkg.
install_driver() { dpkg_install "$scratch/root" "$koweld_deb" "${example_debs[@]}"; }

# judged: the placed modules are kbuild's bytes, and OpenSSL finds the signature good.
judged() {
	local name at
	for name in acme acme_aux plain; do
		at=$scratch/root$(inside "$scratch/root" modinfo -k "$kernel" -F filename "$name") || return
		image_of "$at" >"$scratch/image" && cmp "$scratch/image" "$example/build/$name.ko" || return
		signature_of "$at" >"$scratch/cms"
		openssl cms -verify -binary -inform DER -in "$scratch/cms" -content "$scratch/image" \
			-certfile "$scratch/signer.pem" -nointern -noverify -out /dev/null || return
	done
}

# other_kernel: of plain, in $scratch/other-kernel.image, as it would be of another
# kernel: one letter of its release, and what its __versions say of module_layout,
# where the kernel has such (CONFIG_MODVERSIONS, by which it then goes).
other_kernel() {
	local at
	sed "s/vermagic=$kernel/vermagic=${kernel/%amd64/amd46}/" "$example/build/plain.ko" >"$scratch/other-kernel.image"
	! cmp -s "$example/build/plain.ko" "$scratch/other-kernel.image" || return
	at=$(grep -obUaF module_layout "$scratch/other-kernel.image" | head -n 1 | cut -d: -f1)
	[[ -z $at ]] || flip "$scratch/other-kernel.image" $((at - 8))
}

# refused_files: what the kernel must refuse, in $scratch/refused.
refused_files() {
	local plain=$example/build/plain.ko out=$scratch/refused
	mkdir "$out" && cp "$plain" "$out/unsigned.ko" &&
		sign_file signer "$plain" "$out/tampered.ko" && flip "$out/tampered.ko" $(($(size "$plain") / 2)) &&
		sign_file other "$plain" "$out/foreign.ko" &&
		other_kernel && sign_file signer "$scratch/other-kernel.image" "$out/other-kernel.ko" &&
		attributes "$plain" "$scratch/attributes.p7s" || return
	{
		cat "$plain" "$scratch/attributes.p7s"
		# The trailer of include/linux/module_signature.h: PKCS#7, and the length.
		printf '\0\0\2\0\0\0\0\0'
		printf "%08x" "$(size "$scratch/attributes.p7s")" | sed 's/../\\x&/g' | xargs -0 printf '%b'
		printf '~Module signature appended~\n'
	} >"$out/signed-attributes.ko"
}
size() { stat -c %s "$1"; }

# attributes IMAGE OUT: a signature with signed attributes.
attributes() {
	openssl cms -sign -binary -nocerts -nosmimecap -md sha256 -signer "$scratch/signer.pem" -inkey "$scratch/signer.key" \
		-in "$1" -outform DER -out "$2"
}

# refuses CODE NAME: koweld install exits so in a system like this one where what NAME
# does has been done to the driver's inputs, and nothing has changed there.
refuses() {
	local code=0 want=$1 root=$scratch/refusing deb
	rm -rf --one-file-system "$root"
	mkdir -p "$root/usr/lib/modules/$kernel" "$root/var/lib"
	ln -s usr/lib "$root/lib"
	: | tee "$root/usr/lib/modules/$kernel"/modules.{order,builtin,builtin.modinfo}
	for deb in "${example_debs[@]}"; do dpkg-deb -x "$deb" "$root" || return; done
	objects=$root/usr/lib/linux-objects/acme/$kernel
	signatures=$root/usr/lib/linux-signatures/acme/$kernel
	manifest=$(ls "$root"/usr/share/koweld/manifests/*.yaml)
	# The kernel's folder must be one that depmod has seen.
	depmod -b "$root" "$kernel" && "make_$2" && tree "$root" >"$scratch/before" || return
	"$scratch/tools/usr/bin/koweld" --root "$root" install "linux-modules-acme-$kernel" >"$scratch/koweld" 2>&1 || code=$?
	cat "$scratch/koweld"
	row koweld "$2" "exit $code"
	[[ $code -eq $want ]] && tree "$root" | diff "$scratch/before" -
}
make_unsigned() { rm "$signatures/plain.ko.sig"; }
make_tampered() { flip "$objects/plain.ko" $(($(size "$objects/plain.ko") / 2)); }
make_foreign() {
	"$scratch/tools/usr/bin/koweld" -q sig sign --key "$scratch/other.key" --certificate "$scratch/other.pem" \
		--detached -o "$signatures/plain.ko.sig" "$objects/plain.ko"
}
make_attributes() { attributes "$objects/plain.ko" "$signatures/plain.ko.sig"; }
make_otherkernel() {
	local image=$scratch/other-kernel.image old new
	old=$(sha256sum "$objects/plain.ko" | cut -d' ' -f1)
	new=$(sha256sum "$image" | cut -d' ' -f1)
	cp "$image" "$objects/plain.ko" && sed -i "s/$old/$new/" "$manifest" &&
		"$scratch/tools/usr/bin/koweld" -q sig sign --key "$scratch/signer.key" --certificate "$scratch/signer.pem" \
			--detached -o "$signatures/plain.ko.sig" "$image"
}

# loads TRUST: the checks of a boot that trusts the signer.
loads() {
	local name
	check "$kernel, $1: the machine had nothing against its kernel before" said_line "before: taint 0"
	for name in acme acme_aux plain; do
		check "$kernel, $1: $name is loaded by modprobe" said_line "$name: loaded"
		check "$kernel, $1: and is what was installed" said_line "$name: version 1.0"
	done
	check "$kernel, $1: the kernel is tainted by modules out of its tree, by nothing else (4096)" said_line "after: taint 4096"
	check "$kernel, $1: it has verified each" not_in_log 'module verification failed'
	for name in unsigned tampered foreign signed-attributes; do
		check "$kernel, $1: a module that is $name is refused" said_line "$name: Key was rejected by service"
	done
	check "$kernel, $1: a module of another kernel is refused" said_line "other-kernel: Invalid module format"
}

# secure_boot NAME TRUST OPTION...: a boot, whose exit code says that the guest has found
# Secure Boot and lockdown.
secure_boot() { step "$kernel, $2: the guest ran under Secure Boot and lockdown" boot "$@"; }

# story NAME: all that is tried with a kernel.
story() {
	local name
	chapter "Kernel $1"
	step "kernel $1 is in Debian" find_kernel "$1" &&
		step "$kernel: a Debian $release with it" kernel_root "$scratch/root" &&
		step "$kernel: the example driver is built" build_example 1.0 &&
		step "$kernel: modules that must be refused" refused_files || return

	check "$kernel: koweld refuses a module without a signature, and places nothing" refuses 1 unsigned
	check "$kernel: a tampered one" refuses 1 tampered
	check "$kernel: one signed by somebody else" refuses 3 foreign
	check "$kernel: one signed with signed attributes" refuses 3 attributes
	check "$kernel: one of another kernel" refuses 3 otherkernel

	vmlinuz=$(vmlinuz_of "$scratch/root" "$kernel") initrd=$scratch/vm.initrd
	step "$kernel: dpkg installs koweld and the driver" install_driver &&
		step "$kernel: an initramfs for the test" make_initrd "$scratch/root" "$kernel" "$initrd" || return
	check "$kernel: the modules are kbuild's, the signatures good (cmp, openssl cms)" judged
	step "$kernel: a disk" make_disk "$scratch/root" "$scratch/disk" || return
	printf '%s\n' acme acme_aux plain >"$scratch/modules"

	chapter "$kernel, the signer in db"
	secure_boot db db --db "$scratch/signer.pem"
	loads db
	chapter "$kernel, the signer as MOK"
	secure_boot mok MOK --mok "$scratch/signer.pem"
	loads MOK
	chapter "$kernel, the signer unknown: nothing loads, so what loaded above did for its signature"
	secure_boot unknown unknown
	for name in acme plain; do
		check "$kernel, unknown: $name is refused" said_line "$name: Key was rejected by service"
	done
	check "$kernel, unknown: nothing is loaded" said_line "after: taint 0"
	leave "$scratch/root"
	rm -rf --one-file-system "$scratch/root" "$scratch/disk"

	# Once: the command for a driver of one's own, in the folder of its packages.
	if [[ $1 == "${names[0]}" ]]; then
		chapter "$kernel, as a packager tries a driver"
		boots=$((boots + 1))
		check "$kernel: driver.sh finds that the driver loads" try_driver "$1" && cat "$scratch/tried"
	fi

	chapter "$kernel, its driver and the initramfs in one run of apt"
	step "$kernel: apt installs kernel and driver" together || return
	check "$kernel: the module in the initramfs is the one that was placed (cmp)" in_initramfs
	vmlinuz=$(vmlinuz_of "$scratch/root" "$kernel") initrd=$scratch/own.initrd
	cp -L "$scratch/root/boot/initrd.img-$kernel" "$initrd"
	step "$kernel: a disk of it" make_disk "$scratch/root" "$scratch/disk" || return
	secure_boot initramfs initramfs --own-initrd --db "$scratch/signer.pem"
	check "$kernel, initramfs: acme is there before anything is loaded from the disk" said_line "acme: loaded already"
	check "$kernel, initramfs: before the disk was mounted (the kernel's log)" in_order "acme: ready" "EXT4-fs (vda): mounted"
	check "$kernel, initramfs: plain is loaded from the disk" said_line "plain: loaded"
	check "$kernel, initramfs: the kernel has verified each" not_in_log 'module verification failed'
	check "$kernel, initramfs: and is tainted by nothing else (4096)" said_line "after: taint 4096"
}

# try_driver KERNEL: what it prints, but for the numbers of its checks, which are its own.
try_driver() {
	local file debs=() code=0
	mkdir "$scratch/own" && cp "${example_debs[@]}" "$scratch/signer.pem" "$scratch/own" || return
	for file in "$scratch"/own/*.deb; do debs+=("${file##*/}"); done
	(cd "$scratch/own" && KOWELD_DEBS=$top/packages "$here/driver.sh" --kernel "$1" --signer signer.pem "${debs[@]}" -- acme acme_aux plain) \
		>"$scratch/said" 2>&1 || code=$?
	sed 's/^/#   /' "$scratch/said" >"$scratch/tried"
	cat "$scratch/said"
	return "$code"
}

# together: a system on which one run of apt installs kernel, koweld and driver, of
# which the administrator wants a module in the initramfs.
together() {
	local root=$scratch/root debs
	download "$release" "${kernel_packages[@]}" && new_root "$root" "$release" || return
	mkdir "$root/repository" && cp "${debs[@]}" "$koweld_deb" "${example_debs[@]}" "$root/repository" || return
	(cd "$root/repository" && dpkg-scanpackages . /dev/null >Packages) || return
	echo "deb [trusted=yes] file:/repository ./" >"$root/etc/apt/sources.list"
	echo acme >>"$root/etc/initramfs-tools/modules"
	inside "$root" apt-get -q update &&
		inside "$root" apt-get -qy --no-install-recommends install "linux-modules-acme-$kernel" "${kernel_packages[-1]}" &&
		rm -r "$root/repository"
}

# in_initramfs: it holds acme as it was placed.
in_initramfs() {
	local root=$scratch/root placed
	placed=$(inside "$root" modinfo -k "$kernel" -F filename acme) &&
		inside "$root" unmkinitramfs "/boot/initrd.img-$kernel" /tmp/held &&
		find "$root/tmp/held" -name acme.ko -exec cmp {} "$root$placed" \; -print | grep acme.ko
}

# in_order FIRST SECOND: the kernel has said both, in that order.
in_order() {
	grep -aF -e "$1" -e "$2" "$console" | tee /dev/stderr | head -n 1 | grep -aqF -- "$1" && in_log "$2"
}

build_tools || exit 1
[[ -z $ci ]] || at_hand "${names[@]}" || unavailable "the archive does not answer in time"
scratch=$top
step "the packages of koweld are built" koweld_packages
step "a key signs" make_key signer
step "another is not trusted" make_key other
((tap_failed == 0)) || {
	finish vm
	exit 1
}
for name in "${names[@]}"; do
	scratch=$top/$name
	mkdir "$scratch" && ln -s ../tools ../signer.key ../signer.pem ../other.key ../other.pem "$scratch"
	if [[ $name == nvidia ]]; then nvidia_story; else story "$name"; fi
	# Whatever it has mounted there.
	mapfile -t mounts < <(cut -d' ' -f2 /proc/self/mounts | grep -F "$scratch/" | sort -r)
	((${#mounts[@]} == 0)) || umount "${mounts[@]}"
	rm -rf --one-file-system "$scratch"
done

chapter "What loads where"
printf '%-24s %-10s %-20s %s\n' kernel trust module result | cat - "$table"
printf '# %d boots\n\n' "$boots"
finish vm
