# Sourced by the scripts beside: drivers that Debian ships as source for DKMS,
# built as DKMS builds them (dkms(8), "DKMS.CONF"), without DKMS.
# shellcheck shell=bash disable=SC2034,SC2154 # names of set.sh

# Names without their -dkms. What is not here does not build against bookworm's
# 6.1: lttng-modules, openrazer-driver, librem-ec-acpi and west-chamber; openafs
# configures for a quarter of an hour.
dkms_6_1="
	dahdi
	xtables-addons
	gost-crypto
	digimend
	jool
	tp-smapi
	ddcci
	nat-rtsp
	rapiddisk
	broadcom-sta
	acpi-call
	adv-17v35x
	apfs
	bbswitch
	dm-writeboost
	dpdk-kmods
	evdi
	falcosecurity-scap
	langford
	lime-forensics
	openvpn-dco
	r8125
	r8168
	rtpengine-kernel
	v4l2loopback
	vpoll
	xtrx
	zfs
"


# build_dkms PACKAGE [PATCH]: its modules, collected. PATCH is a command to run
# in the source before.
build_dkms() {
	local headers kernel source
	need_headers_6_1
	headers=$(installed_headers)
	kernel=${headers#*/linux-headers-}
	download bookworm "$1:amd64"
	source=$work/dkms/$1
	rm -rf "$source"
	unpack "$source" "${debs[0]}"
	dkms_make "$source" "$source/usr/src"/*/dkms.conf "$kernel" "${2-:}" ||
		failed "$1: ended with $?"
	collect "$kernel" x86_64 "$source" "$headers"
	rm -rf "$source"
	touch "$set/index.tsv" # a package of which nothing builds is told of, once
}

# dkms_make TREE CONF KERNEL PATCH: what dkms build does with the configuration,
# which is a script that sets variables and may ask for DKMS's own.
dkms_make() (
	set +eu
	local dkms_tree=$1/dkms kernelver=$3 arch=x86_64 build i
	local kernel_source_dir=/lib/modules/$kernelver/build source_tree=$1/usr/src
	cd "${2%/*}" || exit
	# shellcheck disable=SC1090
	. "$2"
	build=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build
	mkdir -p "${build%/*}"
	mv "${2%/*}" "$build"
	cd "$build" || exit
	for i in "${PATCH[@]}"; do patch -p1 <"patches/$i" || exit; done
	$4 || exit
	# zfs has its arguments on lines of their own.
	if [[ -n $PRE_BUILD ]]; then bash -c "./${PRE_BUILD//$'\n'/ }" || exit; fi
	MAKEFLAGS=-j$(nproc) bash -c "${MAKE[0]:-make -C $kernel_source_dir M=$build}"
)

# nvidia_open: the driver calls a function whose signature a stable update of
# the kernel changed.
nvidia_open() {
	sed -i 's/\(pci_resize_resource([^;]*\));/\1, 0);/' nvidia/nv-pci.c
}

# nvidia SET.
nvidia() {
	local tree headers
	case $1 in
	*-535)
		"$here/../nvidia/build.sh"
		headers=$(installed_headers)
		tree=$(find "${work%/corpus/*}/nvidia" -maxdepth 2 -name source | sort -V | tail -1)
		collect "${headers#*/linux-headers-}" x86_64 "$tree" "$headers"
		;;
	*-470) build_dkms nvidia-tesla-470-kernel-dkms ;;
	*-open) build_dkms nvidia-open-kernel-dkms nvidia_open ;;
	esac
}
