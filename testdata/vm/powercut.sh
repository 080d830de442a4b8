#!/bin/bash
# Pulls the plug while dpkg works. A virtual machine with a kernel of Debian 12 runs
# dpkg on the example driver of dh-koweld, and every write to its disk is recorded. Of
# the record the disk is made as each cut would have left it: at every flush, with and
# without what was written since the last one. Each is mounted here, whereby the file system
# replays its journal, and judged by programs that are not koweld; then it is recovered as
# a machine would be, and judged again (examine.sh).
#
#   powercut.sh [--every] [--lots N] [--boots N] [SCENARIO...]
#
#   SCENARIO   install, upgrade, remove, or control: a script that writes modules in place,
#              of which the judges must find what it leaves; without one, all four
#   --every    at every write as well
#   --each N   only one in N of the disks, evenly
#   --lots N   at each flush N disks more that have lost some of what was not flushed (1)
#   --boots N  of each scenario, boot so many disks with an interrupted run (3)
#   --one      objects, signatures and modules are one package, not three: fewer writes
#   --keep FOLDER   keep disks and records there, to look into what was found: a disk is
#              made by tools/blockwrites of FOLDER/SCENARIO/before and log
#   --ci       the upgrade of one package, at one flush in three, and one boot
#
# For a driver of your own, in two versions that are signed by one signer:
#
#   powercut.sh --old FOLDER --new FOLDER --signer CERT [--kernel NAME] [OPTION...]
#
# with the .deb files of the one and of the other, for kernel NAME of test.sh (6.1-cloud).
#
# Results are lines of TAP. Needs root with CAP_SYS_ADMIN, loop devices, and Go; see
# test.sh for what is kept.
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
# shellcheck source-path=SCRIPTDIR
. "$here/pack.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/examine.sh"

unavailable() {
	skip "power cuts" "$1"
	finish powercut
	exit
}

# The mounts are those of a name space of our own, and end with it.
if [[ ${KOWELD_UNSHARED-} != yes ]]; then
	if ((EUID != 0)) || ! unshare --mount --pid --fork true 2>/dev/null; then
		unavailable "needs root with CAP_SYS_ADMIN: mount, chroot"
	fi
	losetup -f >/dev/null 2>&1 || unavailable "needs a loop device"
	need qemu-system-x86_64=qemu-system-x86 /usr/share/OVMF/OVMF_CODE_4M.secboot.fd=ovmf cpio=cpio \
		mmdebstrap=mmdebstrap mke2fs=e2fsprogs depmod=kmod xz=xz-utils openssl=openssl readelf=binutils ||
		unavailable "QEMU, OVMF or another package cannot be had here"
	mkdir -p "$cache"
	KOWELD_UNSHARED=yes exec unshare --mount --pid --fork --kill-child "$0" "$@"
fi

ci='' every=() each=1 keep='' lots=1 boots_wanted=3 scenarios=() kernel_name=6.1-cloud one='' old_debs='' new_debs='' signer=''
while (($# > 0)); do
	case $1 in
	--every) every=(-every) ;;
	--each)
		each=${2-}
		shift
		;;
	--keep) keep=$(realpath "${2-}") && shift ;;
	--lots)
		lots=${2-}
		shift
		;;
	--boots)
		boots_wanted=${2-}
		shift
		;;
	--old) old_debs=$(realpath "${2-}") && shift ;;
	--new) new_debs=$(realpath "${2-}") && shift ;;
	--signer) signer=$(realpath "${2-}") && shift ;;
	--kernel)
		kernel_name=${2-}
		shift
		;;
	--one) one=yes ;;
	--ci) ci=yes one=yes each=3 lots=0 boots_wanted=1 scenarios=(upgrade) ;;
	install | upgrade | remove | control) scenarios+=("$1") ;;
	*)
		sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | head -n -1 >&2
		exit 64
		;;
	esac
	shift
