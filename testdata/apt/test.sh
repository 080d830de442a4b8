#!/bin/bash
# koweld in real systems of Debian's releases. For each, mmdebstrap makes a system
# and one to build in; the example of dh-koweld is compiled there by the release's
# compiler against its headers; and apt installs it from a local repository in a
# chroot that is thrown away, beside the kernel of that release. See life.sh,
# streams.sh, images.sh and units.sh for what is then tried. Results are lines of TAP.
#
#   test.sh [RELEASE...]   bullseye (where /usr is split), bookworm, trixie and sid
#   test.sh --small        what CI runs: bookworm, less of it
#
# Needs root with CAP_SYS_ADMIN, and the packages of "make deb" in build/deb, or in
# $KOWELD_DEBS. 600 MB for each release are kept in ${XDG_CACHE_HOME:-~/.cache}/koweld/apt.
# KOWELD_APT names what is tried, "streams images" say.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
for part in sh/tap sh/packages sh/apt sh/tree apt/roots apt/chroot apt/driver apt/life apt/streams apt/images apt/units; do
	# shellcheck source=/dev/null
	. "$here/../$part.sh"
done
unshared apt "$0" "$@"

small=
if [[ ${1-} == --small ]]; then
	small=yes
	shift
	releases=(bookworm)
else
	releases=("$@")
	((${#releases[@]} > 0)) || releases=(bullseye bookworm trixie sid)
fi
packages=$(cd "${KOWELD_DEBS:-$here/../../build/deb}" && pwd) || exit
need dpkg-scanpackages=dpkg-dev mmdebstrap=mmdebstrap openssl=openssl || exit 1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/apt
work=$cache
mkdir -p "$cache"

scratch=$(mktemp -d)
root=$scratch/root
builder=$scratch/builder
trap 'cd /; umount -R "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
mount -t tmpfs none "$scratch" || exit 1
dpkg-deb --fsys-tarfile "$packages"/koweld_*_amd64.deb | tar -x -O ./usr/bin/koweld >"$scratch/koweld" &&
	chmod +x "$scratch/koweld" || exit 1

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

wanted() { [[ -z ${KOWELD_APT-} || " $KOWELD_APT " == *" $1 "* ]]; }

there() { cat "$scratch/roots" && return "$1"; }

# try: all that is tried on one.
try() {
	chapter "Debian $release, Linux $kernel: the driver is built there"
	check "a system to build in" builder "$release"
	check "version 1.0 is built" build 1.0
	if wanted life; then
		check "version 1.1 is built" build 1.1
		check "and 1.2, whose preinst fails" repacked
		check "version 1.3 is built" build 1.3
		check "its objects are damaged" damage_objects
	fi
	if wanted streams && [[ $release == bookworm ]]; then
		check "2.0 of stream alpha is built" build 2.0 stream_alpha
		check "3.0 of stream beta is built" build 3.0 stream_beta
		check "a driver that is a stranger is built" build 4.0 stranger
	fi
	check "the system to build in is put away" end_builder
	((tap_failed == 0)) || return

	chapter "A system of $release"
	check "it is made" enter "$release"
	if [[ $release == bullseye ]]; then
		check "its /usr is split: /lib is a folder" is_split
	else
		check "its /usr is merged: /lib is a link" is_merged
	fi
	check "a repository is made" publish "${kernel_debs[@]}" "$packages"/koweld_*_amd64.deb "$scratch"/1.0/*.deb
	files >"$scratch/empty"
	if wanted units; then boot_units; fi
	if wanted life; then life "$small"; fi
	if wanted streams && [[ $release == bookworm ]]; then
		if [[ -n $small ]]; then streams 10 10; else streams 60 100; fi
	fi
	check "the system is put away" leave
	if wanted images && [[ $release == bookworm ]]; then images; fi
}

for release in "${releases[@]}"; do
	# Not by check, for it says which kernel it is.
	roots "$release" >"$scratch/roots" 2>&1
	check "$release: roots of its packages are at hand" there "$?" || continue
	kernel_debs=("${debs[@]}")
	kernel_image=linux-image-$kernel
	driver_of "$kernel"
	try
	rm -rf --one-file-system "$scratch"/[1-4].[0-9] "$scratch/damaged"
	((tap_failed == 0)) || break
done
finish apt
