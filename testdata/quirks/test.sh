#!/bin/bash
# LP: #1982534 from its first upgrade to its last file, by apt: the certified
# libgcrypt20-hmac of Ubuntu 20.04 puts its digest into /lib, where the library is no
# longer, and its reader fails. The packages are toys of the same names and versions
# (toys.sh); dpkg, apt, usrmerge and koweld's package are real. Each path of paths.sh
# is gone in a copy of a system with /usr split and of one with /usr merged, where it
# has a meaning. Results are lines of TAP.
#
#   test.sh [PATH...]   these, or all, and then the quirks of Debian's own packages
#   test.sh debian      those alone
#   test.sh --small     what CI runs: less of it
#
# Needs root with CAP_SYS_ADMIN, and the packages of "make deb" in build/deb, or in
# $KOWELD_DEBS; --small makes them if they are not there. The system that all are
# made of, 150 MB, is kept in ${XDG_CACHE_HOME:-~/.cache}/koweld/apt/quirks.
# KOWELD_LAYOUTS names the layouts.
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
. "$here/../deb/built.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/roots.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/chroot.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/toys.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/systems.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/asked.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/bug.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/upgrades.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/failures.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/merging.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/koweld.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/debian.sh"
unshared quirks "$0" "$@"

all_paths=(bug workaround upgrade updates starts late by_dpkg downgrade fixed_first removed purged removed_by_dpkg target_owned
	hook_fails preinst_fails postinst_fails killed_preinst killed_unpack killed_postinst killed_apt killed_boots removal_fails killed_anywhere
	conversion next_release next_release_killed stale
	koweld_purged koweld_removed koweld_unpacked koweld_broken leaves_nothing piuparts shipped)
small_paths=(bug upgrade killed_unpack next_release)
# Those that have a meaning only where /lib is a folder of its own.
only_split="workaround late target_owned stale piuparts"
if [[ ${1-} == --small ]]; then only_split+=" bug killed_unpack next_release"; fi

small=
if [[ ${1-} == --small ]]; then
	small=yes
	shift
fi
scratch=$(mktemp -d)
trap 'cd /; umount -R "$scratch" 2>/dev/null; rm -rf --one-file-system "$scratch"' EXIT
mount -t tmpfs none "$scratch" || exit 1
packages=${KOWELD_DEBS:-$here/../../build/deb}
if [[ -n $small ]]; then
	packages=${KOWELD_DEBS:-$scratch/packages}
	built "$packages"
fi
prepare quirks
if [[ ${1-} == debian ]]; then
	paths=()
	shift
elif (($# > 0)); then
	paths=("$@")
elif [[ -n $small ]]; then
	paths=("${small_paths[@]}")
else
	paths=("${all_paths[@]}")
fi
gone=0
for layout in ${KOWELD_LAYOUTS:-split merged}; do
	for path in "${paths[@]}"; do
		if [[ $layout == merged && " $only_split " == *" $path "* ]]; then continue; fi
		go "$path" && gone=$((gone + 1))
	done
done
# The other quirks that koweld ships are of Debian.
if (($# == 0)) && [[ -z $small ]]; then
	prepare_debian
	for path in "${debian_paths[@]}"; do go_debian "$path" && gone=$((gone + 1)); done
fi
printf '\n# %d paths\n' "$gone"
finish quirks
