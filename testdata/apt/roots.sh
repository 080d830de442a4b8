# Sourced by scripts, after packages.sh and apt.sh: roots of Debian's packages by
# mmdebstrap, made once for each kernel and kept as archives in $cache/RELEASE:
#
#   base.tar     a system with all that a kernel depends on, and systemd
#   base.debs    the packages of it, for systems that are made without the network
#   build.tar    a compiler, debhelper and the headers of the kernel
#   kernel       what kernel they are for
# shellcheck shell=bash disable=SC2154 # $cache, $work, $scratch, and functions of the others

# kernel_of RELEASE: the one that linux-image-cloud-amd64 now means.
kernel_of() {
	local options
	lists "$1" && private "$1"
	apt-cache "${options[@]}" show --no-all-versions linux-image-cloud-amd64 |
		sed -n 's/^Depends:.* linux-image-\([0-9][^ ,]*\).*/\1/p'
}

# bootstrap RELEASE FILE INCLUDE OPTION...
bootstrap() {
	local release=$1 file=$2 include=$3
	shift 3
	rm -f "$file.part"
	TMPDIR=$scratch retry mmdebstrap --quiet --format=tar --variant=apt --include="$include" \
		--aptopt='Acquire::Retries "3"' --aptopt='Acquire::http::Timeout "30"' --aptopt='Acquire::Languages "none"' \
		"$@" "$release" "$file.part" "$work/apt/$release/sources.list" && mv "$file.part" "$file"
}

# base RELEASE and build_root RELEASE: see above.
base() {
	[[ ! -s $cache/$1/base.tar ]] || return 0
	rm -rf "$cache/$1/base.debs"
	mkdir -p "$cache/$1/base.debs"
	bootstrap "$1" "$cache/$1/base.tar" "initramfs-tools,linux-base,kmod,zstd,systemd,udev" \
		--skip=download/empty --skip=essential/unlink --skip=cleanup/apt/cache \
		--customize-hook="sync-out /var/cache/apt/archives $cache/$1/base.debs" \
		--customize-hook='rm -f "$1"/var/cache/apt/archives/*.deb' &&
		rm -rf "$cache/$1/base.debs"/{lock,partial}
}

build_root() {
	[[ ! -s $cache/$1/build.tar ]] || return 0
	bootstrap "$1" "$cache/$1/build.tar" "build-essential,debhelper,openssl,kmod,zstd,linux-headers-$kernel"
}

# roots RELEASE: both, and the kernel's package; $kernel says which it is. They
# are made anew when the release has a new kernel; if the archive does not answer,
# those at hand will do.
roots() {
	local now
	kernel=$(cat "$cache/$1/kernel" 2>/dev/null)
	now=$(kernel_of "$1")
	if [[ -n $now && $now != "$kernel" ]]; then
		rm -rf "${cache:?}/$1" "$cache/debs/$1"
		kernel=$now
		mkdir -p "$cache/$1"
	fi
	[[ -n $kernel ]] && base "$1" && build_root "$1" && download "$1" "linux-image-$kernel" &&
		[[ -s ${debs[0]} ]] && echo "$kernel" >"$cache/$1/kernel"
}
