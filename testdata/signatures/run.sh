#!/bin/bash
# Debian's own signatures, every one: fetches five kernels, unpacks them and has
# tools/signatures check their modules. After --cloud it takes the smallest pair
# alone. Other arguments go to tools/signatures: --sample N.
#
# Needs Go, and the first time the network: see fetch.sh. 1.5 GB of disk while
# it runs.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"

need flock=util-linux dpkg-deb=dpkg tar=tar xz=xz-utils lz4=lz4 openssl=openssl
what=all
if [[ ${1-} == --cloud ]]; then
	what=cloud
	shift
fi
pairs=$what others=()
[[ $what == cloud ]] || pairs=pairs others=(6.1 6.12 7)
cache=$("$here/fetch.sh" "$what")
work=$(mktemp -d "$cache/unpacked-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# unpack TREE DEB...
unpack() {
	local tree=$1 deb
	shift
	mkdir -p "$tree"
	for deb in "$@"; do
		dpkg-deb -x "$deb" "$tree"
	done
}

# release DEB...: the kernel that the first package is named after.
release() { basename "$1" | sed 's/^linux-[a-z]*-//; s/_.*//'; }

printf '%s unpacking\n' "$(date +%T)" >&2
trees=()
for deb in "$cache/$pairs"/*-amd64_*.deb; do
	kernel=$(release "$deb")
	tree=$work/$kernel
	unpack "$tree/signed" "$deb"
	unpack "$tree/unsigned" "$cache/$pairs/linux-image-$kernel-unsigned"_*.deb
	mkdir "$tree/detached"
	tar -xf "$cache/$pairs"/linux-signed-amd64_*.tar.xz -C "$tree/detached" --strip-components=4 \
		"source-template/debian/signatures/linux-image-$kernel-unsigned"
	trees+=("$tree")
done
for series in "${others[@]}"; do
	tree=$work/$(release "$cache/$series"/*.deb)
	unpack "$tree/signed" "$cache/$series"/*.deb
	trees+=("$tree")
done

cd "$here/../.."
CGO_ENABLED=0 go build -buildvcs=false -o "$work/signatures" ./tools/signatures
"$work/signatures" "$@" "${trees[@]}"
