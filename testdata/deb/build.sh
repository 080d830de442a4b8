#!/bin/bash
# Makes the source package and the packages of this work tree without the
# network, and prints what lintian says of them, which must be nothing.
#
#   build.sh FOLDER    leaves the packages there
#
# As root it installs what is missing, by name. Go may be any 1.26 on PATH.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR
. testdata/sh/packages.sh
# shellcheck source-path=SCRIPTDIR
. testdata/deb/tree.sh

if (($# != 1)); then
	echo "usage: ${0##*/} FOLDER" >&2
	exit 64
fi
need go=golang-1.26 dh=debhelper lintian=lintian dpkg-buildpackage=dpkg-dev git=git xz=xz-utils gcc=build-essential \
	depmod=kmod ld.bfd=binutils openssl=openssl
mkdir -p "$1"
out=$(cd "$1" && pwd)
rm -rf "$out"/koweld-*/ # of a build that was cut off
rm -f "$out"/koweld* "$out"/dh-koweld*

tarball=$(testdata/deb/dist.sh "$out")
tree=$out/koweld-$(upstream_version)
rm -rf "$tree"
tar -x -C "$out" -f "$tarball"
tracked debian | tar -x -C "$tree"

# -d: Go may be on PATH without being a package; debian/rules fails if it is too
# old. In a network namespace of its own where that can be had.
alone=()
if unshare --net true 2>/dev/null; then alone=(unshare --net); fi
(cd "$tree" && "${alone[@]}" dpkg-buildpackage --no-sign --no-check-builddeps --build=full) >"$out/koweld.build" 2>&1 || {
	tail -n 40 "$out/koweld.build" >&2
	exit 1
}
rm -rf "$tree"
(cd "$out" && ls -- *.deb)
echo "lintian:"
lintian --allow-root --fail-on error,warning --display-info "$out"/koweld_*.changes
