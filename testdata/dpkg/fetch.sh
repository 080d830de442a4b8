#!/bin/bash
# Fetches dpkg of several releases of Debian with the libraries it needs, and
# prints a line for each: RELEASE, VERSION and the folder whose bin/ goes first
# on PATH for a dpkg of that version.
#
#   fetch.sh [RELEASE...]     bullseye bookworm trixie sid
#
# The programs in bin/ run those of root/ beside by the ld.so and the libraries
# of that release, whatever the host is; the packages are unpacked, not
# installed. Everything is kept in ${XDG_CACHE_HOME:-~/.cache}/koweld/dpkg:
# remove a release's folder there for a newer dpkg. What cannot be had is told,
# and the others are fetched all the same.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/apt.sh"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/dpkg
releases=(bullseye bookworm trixie sid)
work=$cache/work

die() {
	printf '%s\n' "$*" >&2
	exit 1
}

# wrappers FOLDER: bin/ for the dpkg in root/. Nothing of it is in the
# environment, so that maintainer scripts run the host's programs as ever.
wrappers() {
	local program interpreter
	interpreter=$(cd "$1/root" && find . -name ld-linux-x86-64.so.2 -printf '%P\n' -quit)
	[[ -n $interpreter ]] || return
	mkdir -p "$1/bin"
	for program in "$1"/root/usr/bin/dpkg{,-*}; do
		# Some are scripts, which need nothing but the host's sh and perl.
		[[ $(head -c 4 "$program") == $'\x7fELF' ]] || continue
		program=${program##*/}
		cat >"$1/bin/$program" <<-END
			#!/bin/sh
			root=\${0%/*}/../root
			exec "\$root/$interpreter" --library-path "\$root/usr/lib/x86_64-linux-gnu:\$root/lib/x86_64-linux-gnu" "\$root/usr/bin/$program" "\$@"
		END
		chmod +x "$1/bin/$program"
	done
}

# fetch RELEASE: a folder gets its name when it is complete.
fetch() (
	set -e
	[[ ! -d $cache/$1 ]] || return 0
	rm -rf "$cache/$1.part"
	mkdir -p "$cache/$1.part"
	closure "$cache/$1.part/root" "$1" dpkg
	wrappers "$cache/$1.part"
	"$cache/$1.part/bin/dpkg" --version >/dev/null
	mv "$cache/$1.part" "$cache/$1"
)

version() { "$cache/$1/bin/dpkg" --version | sed -n '1s/.* version \([^ ]*\) .*/\1/p'; }

mkdir -p "$work"
exec 9>"$cache/lock"
flock -w 1800 9 || die "another download holds $cache/lock"
broken=0
for release in "${@:-${releases[@]}}"; do
	# No operand of "if" or "||": there set -e would count for nothing in it.
	fetch "$release"
	code=$?
	if ((code == 0)); then
		printf '%-9s %-8s %s\n' "$release" "$(version "$release")" "$cache/$release"
	else
		printf 'cannot fetch dpkg of %s\n' "$release" >&2
		broken=1
	fi
done
rm -rf "$work"
exit "$broken"
