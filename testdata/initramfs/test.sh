#!/bin/bash
# Makes real initramfs with Debian's initramfs-tools and dracut, in roots of their
# packages, and lets koweld place modules there: it must make an image anew that
# holds one of them, or that would, and leave alone any other one; and what is in
# the image afterwards must be the module that was placed. Results are lines of TAP.
#
#   test.sh [RELEASE...]   bookworm and trixie, or those
#
# The packages lie in ${XDG_CACHE_HOME:-~/.cache}/koweld/initramfs, a root for
# each maker; nothing is installed outside and no root is written to.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tap.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/apt.sh"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/initramfs

# The mounts are those of a name space of our own, and end with it.
if [[ ${KOWELD_UNSHARED-} != yes ]]; then
	if ((EUID != 0)) || ! unshare --mount --pid --fork true 2>/dev/null; then
		skip "real initramfs" "needs root with CAP_SYS_ADMIN: mount, chroot"
		finish initramfs
		exit
	fi
	KOWELD_UNSHARED=yes exec unshare --mount --pid --fork --kill-child "$0" "$@"
fi

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need go=golang-1.26 openssl=openssl || exit 1

scratch=$(mktemp -d)
trap 'cd /; umount -R "$scratch" 2>/dev/null; rm -rf --one-file-system "$scratch"' EXIT
mount -t tmpfs none "$scratch" || exit 1
(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$scratch/koweld" ./cmd/koweld) || exit 1

kernel=$(sed -n 's/^kernel=//p' "$here/../acme/make.sh")
package=linux-modules-acme-$kernel
acme=$here/../acme/package
objects=usr/lib/linux-objects/acme/$kernel
signatures=usr/lib/linux-signatures/acme/$kernel
manifest=usr/share/koweld/manifests/$package.yaml
modules=lib/modules/$kernel
image=boot/initrd.img-$kernel

# resign VERSION MODULE IMAGE: the version has the module under another signature.
resign() {
	"$scratch/koweld" -q sig sign --key "$scratch/key.pem" --certificate "$scratch/signer.pem" --detached \
		-o "$scratch/$1/$signatures/$2.ko.sig" "$3"
}

# versions: three of the package, in $scratch/1 to 3; acme.ko changes in the second,
# plain.ko in the third, both under a key that is thrown away.
versions() {
	local v digest
	openssl req -new -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=initramfs (key thrown away)" \
		-keyout "$scratch/key.pem" -out "$scratch/signer.pem" 2>/dev/null || return
	digest=$(openssl x509 -in "$scratch/signer.pem" -outform DER | sha256sum | cut -d' ' -f1)
	for v in 1 2 3; do
		cp -r "$acme" "$scratch/$v" && cp "$scratch/signer.pem" "$scratch/$v/$signatures/other.pem" || return
		sed -i 's/initramfs: never/initramfs: auto/
			s/^linker:/  - {certificate: other.pem, sha256: '"$digest"'}\n&/
			$a # version '"$v" "$scratch/$v/$manifest"
	done
	"$scratch/koweld" -q recipe apply -o "$scratch/acme.ko" "$acme/$objects"/acme.recipe "$acme/$objects"/{core,glue,acme.mod}.o &&
		resign 2 acme "$scratch/acme.ko" && resign 3 acme "$scratch/acme.ko" && resign 3 plain "$acme/$objects/plain.ko"
}
check "three versions of a package" versions
if ((tap_failed > 0)); then
	finish initramfs
	exit
fi

# enter RELEASE MAKER: a system with that maker of initramfs, at $root, over its
# packages, which are not written to.
enter() {
	local work=$cache
	closure "$cache/$1-$2" "$1" base-files dash bash coreutils sed grep mawk findutils util-linux mount \
		libc-bin gzip tar debianutils hostname diffutils dpkg zstd xz-utils kmod cpio binutils linux-base "$2" || return
	mkdir -p "$scratch"/{root,upper,work} &&
		mount -t overlay overlay -o "lowerdir=$cache/$1-$2,upperdir=$scratch/upper,workdir=$scratch/work" "$root" &&
		mkdir -p "$root"/{proc,sys,dev,tmp,var/tmp,var/lib,run,boot,usr/lib/modprobe.d} &&
		mount -t proc none "$root/proc" && mount -t sysfs none "$root/sys" && mount --rbind /dev "$root/dev" || return
	# dpkg -x runs no postinst.
	[[ -e $root/bin/sh ]] || ln -s dash "$root/bin/sh"
	[[ -e $root/usr/bin/awk ]] || ln -s mawk "$root/usr/bin/awk"
	inside ldconfig || return
	mkdir -p "$root/$modules/kernel"
	touch "$root/$modules"/modules.{order,builtin,builtin.modinfo}
	printf 'CONFIG_%s=y\n' BLK_DEV_INITRD RD_GZIP RD_XZ RD_ZSTD >"$root/boot/config-$kernel"
	cp "$scratch/koweld" "$root/usr/bin/koweld"
	# Of an image of dracut's the modules are enough here, and this host's are none.
	[[ $maker != dracut ]] || {
		mkdir -p "$root/etc/dracut.conf.d"
		printf '%s\n' kernel_only=yes hostonly=no >"$root/etc/dracut.conf.d/test.conf"
	}
}

leave() {
	umount -R "$root"
	rm -rf --one-file-system "$scratch"/{root,upper,work}
}

inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ "$@"; }

