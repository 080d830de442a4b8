#!/bin/bash
# Tries a driver of your own on a kernel of Debian under Secure Boot, in a virtual
# machine: dpkg installs koweld and your packages, and the kernel must load the modules
# that koweld placed, without taking them for unverified ones.
#
#   driver.sh --signer CERT [OPTION...] DEB... -- MODULE...
#
#   --signer CERT    who has signed the modules: comes into db
#   --mok            becomes one of the machine owner's keys in place of that
#   --kernel NAME    6.1 (the default), 6.1-cloud, 6.12, 7, or linux-image-…: a package of
#                    bookworm or its backports, of which the newest is taken
#   --refuse FILE    a module that the kernel must refuse, for its signature (repeatable)
#   --script FILE    runs in the guest afterwards; it must exit with 0
#
# Results are lines of TAP; the first boot of a kernel downloads it and a Debian. Needs
# root with CAP_SYS_ADMIN, and Go. For the power that fails meanwhile, see powercut.sh.
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
. "$here/tools.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/root.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/example.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/said.sh"

usage() {
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | head -n -1 >&2
	exit 64
}

signer='' trust=--db name=6.1 script='' given_debs=() refuse=()
arguments=("$@")
while (($# > 0)); do
	case $1 in
	--signer) signer=${2-} && shift ;;
	--mok) trust=--mok ;;
	--kernel) name=${2-} && shift ;;
	--refuse) refuse+=("${2-}") && shift ;;
	--script) script=${2-} && shift ;;
	--)
		shift
		break
		;;
	-*) usage ;;
	*) given_debs+=("$1") ;;
	esac
	shift
done
[[ -n $signer && $# -gt 0 && ${#given_debs[@]} -gt 0 ]] || usage

if [[ ${KOWELD_UNSHARED-} != yes ]]; then
	need qemu-system-x86_64=qemu-system-x86 /usr/share/OVMF/OVMF_CODE_4M.secboot.fd=ovmf cpio=cpio \
		mmdebstrap=mmdebstrap mke2fs=e2fsprogs depmod=kmod xz=xz-utils || exit 1
	mkdir -p "$cache"
	KOWELD_UNSHARED=yes exec unshare --mount --pid --fork --kill-child "$0" "${arguments[@]}"
fi

top=$(mktemp -d "${TMPDIR:-/tmp}/koweld-driver.XXXXXX")
trap 'cd /; umount -R "$top" 2>/dev/null; rm -rf --one-file-system "$top"' EXIT
mount -t tmpfs none "$top" || exit 1
scratch=$top
mkdir "$scratch/refused"
printf '%s\n' "$@" >"$scratch/modules"
((${#refuse[@]} == 0)) || cp "${refuse[@]}" "$scratch/refused" || exit
cat "$here/load.sh" ${script:+"$script"} >"$scratch/script"
said=$scratch/said console=$cache/log-driver/console

ready() {
	vmlinuz=$(vmlinuz_of "$scratch/root" "$kernel") &&
		make_initrd "$scratch/root" "$kernel" "$scratch/vm.initrd" && make_disk "$scratch/root" "$scratch/disk"
}
boot() {
	"$here/boot.sh" "$trust" "$signer" --log "${console%/*}" "$vmlinuz" "$scratch/vm.initrd" "$scratch/disk" \
		"$scratch/script" "$scratch/modules" "$scratch/refused" >"$said"
}

build_tools || exit 1
step "the packages of koweld are built" koweld_packages &&
	step "kernel $name is in Debian" find_kernel "$name" &&
	step "$kernel: a Debian $release with it" kernel_root "$scratch/root" &&
	step "dpkg installs koweld and ${given_debs[*]##*/}" dpkg_install "$scratch/root" "$koweld_deb" "${given_debs[@]}" &&
	step "a disk and an initramfs" ready &&
	step "the guest ran under Secure Boot and lockdown${script:+, and ${script##*/} is content}" boot
if [[ -e $said ]]; then
	for name; do check "$name is loaded" said_line "$name: loaded"; done
	for name in "$scratch"/refused/*.ko; do
		[[ ! -e $name ]] || check "$(basename "$name") is refused" said_line "$(basename "$name" .ko): Key was rejected by service"
	done
	check "the kernel has verified what it loaded" not_in_log 'module verification failed'
	sed 's/^/# /' "$said"
	echo "# the kernel's messages: $console"
fi
finish "a driver on ${kernel-$name}"
