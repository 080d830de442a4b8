# Sourced by the scripts beside, after sh/packages.sh, sh/apt.sh and tools.sh: a
# Debian with a kernel, as a folder, and a disk of it. The caller has a mount name
# space of its own and $scratch, a tmpfs.
# shellcheck shell=bash disable=SC2034,SC2154 # of and for apt.sh; $scratch

work=$cache # of apt.sh

# find_kernel NAME: its version in the variable kernel, the release of Debian that it
# runs on in release, and its packages in the array kernel_packages. NAME is 6.1,
# 6.1-cloud, 6.12 or 7, of which the newest is taken, or the package of another
# kernel of bookworm or its backports.
find_kernel() {
	local image
	release=bookworm
	case $1 in
	6.1) image='linux-image-6\.1\.0-[0-9]+-amd64' ;;
	6.1-cloud) image='linux-image-6\.1\.0-[0-9]+-cloud-amd64' ;;
	6.12) image='linux-image-6\.12\.[0-9.]+\+deb12-amd64' ;;
	7) release=trixie image='linux-image-7\.[0-9.]+\+deb13-amd64' ;;
	linux-image-*) image=$1 ;;
	*)
		echo "there is no kernel $1" >&2
		return 1
		;;
	esac
	image=$(newest "$release" "$image") || return
	[[ -n $image ]] || return
	kernel=${image#linux-image-}
	kernel_packages=("$image")
	[[ $1 != 7 ]] ||
		kernel_packages=(linux-base/trixie-backports "linux-base-$kernel" "linux-modules-$kernel" "linux-binary-$kernel" "$image")
}

# at_hand NAME: what a test of that kernel downloads is here, or comes in time. CI does
# without the test where the archive is too slow: nothing that is tried needs it later.
at_hand() {
	local debs limit=120 bootstrap_limit=400
	find_kernel "$1" && download "$release" "${kernel_packages[@]}" && base "$release" &&
		need "/usr/src/linux-headers-$kernel/Makefile=linux-headers-$kernel"
}

# base RELEASE: a system with all that a kernel depends on, with systemd and without
# a kernel, as $cache/RELEASE.tar.
base() {
	[[ ! -s $cache/$1.tar ]] || return 0
	need mmdebstrap=mmdebstrap || return
	echo "making a Debian $1" >&2
	rm -f "$cache/$1.tar.part"
	limit=${bootstrap_limit:-1800} retry mmdebstrap --quiet --format=tar --variant=apt \
		--include=systemd-sysv,udev,kmod,initramfs-tools,linux-base,zstd,xz-utils \
		"$1" "$cache/$1.tar.part" "deb [signed-by=$keyring] http://deb.debian.org/debian $1 main" || return
	mv "$cache/$1.tar.part" "$cache/$1.tar"
}

# new_root FOLDER RELEASE: that system, to be used with inside.
new_root() {
	base "$2" && mkdir "$1" && tar -x -C "$1" -f "$cache/$2.tar" || return
	echo "/dev/vda / ext4 rw 0 0" >"$1/etc/fstab"
	echo vm >"$1/etc/hostname"
	# systemd takes a machine without one for one that boots for the first time.
	echo 5d41402abc4b2a76b9719d911017c592 >"$1/etc/machine-id"
	enter "$1"
}

# enter FOLDER and leave FOLDER: the mounts that programs in it need. /dev is that of
# this machine: whatever has held such mounts is removed with rm --one-file-system, for
# an umount can fail.
enter() {
	mount -t proc none "$1/proc" && mount -t sysfs none "$1/sys" && mount --rbind /dev "$1/dev"
}
leave() { umount -R "$1/proc" "$1/sys" "$1/dev"; }

# inside FOLDER COMMAND...: in the system there.
inside() {
	local root=$1
	shift
	chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive "$@"
}

# dpkg_install FOLDER DEB...: dpkg installs them in the system there.
dpkg_install() {
	local root=$1 code=0
	shift
	mkdir -p "$root/tmp/debs"
	cp "$@" "$root/tmp/debs" || return
	inside "$root" sh -c 'exec dpkg --force-unsafe-io -i /tmp/debs/*.deb' || code=$?
	rm -r "$root/tmp/debs"
	return "$code"
}

# kernel_root FOLDER: a system with the kernel that find_kernel has found. It is kept,
# since unpacking a kernel and its depmod take a while. By apt, as a kernel in several
# packages has a Pre-Depends, which dpkg does not put in order.
kernel_root() {
	local kept=$cache/root-$kernel.tar debs
	if [[ ! -s $kept ]]; then
		download "$release" "${kernel_packages[@]}" && new_root "$1" "$release" || return
		mkdir "$1/tmp/debs" && cp "${debs[@]}" "$1/tmp/debs" || return
		inside "$1" sh -c 'INITRD=No exec apt-get -qy --no-install-recommends \
			-o Dpkg::Options::=--force-unsafe-io install /tmp/debs/*.deb' >&2 || return
		rm -r "$1/tmp/debs"
		leave "$1" && tar -c -C "$1" -f "$kept.part" . && mv "$kept.part" "$kept" || return
	else
		mkdir "$1" && tar -x -C "$1" -f "$kept" || return
	fi
	enter "$1"
}

# vmlinuz_of FOLDER KERNEL: Debian has moved it since 7.
vmlinuz_of() {
	local file
	for file in "$1/boot/vmlinuz-$2" "$1/usr/lib/modules/$2/vmlinuz"; do
		if [[ -e $file ]]; then
			printf '%s\n' "$file"
			return
		fi
	done
	echo "there is no vmlinuz of $2" >&2
	return 1
}

# make_initrd FOLDER KERNEL FILE: an initramfs with the guest's init and the kernel's
# own modules that it takes to mount the disk.
make_initrd() {
	local tree=$scratch/initrd-tree module list what path name
	rm -rf --one-file-system "$tree"
	mkdir -p "$tree"/{dev,proc,sys,root,modules}
	cp "$tools/guest" "$tree/init"
	: >"$tree/modules/order"
	for module in virtio_pci virtio_blk crc32c_generic ext4; do
		list=$(modprobe -d "$1" -S "$2" --show-depends "$module" 2>&1) || {
			# Later kernels have it built in, and under no name.
			[[ $module != crc32c_generic ]] || continue
			echo "$list" >&2
			return 1
		}
		while read -r what path _; do
			name=${path##*/}
			name=${name%%.ko*}.ko
			[[ $what == insmod && ! -e $tree/modules/$name ]] || continue # or built in
			case $path in
			*.ko) cp "$path" "$tree/modules/$name" ;;
			*.xz) xz -dc "$path" >"$tree/modules/$name" ;;
			*.zst) zstd -qdc "$path" >"$tree/modules/$name" ;;
			esac || return
			echo "$name" >>"$tree/modules/order"
		done <<<"$list"
	done
	(cd "$tree" && find . | sort | cpio --quiet -o -H newc -R 0:0) >"$3"
}

# make_disk FOLDER FILE [MIB]: an ext4 image of the system there, and the guest's init
# for boots with Debian's initramfs. Room is for half as much again, or so much.
make_disk() {
	local mib=${3-}
	install -D "$tools/guest" "$1/usr/lib/vm/guest" || return
	leave "$1" || return
	[[ -n $mib ]] || mib=$(($(du -sm --apparent-size "$1" | cut -f1) * 3 / 2 + 64))
	rm -f "$2"
	mke2fs -q -t ext4 -d "$1" "$2" "${mib}M" && enter "$1"
}
