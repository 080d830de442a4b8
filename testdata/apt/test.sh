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
# $KOWELD_DEBS; --small makes them if they are not there. Of each release 1 GB is kept in
# ${XDG_CACHE_HOME:-~/.cache}/koweld/apt. KOWELD_APT names what is tried: units, life,
# streams, images.
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
. "$here/../deb/built.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/roots.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/chroot.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/driver.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/life.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/streams.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/images.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/units.sh"
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
need dpkg-scanpackages=dpkg-dev mmdebstrap=mmdebstrap openssl=openssl getfattr=attr || exit 1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/apt
work=$cache
mkdir -p "$cache"

scratch=$(mktemp -d)
root=$scratch/root
builder=$scratch/builder
trap 'cd /; umount -R "$scratch" 2>/dev/null; rm -rf --one-file-system "$scratch"' EXIT
mount -t tmpfs none "$scratch" || exit 1
packages=${KOWELD_DEBS:-$here/../../build/deb}
if [[ -n $small ]]; then
	packages=${KOWELD_DEBS:-$scratch/packages}
	built "$packages"
fi
packages=$(cd "$packages" && pwd) || exit
dpkg-deb --fsys-tarfile "$packages"/koweld_*_amd64.deb | tar -x -O ./usr/bin/koweld >"$scratch/koweld" &&
	chmod +x "$scratch/koweld" || exit 1

wanted() { [[ -z ${KOWELD_APT-} || " $KOWELD_APT " == *" $1 "* ]]; }

# try: all that is tried on one.
try() {
	local failed=$tap_failed
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
	((tap_failed == failed)) || return

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
		if [[ -n $small ]]; then streams 6 5; else streams 60 100; fi
	fi
	check "the system is put away" leave
	if wanted images && [[ $release == bookworm && -z $small ]]; then images; fi
}

for release in "${releases[@]}"; do
	kernel=$(kernel_of "$release") || {
		skip "systems of $release" "the archive does not answer in time"
		continue
	}
	kernel_image=linux-image-$kernel
	mapfile -t kernel_packages < <(kernel_packages_of "$release")
	((${#kernel_packages[@]} > 0)) || kernel_packages=("$kernel_image") # it does not answer, but may be at hand
	if [[ -n $small ]]; then
		# That takes packages by the hundred: an archive may be too slow for CI.
		bootstrap_limit=400
		roots "$release" >&2 || {
			skip "systems of $release" "the archive does not answer in time"
			continue
		}
	fi
	check "$release: roots of its packages are at hand" roots "$release" || continue
	download "$release" "${kernel_packages[@]}"
	kernel_debs=("${debs[@]}")
	driver_of "$kernel"
	try
	rm -rf --one-file-system "$scratch"/[1-4].[0-9] "$scratch/damaged"
done
finish apt
