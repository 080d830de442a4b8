#!/bin/bash
# LP: #1982534 and what koweld does about it, by apt in a chroot that is thrown away:
# the upgrade that fails, the same with koweld, the version that mends it, the next
# release, which merges /usr, and a system of which nothing tells that there was any
# of that. This is to be read; testdata/quirks/test.sh tries more.
#
#   demo.sh [FOLDER]    where build.sh has left the packages (build/deb)
#
# Needs root with CAP_SYS_ADMIN. A system of 150 MB is kept in
# ${XDG_CACHE_HOME:-~/.cache}/koweld/apt/quirks.
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
. "$here/../apt/roots.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../apt/chroot.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/toys.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/systems.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../quirks/asked.sh"
unshared demo-quirk "$0" "$@"

packages=${1:-$here/../../build/deb}
packages=$(cd "$packages" && pwd) || exit
scratch=$(mktemp -d)
trap 'cd /; umount -R "$scratch" 2>/dev/null; rm -rf --one-file-system "$scratch"' EXIT
mount -t tmpfs none "$scratch" || exit 1

# where: the library and its digest.
where() { run 0 find /lib/ /usr/lib/ -name '*libgcrypt.so.20*'; }

layout="split"
KOWELD_LAYOUTS="split" prepare demo-quirk

chapter "Ubuntu 18.04, where /lib is a folder: the library is in /lib, and the digest that proves it beside it"
check "the system is made" enter split
run 0 grep VERSION /etc/os-release
where
run 0 /usr/lib/ubuntu-fips/selftest

chapter "It is upgraded to 20.04: the library moves to /usr/lib, and the certified package has the digest still in /lib"
release focal
upgrade 100
where
run 1 /usr/lib/ubuntu-fips/selftest
check "the system is put away" leave

chapter "The same system with koweld"
check "the system is made" enter split
apt 0 install koweld
run 0 koweld quirk list

chapter "It is upgraded to 20.04: apt tells koweld which versions come, before dpkg unpacks them"
release focal
upgrade 0
where
run 0 dpkg-divert --list '*hmac*'
run 0 /usr/lib/ubuntu-fips/selftest
run 0 koweld quirk explain lp1982534-libgcrypt-hmac
is_upgraded

chapter "The version that has the digest in /usr/lib comes: a diversion that is still there would keep it out"
release fixed
upgrade 0
where
holds_not
reads "$fixed"

chapter "The next release merges /usr, which it could not with two files of one name"
release jammy
upgrade 0
run 0 readlink /lib
where
reads "$jammy"

chapter "koweld goes: nothing is left"
ends jammy
finish demo-quirk
