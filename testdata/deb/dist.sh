#!/bin/bash
# Makes the source tarball: what git has of this work tree, and the Go modules
# that go.sum pins in vendor/. The same tree gives the same bytes.
#
#   dist.sh FOLDER     writes koweld_VERSION.orig.tar.xz there, and its name
#
# debian/ is not in it: it comes beside, as in any source package of Debian.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR
. testdata/deb/tree.sh

if (($# != 1)); then
	echo "usage: ${0##*/} FOLDER" >&2
	exit 64
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(upstream_version)
top=$work/koweld-$version

mkdir "$top"
tracked . | tar -x -C "$top"
rm -rf "$top/debian"
(cd "$top" && go mod verify && go mod vendor) >&2

# Each module's licence is told: a new one must not slip in.
missing=$(sed -n 's/^# \([^ ]*\) .*/\1/p' "$top/vendor/modules.txt" |
	while read -r module; do grep -qF " vendor/$module/" debian/copyright || echo "$module"; done)
if [[ -n $missing ]]; then
	printf 'debian/copyright does not tell of: %s\n' "$missing" >&2
	exit 1
fi

tarball=koweld_$version.orig.tar.xz
tar -C "$work" --create --format=gnu --sort=name --owner=0 --group=0 --numeric-owner \
	--mode=u+rw,go=rX --mtime="@$(epoch)" "koweld-$version" |
	xz -6 --threads=1 >"$out/$tarball"
echo "$out/$tarball"