done
((${#scenarios[@]} > 0)) || scenarios=(install upgrade remove control)

top=$(mktemp -d "${TMPDIR:-/tmp}/koweld-powercut.XXXXXX")
trap 'cd /; umount -R "$top" 2>/dev/null; rm -rf --one-file-system "$top"' EXIT
mount -t tmpfs none "$top" || exit 1
scratch=$top
# Each disk is a copy. Where a file system can share blocks between files, it costs little.
if mkdir "$top/disks" && truncate -s 8G "$top/btrfs" && mkfs.btrfs -q "$top/btrfs" >/dev/null 2>&1 &&
	mount -o loop "$top/btrfs" "$top/disks" 2>/dev/null; then
	echo "# disks share their blocks (btrfs)"
fi
logs=$cache/log-powercut
rm -rf --one-file-system "$logs"

chapter() { printf '\n# %s\n' "$*"; }

# slim ROOT: without files that no test reads: each disk is a copy. The folders stay:
# dpkg would write anew the list of each package that had one. The initramfs that each
# run of dpkg makes is never booted, and is a small one.
slim() {
	printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n' >"$1/etc/initramfs-tools/conf.d/vm"
	find "$1"/usr/share/{doc,man,locale,info,zoneinfo} "$1"/var/{cache/apt,lib/apt/lists} "$1"/boot \
		\( -type f -o -type l \) ! -name 'config-*' -delete
}

# prepare SCENARIO: the disk before it, what is to be done in action, the sets of
# before and after in old and new.
prepare() {
	local root=$scratch/root debs package names=()
	action="dpkg -i /root/debs/*.deb"
	case $1 in
	install) old=none new=old debs=$old_debs ;;
	upgrade) old=old new=new debs=$new_debs ;;
	remove)
		old=old new=none debs=$old_debs
		for package in "$debs"/*.deb; do names+=("$(dpkg-deb -f "$package" Package)"); done
		action="dpkg -r ${names[*]}"
		;;
	control)
		old=old new=new debs=$new_debs
		# shellcheck disable=SC2016 # the guest's
		action='cd /root/new; find . -type f | while read -r f; do head -c 2000 $f >/$f; sync; tail -c +2001 $f >>/$f; sync; done'
		cp -R "$top/new-files" "$root/root/new" || return
		;;
	esac
	dpkg_install "$root" "$koweld_deb" || return
	[[ $old == none ]] || dpkg_install "$root" "$old_debs"/*.deb || return
	mkdir "$root/root/debs" && cp "$debs"/*.deb "$root/root/debs" || return
	slim "$root"
	make_disk "$root" "$cells/before" $(($(du -sm --apparent-size "$root" | cut -f1) + 96))
}

# list_sets: what each version places, $top/set-old and $top/set-new, and the names of
# the modules in $top/modules. What lies there is judged by itself at each point.
list_sets() {
	local root=$scratch/root set
	dpkg_install "$root" "$koweld_deb" || return
	for set in old new; do
		dpkg_install "$root" "$top/$set"/*.deb || return
		cat "$root"/var/lib/koweld/packages/*.sha256 | tr '\0' '\n' | sed 's|  /*|  /|' >"$top/set-$set"
		[[ -s $top/set-$set ]] || return
		sed -n 's|.*/\([^/]*\)\.ko.*|\1|p' "$top/set-$set" >>"$top/modules"
	done
	sort -u -o "$top/modules" "$top/modules"
	mkdir "$top/new-files" && (cd "$root" && sed -n 's|^[^ ]* */\(.*\.ko.*\)|\1|p' "$top/set-new" | xargs cp --parents -t "$top/new-files") || return
	cat "$top"/set-*
}

# record: the scenario in a virtual machine, whose writes are in $cells/log.
record() {
	printf 'set -e\n%s\nsync\n' "$action" >"$cells/script"
	cp --reflink=auto --sparse=auto "$cells/before" "$cells/disk" || return
	"$here/boot.sh" --no-secure-boot --record "$cells/log" --log "$logs/$scenario" "$vmlinuz" "$initrd" "$cells/disk" "$cells/script"
}

# replayed: the record is whole: it makes the very disk that the machine has left.
replayed() {
	cp --reflink=auto --sparse=auto "$cells/before" "$cells/again" &&
		"$tools/blockwrites" apply -at "$("$tools/blockwrites" list "$cells/log" | wc -l)" "$cells/log" "$cells/again" &&
		cmp "$cells/again" "$cells/disk" && rm "$cells/again" "$cells/disk"
}

