#!/bin/bash
# A driver's life on Debian 12: the example of dh-koweld is built against Debian's
# headers, and apt installs it from a local repository in a chroot that is thrown
# away, beside a real kernel of Debian. It is upgraded, an upgrade is aborted, the
# kernel goes and comes, all is purged, and each file is as it was before.
#
#   demo.sh [FOLDER]    where build.sh has left the packages (build/deb)
#
# Needs root with CAP_SYS_ADMIN, Debian 12 and Go. The kernel and the packages of
# the chroot are kept in ${XDG_CACHE_HOME:-~/.cache}/koweld/demo-deb.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tap.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/apt.sh"

# The mounts are those of a name space of our own, and end with it.
if [[ ${KOWELD_UNSHARED-} != yes ]]; then
	if ((EUID != 0)) || ! unshare --mount --pid --fork true 2>/dev/null; then
		skip "a driver in a chroot" "needs root with CAP_SYS_ADMIN: mount, chroot"
		finish demo-deb
		exit
	fi
	KOWELD_UNSHARED=yes exec unshare --mount --pid --fork --kill-child "$0" "$@"
fi

packages=${1:-$here/../../build/deb}
packages=$(cd "$packages" && pwd) || exit
cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/demo-deb
work=$cache
mkdir -p "$work"
need dh=debhelper dpkg-scanpackages=dpkg-dev mmdebstrap=mmdebstrap openssl=openssl gcc=gcc make=make || exit 1

scratch=$(mktemp -d)
trap 'cd /; umount -R "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
mount -t tmpfs none "$scratch" || exit 1
root=$scratch/root

chapter() { printf '\n# %s\n' "$*"; }

inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }

# run CODE COMMAND...: shows a command in the chroot and its output, and checks
# the exit code.
run() {
	local want=$1 code=0
	shift
	printf '\n$ %s\n' "$*"
	inside "$@" 2>&1 | sed '/^debconf: /d; /^Selecting /d; /^(Reading /d; /^Preparing /d; /^Get:/d' || code=$?
	check "exit code $want" [ "$code" -eq "$want" ]
}

apt() { run "$1" apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends "${@:2}"; }

kernel_image=$(newest bookworm 'linux-image-6\.1\.0-[0-9]+-cloud-amd64') || exit 1
kernel=${kernel_image#linux-image-}
driver=linux-modules-acme-$kernel
need "/usr/src/linux-headers-$kernel/Makefile=linux-headers-$kernel" || exit 1
download bookworm "$kernel_image"
kernel_debs=("${debs[@]}")

# base: a minimal system with all that a kernel depends on.
base() {
	[[ -s $cache/bookworm.tar ]] && return
	mmdebstrap --quiet --format=tar --variant=apt --include=initramfs-tools,linux-base,kmod,zstd bookworm "$cache/bookworm.part" \
		"deb [signed-by=$keyring] http://deb.debian.org/debian bookworm main" &&
		mv "$cache/bookworm.part" "$cache/bookworm.tar"
}

# build VERSION: the example in that version, in $scratch/VERSION; by dh_koweld
# and koweld as they are in the packages.
build() {
	local tree=$scratch/$1/acme-driver-$1
	mkdir "$scratch/$1" && cp -R "$scratch/tools/usr/share/doc/dh-koweld/examples/acme-driver" "$tree" && cd "$tree" || return
	sed -i "1s/(.*)/($1)/" debian/changelog
	sed -i "s/MODULE_VERSION(.*)/MODULE_VERSION(\"$1\")/" src/core.c
	if [[ -n ${2-} ]]; then
		printf '#!/bin/sh\necho "%s" >&2\nexit 1\n' "$2" >"debian/$driver.preinst"
	fi
	debian/rules control KERNEL="$kernel" &&
		PATH=$scratch/tools/usr/bin:$PATH PERL5LIB=$scratch/tools/usr/share/perl5 \
			DH_AUTOSCRIPTDIR=$scratch/tools/usr/share/debhelper/autoscripts \
			SIGNING_KEY=$scratch/key.pem SIGNING_CERTIFICATE=$scratch/signer.pem \
			dpkg-buildpackage --no-sign --no-check-builddeps --build=binary
}

# key: what signs the three versions.
key() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=demo-deb (key thrown away)" \
		-keyout "$scratch/key.pem" -out "$scratch/signer.pem" 2>/dev/null
}

tools() {
	local deb
	for deb in "$packages"/{koweld_*_amd64,dh-koweld_*_all}.deb; do dpkg-deb -x "$deb" "$scratch/tools" || return; done
}

