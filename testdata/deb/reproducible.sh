#!/bin/bash
# Builds the packages twice from one source package: in folders of other names
# and depths, with other times, time zones, locales, umasks and numbers of
# processors. Every byte must be the same.
#
#   reproducible.sh FOLDER    where build.sh has left the source package and the first packages
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
# shellcheck source-path=SCRIPTDIR
. testdata/sh/tap.sh
# shellcheck source-path=SCRIPTDIR
. testdata/deb/tree.sh

if (($# != 1)); then
	echo "usage: ${0##*/} FOLDER" >&2
	exit 64
fi
first=$(cd "$1" && pwd) || exit
work=$(mktemp -d "${TMPDIR:-/tmp}/koweld-second.XXXXXX")
trap 'rm -rf "$work"' EXIT
second=$work/a/deeper/place

again() {
	mkdir -p "$second" &&
		dpkg-source --no-check -x "$first"/koweld_*.dsc "$second/of-another-name" &&
		cd "$second/of-another-name" &&
		umask 027 &&
		TZ=Pacific/Chatham LC_ALL=C.UTF-8 LANGUAGE=de HOME=$work taskset 1 \
			env DEB_BUILD_OPTIONS='nocheck parallel=1' \
			dpkg-buildpackage --no-sign --no-check-builddeps --build=binary
}

same_tarball() {
	local tarball
	tarball=$(testdata/deb/dist.sh "$work/dist") && cmp "$tarball" "$first/${tarball##*/}"
}

check "the source tarball is made again" same_tarball
check "the packages are built again" again
for deb in "$first"/*.deb; do
	check "${deb##*/} has the same bytes (cmp)" cmp "$deb" "$second/${deb##*/}"
done
finish "reproducible"