# list_points: a line for each disk that is to be examined, for blockwrites.
list_points() {
	local at how seed
	"$tools/blockwrites" points "${every[@]}" "$cells/log" | while read -r at how; do
		case $how in
		kept) echo "-at $at" ;;
		lost) echo "-at $at -lose" ;;
		esac
	done
	"$tools/blockwrites" points "$cells/log" | while read -r at how; do
		for ((seed = 1; seed <= lots; seed++)); do echo "-at $at -seed $((at * 1000 + seed))"; done
	done
}

# disk_at FILE: the disk at $point, without zeros where there is nothing.
disk_at() {
	cp --reflink=auto --sparse=auto "$cells/before" "$1" || return
	# shellcheck disable=SC2086 # words
	"$tools/blockwrites" apply $point "$cells/log" "$1"
}

# contents ROOT: what the cut has left, but for logs: every name, and the bytes of
# whatever has changed since the disk was made.
contents() {
	find "$1" -xdev -path "$1/var/log" -prune -o -printf '%y %m %s %P %l\n' | sort
	find "$1" -xdev -path "$1/var/log" -prune -o -type f -newerct "@$made" -print0 | sort -z | xargs -0r sha256sum | sed "s|$1||"
}

# worker NUMBER OF: every so many points, in a mount name space of its own. What is
# found the same as at another point is not examined twice.
worker() {
	local mine=$cells/worker-$1 n=0 root point digest
	mkdir "$mine"
	: >"$mine/violations"
	root=$mine/root
	mkdir "$root"
	while read -r point; do
		((n++ % $2 == $1)) || continue
		if ! disk_at "$mine/disk" || ! mount -o loop "$mine/disk" "$root" 2>"$mine/said"; then
			violation "the disk cannot be mounted: $(cat "$mine/said")"
			sed "s|^|$point: |" "$mine/violations" >>"$mine/found"
			: >"$mine/violations"
			continue
		fi
		echo "$point" >>"$mine/points"
		digest=$(contents "$root" | sha256sum | cut -d' ' -f1)
		if mkdir "$cells/seen-$digest" 2>/dev/null; then
			echo "$point" >>"$mine/distinct"
			mount -t proc none "$root/proc"
			mount --bind /dev "$root/dev"
			if [[ $scenario == control ]]; then judge "$root" "in place"; else examine "$root"; fi
			sed "s|^|$point: |" "$mine/violations" >>"$mine/found"
			: >"$mine/violations"
			umount "$root/proc" "$root/dev"
		fi
		umount "$root"
	done <"$cells/points"
	echo "$1" >"$mine/ended"
}

# lines FILE...: how many there are in all of them.
lines() { cat "$@" 2>/dev/null | wc -l; }