start() {
	mkdir "$root" && tar -x -C "$root" -f "$cache/bookworm.tar" || return
	mount -t proc none "$root/proc" && mount -t sysfs none "$root/sys" && mount --rbind /dev "$root/dev" || return
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"
	mkdir "$root/repository"
	echo "deb [trusted=yes] file:/repository ./" >"$root/etc/apt/sources.list"
	# The administrator wants the driver in the initramfs.
	echo acme >>"$root/etc/initramfs-tools/modules"
}

# publish DEB...: adds packages to the repository.
publish() {
	cp "$@" "$root/repository" || return
	(cd "$root/repository" && dpkg-scanpackages --multiversion . /dev/null >Packages 2>/dev/null) && inside apt-get -qq update
}

# files: each file with type, mode, owner and bytes, but for what apt, dpkg and
# logs write, and the initramfs, which is never twice the same. Of koweld's
# records, which hold times and inodes, only that they are there.
files() (
	cd "$root" || exit
	find . \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./repository \
		-o -path ./var/log -o -path ./var/cache -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path './boot/initrd.img-*' \) -prune \
		-o -printf '%y %m %U:%G %p %l\n' | sort >"$scratch/list"
	cat "$scratch/list"
	sed -n 's/^f [0-7]* [0-9:]* \(.*\) $/\1/p' "$scratch/list" | grep -v '^\./var/lib/koweld/packages/.*\.json$' | tr '\n' '\0' | xargs -0 sha256sum
	# shellcheck disable=SC2016 # dpkg-query's own
	inside dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n'
	inside dpkg-divert --list | sort
)

unchanged() { files | diff "$1" -; }

nothing_wrong() {
	local audit
	audit=$(inside dpkg --audit) && [[ -z $audit ]]
}

# module_is VERSION: what modprobe would load.
module_is() { [[ $(inside modinfo -k "$kernel" -F version acme) == "$1" ]]; }

# of_kbuild VERSION: the bytes before the signature are those that kbuild linked,
# and OpenSSL finds the signature good.
of_kbuild() {
	local name at size
	for name in acme acme_aux plain; do
		at=$root$(inside modinfo -k "$kernel" -F filename "$name") || return
		size=$(stat -c %s "$scratch/$1/acme-driver-$1/build/$name.ko")
		head -c "$size" "$at" >"$scratch/image" && cmp "$scratch/image" "$scratch/$1/acme-driver-$1/build/$name.ko" || return
		tail -c +$((size + 1)) "$at" | head -c -40 >"$scratch/cms"
		openssl cms -verify -binary -inform DER -in "$scratch/cms" -content "$scratch/image" \
			-certfile "$scratch/signer.pem" -nointern -noverify -out /dev/null || return
	done
}

in_initramfs() { inside lsinitramfs "/boot/initrd.img-$kernel" >"$scratch/initramfs"; }
initramfs_has() { in_initramfs && grep -q '/acme\.ko' "$scratch/initramfs"; }
initramfs_has_not() { in_initramfs && ! grep -q '/acme\.ko' "$scratch/initramfs"; }
no_folder() { [[ ! -e $root/lib/modules/$kernel ]]; }

chapter "The example is built for $kernel, three times; the third will fail to be unpacked"
check "a base system is at hand" base
check "the packages of koweld are unpacked" tools
check "a key is made" key
check "version 1.0 is built" build 1.0
check "version 1.1 is built" build 1.1
check "version 1.2 is built" build 1.2 "the preinst of 1.2 fails"
((tap_failed == 0)) || {
	finish demo-deb
	exit 1
}
for deb in "$scratch"/1.0/*.deb; do dpkg-deb --info "$deb" | grep -E '^ (Package|Depends):'; done

chapter "A chroot with a kernel of Debian"
check "the chroot is made" start
check "a repository is made" publish "${kernel_debs[@]}" "$packages"/koweld_*_amd64.deb "$scratch"/1.0/*.deb
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
apt 0 install --allow-downgrades "$driver=1.1" "linux-objects-acme-$kernel=1.1" "linux-signatures-acme-$kernel=1.1"
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
apt 0 install "$kernel_image" "$driver=1.1" "linux-objects-acme-$kernel=1.1" "linux-signatures-acme-$kernel=1.1"
check "version 1.1 is what modprobe takes" module_is 1.1
check "the initramfs has the driver (lsinitramfs)" initramfs_has

chapter "All is purged: nothing is left"
apt 0 purge "$driver" "linux-objects-acme-$kernel" "linux-signatures-acme-$kernel" koweld
check "the initramfs has no driver" initramfs_has_not
check "all is as before the driver came (file by file)" unchanged "$scratch/before"
check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
finish demo-deb
