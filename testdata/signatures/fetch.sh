#!/bin/bash
# Downloads Debian's kernels with their signatures and prints the folder that
# holds them:
#
#	fetch.sh             all, 510 MB the first time
#	fetch.sh cloud       the smallest pair alone, 45 MB and lists of 17 MB
#
#   cloud/           the image packages signed and -unsigned of
#                    5.10.0-32-cloud-amd64 in bullseye, and the source package
#                    with the detached signatures
#   pairs/           the image packages signed and -unsigned of 5.10.0-32-amd64
#                    and -cloud-amd64 in bullseye, and the source package with
#                    the detached signatures; since 6.1.148 Debian signs within
#                    the build and publishes no such pairs any more
#   6.1/ 6.12/ 7/    the newest kernel of bookworm, trixie and trixie-backports
#                    at the time of the download
#
# Everything is kept in ${XDG_CACHE_HOME:-~/.cache}/koweld/signatures; remove a
# folder there for newer packages. The host's apt sources are not touched, and
# nothing is installed.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/signatures
key=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }

die() {
	printf '%s\n' "$*" >&2
	exit 1
}

# private: the options by which apt has sources and state of its own.
private=(
	-o Dir::Etc::SourceList="$cache/apt/sources.list"
	-o Dir::Etc::SourceParts=-
	-o Dir::State::Lists="$cache/apt/lists"
	-o Dir::Cache="$cache/apt/cache"
	-o APT::Sandbox::User="$(id -un)"
	-o Acquire::Languages=none
	-o APT::Update::Error-Mode=any # a list that cannot be had is one to retry
	-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
)

what=${1-all}
[[ $# -le 1 && $what =~ ^(all|cloud)$ ]] || {
	echo "usage: ${0##*/} [cloud]" >&2
	exit 64
}

updated=
# update: the lists of all suites, once a run.
update() {
	[[ -z $updated ]] || return 0
	updated=yes
	mkdir -p "$cache"/apt/{lists,cache/archives}/partial
	cat >"$cache/apt/sources.list" <<-END
		deb [arch=amd64 signed-by=$key] http://deb.debian.org/debian bullseye main
		deb-src [signed-by=$key] http://deb.debian.org/debian bullseye main
	END
	[[ $what == all ]] && cat >>"$cache/apt/sources.list" <<-END
		deb [arch=amd64 signed-by=$key] http://deb.debian.org/debian bookworm main
		deb [arch=amd64 signed-by=$key] http://deb.debian.org/debian-security bookworm-security main
		deb [arch=amd64 signed-by=$key] http://deb.debian.org/debian trixie main
		deb [arch=amd64 signed-by=$key] http://deb.debian.org/debian-security trixie-security main
		deb [arch=amd64 signed-by=$key] http://deb.debian.org/debian trixie-backports main
	END
	say "reading the lists of Debian's suites"
	retry apt-get "${apt_options[@]}" "${private[@]}" -q update ||
		say "apt-get update failed; going on with the lists at hand"
}

# newest REGEX: the last, by version order, of the packages whose whole name
# matches.
newest() {
	apt-cache "${private[@]}" pkgnames | grep -Ex "$1" | sort -V | tail -1
}

# folder NAME COMMAND...: runs the command in the folder of that name, unless
# it did its work there before.
folder() {
	local name=$1
	shift
	[[ ! -d $cache/$name ]] || return 0
	rm -rf "$cache/$name.part"
	mkdir -p "$cache/$name.part"
	(cd "$cache/$name.part" && "$@") || die "cannot download the packages of Linux $name"
	mv "$cache/$name.part" "$cache/$name"
}

# packages REGEX...: downloads the newest package of each.
packages() {
	local regex package
	update
	for regex in "$@"; do
		package=$(newest "$regex") || die "no package is called $regex"
		say "downloading $package"
		retry apt-get "${apt_options[@]}" "${private[@]}" -q download "$package" || return
	done
}

detached() {
	update
	retry apt-get "${apt_options[@]}" "${private[@]}" -q source --download-only \
		linux-signed-amd64=5.10.223+1
}

pairs() { packages linux-image-5.10.0-32-{,cloud-}amd64{,-unsigned} && detached; }

# cloud: from what is there already, if it is.
cloud() {
	if [[ -d $cache/pairs ]]; then
		ln "$cache"/pairs/*-cloud-amd64* "$cache"/pairs/linux-signed-amd64_* .
	else
		packages linux-image-5.10.0-32-cloud-amd64{,-unsigned} && detached
	fi
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 1800 9 || die "another download holds $cache/lock"
command -v apt-get >/dev/null || die "this needs apt-get, and Debian's keys in $key"

if [[ $what == cloud ]]; then
	folder cloud cloud
	printf '%s\n' "$cache"
	exit
fi
folder pairs pairs
folder 6.1 packages 'linux-image-6\.1\.0-[0-9]+-amd64'
folder 6.12 packages 'linux-image-6\.12\.[0-9.]+\+deb13-amd64'
folder 7 packages 'linux-binary-7\.[0-9.]+\+deb13-amd64' 'linux-modules-7\.[0-9.]+\+deb13-amd64'
printf '%s\n' "$cache"