# boots: some of the disks whose run was interrupted are booted: the unit of the boot
# ends it before udev, and the driver loads.
boots() {
	local point n=0 chosen
	mapfile -t chosen < <(cat "$cells"/worker-*/open 2>/dev/null | shuf -n "$boots_wanted" --random-source=<(yes))
	((${#chosen[@]} > 0)) || chosen=("-at 0")
	for point in "${chosen[@]}"; do
		n=$((n + 1))
		check "$scenario, booted $point: the boot ended the run before udev; what is placed loads under Secure Boot" booted "$n"
		booted=$((booted + 1))
	done
}

booted() {
	disk_at "$cells/booted" &&
		"$here/boot.sh" --systemd --db "$signer" --log "$logs/$scenario-$1" "$vmlinuz" "$initrd" "$cells/booted" \
			"$here/recovered.sh" "$top/modules"
}

# story SCENARIO: from the record to the figures.
story() {
	local jobs i n
	scenario=$1
	cells=$top/disks/$1
	mkdir "$cells"
	chapter "Power is cut in: $1"
	step "$1: a Debian with a kernel" kernel_root "$scratch/root" && {
		vmlinuz=$top/vmlinuz initrd=$top/vm.initrd
		cp "$(vmlinuz_of "$scratch/root" "$kernel")" "$vmlinuz"
		(cd "$scratch/root" && find usr/lib/modules -name '*.ko*') | sed 's|^|/|' >"$cells/kernels"
		step "$1: an initramfs for the test" make_initrd "$scratch/root" "$kernel" "$initrd"
	} && step "$1: a disk as it is before" prepare "$1" || return
	leave "$scratch/root"
	rm -rf --one-file-system "$scratch/root"
	made=$(date +%s)
	step "$1: dpkg runs in a virtual machine, and ends well" record || return
	check "$1: the record makes the very disk that the machine left (cmp)" replayed
	list_points | awk -v each="$each" 'NR % each == 0' >"$cells/points"
	[[ -z $keep ]] || { mkdir -p "$keep/$1" && cp --sparse=always "$cells"/{before,log,points,kernels} "$keep/$1"; }

	jobs=$(nproc)
	for ((i = 0; i < jobs; i++)); do worker "$i" "$jobs" & done
	wait
	n=$(lines "$cells/points")
	check "$1: each disk was examined" [ "$(lines "$cells"/worker-*/points)" -eq "$n" -a "$(lines "$cells"/worker-*/ended)" -eq "$jobs" ]
	printf '# %s: %d writes and flushes recorded; %d disks, of which %d differ in what they hold; %d with an interrupted run of koweld\n' \
		"$1" "$("$tools/blockwrites" list "$cells/log" | wc -l)" "$n" "$(lines "$cells"/worker-*/distinct)" "$(lines "$cells"/worker-*/open)"
	points=$((points + n)) distinct=$((distinct + $(lines "$cells"/worker-*/distinct)))
	if [[ $1 == control ]]; then
		check "$1: the judges find the half files of a script that writes in place: $(lines "$cells"/worker-*/found)" some_violations
	else
		figures
		check "$1: $n disks, $(lines "$cells"/worker-*/found) violations" no_violations
		((boots_wanted == 0)) || boots
	fi
	rm -rf --one-file-system "$cells"
}

# figures: what became of the sets.
figures() {
	local i
	for i in recover repair configure again; do
		printf '#   set after %-10s %s\n' "$i:" "$(sort "$cells"/worker-*/"sets-$i" | uniq -c | awk '{ printf "%s%s (%d)", sep, $2, $1; sep = ", " }')"
	done
	printf '#   koweld repair had to leave it to dpkg, between packages of an upgrade: %d\n' "$(lines "$cells"/worker-*/between)"
	printf '#   dpkg --configure -a could not do alone: %d; different roots after it: %d\n' \
		"$(lines "$cells"/worker-*/not-configured)" "$(lines "$cells"/worker-*/ends)"
}

some_violations() { grep "is not whole" "$cells"/worker-*/found | head -n 3; }
no_violations() { ! cat "$cells"/worker-*/found 2>/dev/null | grep ''; }

# example: the example driver in two versions, signed by a key of this run.
example() {
	local version
	make_key signer || return
	signer=$top/signer.pem old_debs=$top/example-1.0-signer new_debs=$top/example-1.1-signer
	for version in 1.0 1.1; do build_example "$version" || return; done
	[[ -z $one ]] || in_one
}

# in_one: the packages of each version as one.
in_one() {
	local version deb
	for version in 1.0 1.1; do
		for deb in "$top/example-$version-signer"/*.deb; do
			dpkg-deb -x "$deb" "$top/tree-$version" && rm "$deb" || return
		done
		pack "$top/tree-$version" "$version" && mv "$packed" "$top/example-$version-signer" || return
	done
}

points=0 distinct=0 booted=0
build_tools || exit 1
[[ -z $ci ]] || at_hand "$kernel_name" || unavailable "the archive does not answer in time"
step "the packages of koweld are built" koweld_packages
step "a kernel of Debian" find_kernel "$kernel_name"
[[ -n $old_debs$new_debs$signer ]] || step "the example driver is built, in two versions" example
ln -s "${old_debs:-none}" "$top/old"
ln -s "${new_debs:-none}" "$top/new"
step "a Debian with the kernel" kernel_root "$scratch/root" &&
	step "both versions place a set" list_sets
((tap_failed == 0)) || {
	finish powercut
	exit 1
}
mapfile -t modules <"$top/modules"
leave "$scratch/root"
rm -rf --one-file-system "$scratch/root"
for scenario in "${scenarios[@]}"; do story "$scenario"; done
printf '# %d disks, %d of them different, %d booted\n\n' "$points" "$distinct" "$booted"
finish powercut
