#!/bin/bash
# A driver's life on Debian 12: the example of dh-koweld is built against Debian's
# headers, and apt installs it from a local repository in a chroot that is thrown
# away, beside a real kernel of Debian. It is upgraded, an upgrade is aborted, the
# kernel goes and comes, all is purged, and each file is as it was before. This is
# to be read; testdata/apt/test.sh tries more, on other releases too.
#
#   demo.sh [FOLDER]    where build.sh has left the packages (build/deb)
#
# Needs root with CAP_SYS_ADMIN. The roots are kept in ${XDG_CACHE_HOME:-~/.cache}/koweld/apt.
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
. "$here/../apt/driver.sh"
unshared demo-deb "$0" "$@"

packages=${1:-$here/../../build/deb}
packages=$(cd "$packages" && pwd) || exit
cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/apt
work=$cache
mkdir -p "$cache"
need dpkg-scanpackages=dpkg-dev mmdebstrap=mmdebstrap openssl=openssl || exit 1

scratch=$(mktemp -d)
root=$scratch/root
builder=$scratch/builder
trap 'cd /; umount -R "$scratch" 2>/dev/null; rm -rf --one-file-system "$scratch"' EXIT
mount -t tmpfs none "$scratch" || exit 1

kernel=$(kernel_of bookworm) || exit 1
kernel_image=linux-image-$kernel
kernel_packages=("$kernel_image")
driver_of "$kernel"

chapter "The example is built for $kernel, twice, and packed a third time, to fail when it is unpacked"
check "roots of Debian's packages are at hand" roots bookworm
check "a system to build in has the packages of koweld" builder bookworm
check "version 1.0 is built" build 1.0
check "version 1.1 is built" build 1.1
check "version 1.2 is packed" repacked
check "the system to build in is put away" end_builder
((tap_failed == 0)) || {
	finish demo-deb
	exit 1
}
for deb in "$scratch"/1.0/*.deb; do dpkg-deb --info "$deb" | grep -E '^ (Package|Depends):'; done

chapter "A chroot with a kernel of Debian"
check "the chroot is made" enter bookworm
download bookworm "$kernel_image"
check "a repository is made" publish "${debs[@]}" "$packages"/koweld_*_amd64.deb "$scratch"/1.0/*.deb
apt 0 install "$kernel_image"
((tap_failed == 0)) || {
	finish demo-deb
	exit 1
}
files >"$scratch/before"
check "the initramfs has no driver" initramfs_has_not

chapter "The driver is installed"
apt 0 install "$driver"
run 0 modinfo -k "$kernel" acme
run 0 koweld status
run 0 koweld verify
check "version 1.0 is what modprobe takes" module_is 1.0
check "the modules are kbuild's, the signatures good (cmp, openssl cms)" of_kbuild 1.0
check "the initramfs has the driver (lsinitramfs)" initramfs_has
check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong

chapter "It is upgraded"
publish "$scratch"/1.1/*.deb
apt 0 install "$driver"
run 0 koweld verify
check "version 1.1 is what modprobe takes" module_is 1.1
check "the modules are kbuild's, the signatures good (cmp, openssl cms)" of_kbuild 1.1
files >"$scratch/upgraded"

chapter "An upgrade is aborted: the driver stays what it was"
publish "$scratch"/1.2/*.deb
apt 100 install "$driver"
check "version 1.1 is what modprobe takes" module_is 1.1
check "the modules are kbuild's, the signatures good (cmp, openssl cms)" of_kbuild 1.1
apt 0 install --allow-downgrades "${driver_packages[@]/%/=1.1}"
run 0 koweld verify
check "all is as before the upgrade (file by file)" unchanged "$scratch/upgraded"
check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong

chapter "The kernel goes, and the driver waits for it"
apt 0 purge "$kernel_image"
run 0 koweld status
check "nothing is left of the kernel's folder" no_folder

chapter "The kernel comes again, and its initramfs has the driver at once"
apt 0 install "$kernel_image"
check "version 1.1 is what modprobe takes" module_is 1.1
check "the initramfs has the driver (lsinitramfs)" initramfs_has
check "all is as it was (file by file)" unchanged "$scratch/upgraded"

chapter "Kernel and driver come in one run, whichever is configured first"
apt 0 purge "$kernel_image" "$driver"
apt 0 install "$kernel_image" "${driver_packages[@]/%/=1.1}"
check "version 1.1 is what modprobe takes" module_is 1.1
check "the initramfs has the driver (lsinitramfs)" initramfs_has

chapter "All is purged: nothing is left"
apt 0 purge "${driver_packages[@]}" koweld
check "the initramfs has no driver" initramfs_has_not
check "all is as before the driver came (file by file)" unchanged "$scratch/before"
check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
finish demo-deb