# make_image: by the maker, as the kernel's package does.
make_image() {
	if [[ $maker == dracut ]]; then
		inside dracut --quiet --force "/$image" "$kernel"
	else
		inside update-initramfs -c -k "$kernel"
	fi
}

# ask and ask_not: the maker's configuration asks for acme, or for another one.
ask() {
	if [[ $maker == dracut ]]; then
		mkdir -p "$root/etc/dracut.conf.d"
		echo 'add_drivers+=" acme "' >"$root/etc/dracut.conf.d/acme.conf"
	else
		echo acme >"$root/etc/initramfs-tools/modules"
	fi
}
ask_not() {
	rm -f "$root/etc/dracut.conf.d/acme.conf" "$root/etc/initramfs-tools/modules"
}

# ship VERSION: what dpkg unpacks of the package.
ship() { cp -rT "$scratch/$1" "$root"; }

# place VERSION: a new version comes and is placed.
place() { ship "$1" && inside koweld -q install "$package"; }

# remade and untouched COMMAND...: the command leaves another image, or the same.
remade() {
	local old
	old=$(state) && "$@" && [[ $(state) != "$old" ]]
}
untouched() {
	local old
	old=$(state) && "$@" && [[ $(state) == "$old" ]]
}
state() { stat -c '%i %Y %Z %s' "$root/$image" && sha256sum "$root/$image"; }

# held NAME: the module as it is in the image, in the file $scratch/held.
held() {
	local files=()
	rm -rf --one-file-system "$root/tmp/held" "$scratch/held"
	mkdir "$root/tmp/held"
	if [[ $maker == dracut ]]; then
		inside sh -c "cd /tmp/held && lsinitrd --unpack /$image" || return
	else
		inside unmkinitramfs "/$image" /tmp/held || return
	fi
	mapfile -t files < <(find "$root/tmp/held" -name "$1.ko*")
	((${#files[@]} == 1)) && cp "${files[0]}" "$scratch/held"
}
holds() { held "${1##*/}" && cmp "$scratch/held" "$root/$modules/$1.ko"; }
holds_no() { ! held "$1" && [[ -n $(find "$root/tmp/held" -name modules.dep) ]]; }

differ() { ! cmp -s "$1" "$2"; }

# story NAME: all that may happen to the image of a maker.
story() {
	check "$1: the first version is placed, and no image is made" place 1
	check "$1: there is none" [ ! -e "$root/$image" ]
	cp "$root/$modules/kernel/acme/acme.ko" "$scratch/first.ko"

	check "$1: it is removed" inside koweld -q remove "$package"
	check "$1: an image before any module is there" make_image
	if [[ $maker == dracut ]]; then
		# Its kernel-modules-extra takes plain.ko of updates/ without being asked.
		check "$1: the image would hold a module that comes: it is made anew" remade place 1
		check "$1: the module in it is the one that was placed (cmp)" holds updates/plain
	else
		check "$1: the image would hold no module that comes: it is left alone" untouched place 1
		check "$1: and holds none" holds_no plain
	fi
	check "$1: it does not hold acme" holds_no acme
	check "$1: another acme leaves it alone" untouched place 2
	check "$1: which is another module" differ "$scratch/first.ko" "$root/$modules/kernel/acme/acme.ko"
	if [[ $maker == dracut ]]; then
		check "$1: another plain makes it anew" remade place 3
		check "$1: the module in it is the new one (cmp)" holds updates/plain
	else
		check "$1: another plain leaves it alone" untouched place 3
	fi

	ask
	check "$1: acme is asked for: a version with another one makes the image anew" remade place 1
	check "$1: the module in it is the one that was placed (cmp)" holds kernel/acme/acme
	check "$1: the next one, the same" remade place 2
	check "$1: the module in it is the new one (cmp)" holds kernel/acme/acme
	check "$1: twice is once" untouched place 2
	check "$1: a repair of a file that is no module leaves it alone" untouched repair

	ask_not
	check "$1: acme is not asked for, but the image holds it: it is made anew" remade place 1
	check "$1: and holds none" holds_no acme
	check "$1: the next version leaves it alone" untouched place 2

	ask
	check "$1: an image with acme" make_image
	check "$1: a removal makes it anew" remade inside koweld -q remove "$package"
	check "$1: and it holds none" holds_no acme
	check "$1: nothing is left to be done" [ -z "$(inside koweld status)" ]
}

repair() { rm "$root/usr/lib/modprobe.d/acme.conf" && inside koweld -q repair "$package"; }

root=$scratch/root
releases=("$@")
((${#releases[@]} > 0)) || releases=(bookworm trixie)
for release in "${releases[@]}"; do
	for maker in initramfs-tools dracut; do
		check "$release, $maker: a system" enter "$release" "$maker" && story "$release, $maker"
		leave
	done
done
finish initramfs
