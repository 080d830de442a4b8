#!/bin/bash
# Boots a kernel of Debian in QEMU under UEFI Secure Boot, runs a script on a disk's
# Debian, and exits as the script did.
#
#   boot.sh [OPTION]... VMLINUZ INITRD DISK SCRIPT [FILE...]
#
# DISK is a raw image of an ext4 root, used in place; INITRD the one of root.sh's
# make_initrd, or with --own-initrd the one that is the system's. SCRIPT runs as root,
# by sh, as /run/vm/script, with the FILEs and folders beside it and in that folder. It
# is not run, and the exit code is 125, unless the guest itself finds that Secure
# Boot and lockdown are on.
#
#   --db CERT          add a certificate to db, which the kernel trusts for modules
#   --mok CERT         add one to the machine owner's keys (MOK)
#   --no-secure-boot   without UEFI: what is asserted then is nothing
#   --systemd          boot systemd; the script runs once that has reached multi-user.target
#   --own-initrd       INITRD is Debian's; the disk has the guest's init (make_disk)
#   --record FILE      record what is written to the disk, for tools/blockwrites
#   --snapshot         what is written to the disk is dropped at the end
#   --timeout SECONDS  1800
#   --log FOLDER       leaves console (the kernel's messages) and output (the script's) there
#
# Exit codes: 0 to 123 the script's own (more is 123), 124 time is up, 125 cannot be
# run, or Secure Boot is off, 126 the machine ended without a result (a panic, say).
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/tools.sh"

die() {
	printf 'boot.sh: %s\n' "$*" >&2
	exit 125
}

usage() {
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | head -n -1 >&2
	exit 125
}

keys=() secure=yes systemd='' own='' record='' snapshot=off limit=1800 log=''
while [[ ${1-} == -* ]]; do
	case $1 in
	--db | --mok)
		keys+=("-${1#--}" "${2-}")
		shift
		;;
	--no-secure-boot) secure='' ;;
	--systemd) systemd=yes ;;
	--own-initrd) own=yes ;;
	--record)
		record=${2-}
		shift
		;;
	--snapshot) snapshot=on ;;
	--timeout)
		limit=${2-}
		shift
		;;
	--log)
		log=${2-}
		shift
		;;
	*) usage ;;
	esac
	shift
done
(($# >= 4)) || usage
vmlinuz=$1 initrd=$2 disk=$3 script=$4
shift 4
for file in "$vmlinuz" "$initrd" "$disk" "$script" "$@"; do [[ -r $file ]] || die "cannot read $file"; done
# QEMU splits its options at commas.
[[ $disk$record$log$vmlinuz$initrd != *,* ]] || die "cannot use a path with a comma"

need qemu-system-x86_64=qemu-system-x86 /usr/share/OVMF/OVMF_CODE_4M.secboot.fd=ovmf || die "cannot get QEMU"
work=$(mktemp -d "${TMPDIR:-/tmp}/koweld-boot.XXXXXX")
qemu=''
trap '[[ -z $qemu ]] || kill -KILL "$qemu" 2>/dev/null; rm -rf --one-file-system "$work"' EXIT
trap 'exit 125' INT TERM
[[ -n $log ]] || log=$work/log
mkdir -p "$log"
build_tools || die "cannot build the tools"

mkdir "$work/payload"
cp "$script" "$work/payload/script"
cp "$tools/guest" "$work/payload/guest"
for file; do cp -RL "$file" "$work/payload/" || die "cannot copy $file"; done
tar -c -C "$work/payload" -f "$work/payload.tar" --owner=0 --group=0 .

options=(console=ttyS0 panic=-1 oops=panic loglevel=7)
[[ -z $secure ]] || options+=(vm.secureboot=1)
[[ -z $systemd ]] || options+=(vm.systemd=1)
[[ -z $own ]] || options+=(root=/dev/vda rw init=/usr/lib/vm/guest)

# One processor, emulated: KVM is rarely to be had where tests run, and where it can be
# opened it may still not boot a kernel as it is.
machine=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -monitor none
	-accel "tcg,thread=multi" -cpu max -smp 1 -m 1024 -net none
	-serial "file:$log/console" -serial "file:$log/output" -serial "file:$log/result"
	-kernel "$vmlinuz" -initrd "$initrd" -append "${options[*]}")
if [[ -n $secure ]]; then
	"$tools/uefikeys" -in /usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd -out "$work/variables" "${keys[@]}" ||
		die "cannot add the certificates"
	machine+=(-machine "q35,smm=on" -global "driver=cfi.pflash01,property=secure,value=on"
		-drive "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
		-drive "if=pflash,format=raw,unit=1,file=$work/variables")
else
	machine+=(-machine q35)
fi
# What the guest has written and not flushed is in the host's cache, and stays when
# QEMU ends; a record is in the order in which the disk was asked.
if [[ -n $record ]]; then
	: >"$record"
	machine+=(-blockdev "driver=file,node-name=file,filename=$disk"
		-blockdev "driver=file,node-name=record,filename=$record"
		-blockdev "driver=blklogwrites,node-name=disk,file=file,log=record"
		-device "virtio-blk-pci,drive=disk,addr=5")
else
	machine+=(-drive "if=none,id=disk,format=raw,snapshot=$snapshot,file=$disk"
		-device "virtio-blk-pci,drive=disk,addr=5")
fi
machine+=(-drive "if=none,id=payload,format=raw,readonly=on,file=$work/payload.tar"
	-device "virtio-blk-pci,drive=payload,addr=6")

timeout --kill-after=10 "$limit" "${machine[@]}" </dev/null >"$log/qemu" 2>&1 &
qemu=$!
code=0
wait "$qemu" || code=$?
qemu=''

# after_begin FILE: without what the firmware has written to all ports.
after_begin() { sed '0,/^vm: begin\r*$/d' "$1"; }

touch "$log/output" "$log/result"
begun=$(grep -cx 'vm: begin' "$log/output") || begun=0
after_begin "$log/output" >"$work/output"
cp "$work/output" "$log/output"
cat "$log/output"
result=$(after_begin "$log/result" | sed -n 's/^vm: //p' | tail -n 1)
case $code:$result in
124:* | 137:*) code=124 result="time is up after $limit seconds" ;;
*:"result "*)
	((begun > 0)) || die "the guest's output has no beginning"
	code=${result#result }
	((code <= 123)) || code=123
	exit "$code"
	;;
*:"error "*) code=125 result=${result#error } ;;
0:*) code=126 result="the machine ended without a result" ;;
*) code=125 result="QEMU failed: $(tail -n 1 "$log/qemu")" ;;
esac
{
	tail -n 15 "$log/console"
	printf '\nboot.sh: %s\n' "$result"
} >&2
exit "$code"
