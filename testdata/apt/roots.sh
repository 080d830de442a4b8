# Sourced by scripts, after packages.sh and apt.sh: roots of Debian's packages by
# mmdebstrap, made once for each kernel and kept as archives in $cache/RELEASE:
#
#   base.tar     a system with all that a kernel depends on, and systemd
#   base.debs    the packages of it, for systems that are made without the network
#   build.tar    a compiler, debhelper and the headers of the kernel
#   kernel       what kernel they are for
# shellcheck shell=bash disable=SC2154,SC2016 # $cache, $work, $scratch; $1 of hooks

# kernel_of RELEASE: the one that linux-image-cloud-amd64 now means, or that of the
# roots at hand if the archive does not answer.
kernel_of() {
	local options
	lists "$1"
	private "$1"
	apt-cache "${options[@]}" show --no-all-versions linux-image-cloud-amd64 2>/dev/null |
		sed -n 's/^Depends:.* linux-image-\([0-9][^ ,]*\).*/\1/p' | grep . || cat "$cache/$1/kernel"
}

# kernel_packages_of RELEASE: those that $kernel consists of, the one with the scripts
# first: one, or since Linux 7.2 several.
kernel_packages_of() {
	local options name
	lists "$1"
	private "$1"
	for name in linux-{image,modules,binary,base}-"$kernel"; do
		! apt-cache "${options[@]}" show "$name" >/dev/null 2>&1 || echo "$name"
	done
}

# bootstrap RELEASE FILE INCLUDE OPTION...: three tries of $bootstrap_limit seconds.
bootstrap() {
	local release=$1 file=$2 include=$3
	shift 3
	rm -f "$file.part"
	limit=${bootstrap_limit:-1800} TMPDIR=$scratch retry mmdebstrap --quiet --format=tar --variant=apt --include="$include" \
		--aptopt='Acquire::Retries "3"' --aptopt='Acquire::http::Timeout "30"' --aptopt='Acquire::Languages "none"' \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		"$@" "$release" "$file.part" "$work/apt/$release/sources.list" && mv "$file.part" "$file"
}

# base RELEASE and build_root RELEASE: see above.
base() {
	[[ ! -s $cache/$1/base.tar ]] || return 0
	rm -rf --one-file-system "$cache/$1/base.debs"
	mkdir -p "$cache/$1/base.debs"
	bootstrap "$1" "$cache/$1/base.tar" "initramfs-tools,linux-base,kmod,zstd,systemd,udev" \
		--skip=download/empty --skip=essential/unlink --skip=cleanup/apt/cache \
		--customize-hook="sync-out /var/cache/apt/archives $cache/$1/base.debs" \
		--customize-hook='rm -f "$1"/var/cache/apt/archives/*.deb' &&
		rm -rf --one-file-system "$cache/$1/base.debs"/{lock,partial}
}

build_root() {
	[[ ! -s $cache/$1/build.tar ]] || return 0
	bootstrap "$1" "$cache/$1/build.tar" "build-essential,debhelper,openssl,kmod,zstd,linux-headers-$kernel" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*'
}

# roots RELEASE: both for $kernel, and its package. They are made anew when the
# release has a new kernel.
roots() {
	if [[ $(cat "$cache/$1/kernel" 2>/dev/null) != "$kernel" ]]; then
		rm -rf --one-file-system "${cache:?}/$1" "$cache/debs/$1"
		mkdir -p "$cache/$1"
		echo "$kernel" >"$cache/$1/kernel"
	fi
	base "$1" && build_root "$1" && download "$1" "${kernel_packages[@]}" && [[ -s ${debs[0]} ]]
}
