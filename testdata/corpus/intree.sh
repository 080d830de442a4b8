# Sourced by the scripts beside: directories of Debian's kernel source, compiled
# out of tree against Debian's headers of the same kernel.
# shellcheck shell=bash disable=SC2034,SC2154 # names of set.sh

# A directory, and what its compiler is told about debugging information: -g
# leaves it as the kernel's configuration has it.
intree_6_1="
	net/sched -g0
	net/netfilter -g
	crypto -g0
	arch/x86/crypto -g0
	fs/fat -g
	fs/fuse -g
	fs/isofs -g
	fs/btrfs -g0
	fs/xfs -g0
	fs/ext4 -g0
	fs/f2fs -g0
	fs/nfs -g0
	fs/overlayfs -g0
	fs/squashfs -g0
	fs/nls -g0
	drivers/hid -g0
	drivers/md -g0
	net/ipv4 -g0
	net/ipv6 -g0
	net/bluetooth -g0
	net/openvswitch -g0
	net/sctp -g0
	sound/pci/hda -g0
	drivers/net/ethernet/intel -g0
	drivers/net/wireguard -g0
	drivers/net/phy -g0
	drivers/hwmon -g0
	drivers/usb/serial -g0
	drivers/block -g0
"

# For other machines what is small and has assembler, tables and exports.
intree_arm64="
	net/sched -g0
	fs/fat -g
	arch/arm64/crypto -g0
	drivers/hid -g0
"
intree_s390x="
	net/sched -g0
	fs/fat -g
	arch/s390/crypto -g0
"

# Of kernels whose objtool works on the composite, and whose headers bring a
# vmlinux by which BTF is added: with -g it is, with -g0 it is not.
intree_6_12="
	net/sched -g0
	fs/fat -g
	fs/isofs -g
	fs/fuse -g
	arch/x86/crypto -g0
	drivers/net/wireguard -g0
	drivers/block/zram -g0
	fs/squashfs -g0
	fs/ext4 -g0
"
intree_7="
	net/sched -g0
	fs/fat -g
	fs/isofs -g
	fs/fuse -g
	drivers/net/wireguard -g0
	fs/squashfs -g0
"

# sets_of_table PREFIX TABLE: a line for each directory: SET DIRECTORY DEBUG.
sets_of_table() {
	local directory debug
	while read -r directory debug; do
		[[ -z $directory ]] || printf '%s-%s %s %s\n' "$1" "${directory//\//-}" "$directory" "$debug"
	done <<<"$2"
}

# source_tree NAME RELEASE PACKAGE: the source unpacked, as $work/NAME, whose
# path is printed. It is built in, so each kernel and architecture has its own.
source_tree() {
	local tree=$work/$1
	if [[ ! -d $tree ]]; then
		download "$2" "$3"
		rm -rf "$tree.part" "$tree.deb"
		mkdir -p "$tree.part"
		dpkg -x "${debs[0]}" "$tree.deb"
		tar -xf "$tree.deb"/usr/src/linux-source-*.tar.xz -C "$tree.part" --strip-components=1 \
			--exclude='*/Documentation' --exclude='*/tools'
		rm -r "$tree.deb"
		asn1 "$tree.part"
		mv "$tree.part" "$tree"
	fi
	printf '%s\n' "$tree"
}

# asn1 TREE: the parsers that the build of a kernel makes by a program of its
# own, which the headers do not bring.
asn1() {
	local file
	gcc -I"$1/include" -o "$1/scripts/asn1_compiler" "$1/scripts/asn1_compiler.c"
	while read -r file; do
		"$1/scripts/asn1_compiler" "$file" "$file.c" "$file.h"
	done < <(find "$1"/{crypto,net,fs} -name '*.asn1')
}

# btf DEBUG: what make is told about BTF, which needs debugging information.
btf() { if [[ $1 == -g0 ]]; then echo CONFIG_DEBUG_INFO_BTF_MODULES=; else echo V=1; fi; }

# kbuild HEADERS TREE DIRECTORY DEBUG ARG...: make modules, as far as it goes.
# The path of the module is relative, as kbuild looks for private headers in
# $(srctree)/$(src), and those that only lie in the source come last.
kbuild() {
	local headers=$1 tree=$2 directory=$3 debug=$4
	shift 4
	[[ $debug != -g ]] || debug=
	make -k -j"$(nproc)" -C "$headers" M="$(realpath --relative-to="$headers" "$tree/$directory")" \
		KCFLAGS="$debug -I$tree/include/trace -I$tree/$directory -I$tree/include" \
		"$@" modules || failed "$directory: make ended with $?"
}

intree_6.1() {
	local headers kernel
	need_headers_6_1
	headers=$(installed_headers)
	kernel=${headers#*/linux-headers-}
	tree=$(source_tree linux-6.1-amd64 bookworm linux-source-6.1)
	kbuild "$headers" "$tree" "$1" "$2"
	collect "$kernel" x86_64 "$tree/$1" "$headers"
	rm_objects "$tree/$1"
}

need_headers_6_1() {
	need make=make gcc=gcc ld.bfd=binutils
	[[ -n $(installed_headers) ]] || need /usr/src/linux-headers-amd64=linux-headers-amd64
}

# cross ARCH DIRECTORY DEBUG: for another machine. The programs in its headers
# are its own, so those of amd64 lie in their place.
cross() {
	local arch=$1 kernel headers version triplet ld
	triplet=${1/arm64/aarch64}-linux-gnu
	need make=make "$triplet-gcc-12=gcc-12-$triplet"
	kernel=$(newest cross "linux-headers-6\.1\.0-[0-9]+-$arch" | sed 's/linux-headers-//')
	download cross "linux-headers-$kernel:$arch"
	version=$(dpkg-deb -f "${debs[0]}" Version)
	# s390x left the security suite before the others, hence the version.
	download cross "linux-headers-$kernel:$arch" "linux-headers-${kernel/%$arch/common}" \
		"linux-kbuild-6.1=$version"
	headers_tree "linux-headers-6.1-$arch" "${debs[@]}"
	tree=$(source_tree "linux-6.1-$arch" bookworm "linux-source-6.1=$version")
	kbuild "$headers" "$tree" "$2" "$3" CROSS_COMPILE="$triplet-"
	collect "$kernel" "${arch/arm64/aarch64}" "$tree/$2" "$headers"
	rm_objects "$tree/$2"
}

intree_6.12() {
	local kernel headers tree
	need make=make gcc-12=gcc-12 ld.bfd=binutils pahole=pahole
	kernel=$(newest bookworm 'linux-headers-6\.12\.[0-9.]+\+deb12-amd64' | sed 's/linux-headers-//')
	download bookworm "linux-headers-$kernel" "linux-headers-${kernel/%amd64/common}" \
		"linux-kbuild-${kernel/%-amd64/}"
	headers_tree linux-headers-6.12-amd64 "${debs[@]}"
	tree=$(source_tree linux-6.12-amd64 bookworm linux-source-6.12)
	kbuild "$headers" "$tree" "$1" "$2" "$(btf "$2")"
	collect "$kernel" x86_64 "$tree/$1" "$headers"
	rm_objects "$tree/$1"
}

# intree_7 DIRECTORY DEBUG: with the compiler and the binutils of trixie, in a
# root of their own; root is a word of collect.
intree_7() {
	local kernel tree root=$work/trixie ld debug=$2
	kernel=$(newest trixie 'linux-headers-7\.[0-9.]+\+deb13-amd64' | sed 's/linux-headers-//')
	closure "$root" trixie "linux-headers-$kernel" make gcc-14 binutils pahole \
		base-files dash bash coreutils sed grep gawk findutils diffutils
	[[ -e $root/bin ]] || ln -s usr/bin "$root/bin"
	ln -sf dash "$root/usr/bin/sh"
	ln -sf gawk "$root/usr/bin/awk"
	mkdir -p "$root"/{dev,proc,tmp,source}
	tree=$(source_tree trixie/source/linux trixie "$(newest trixie 'linux-source-7\.[0-9]+')")

	[[ $debug != -g ]] || debug=
	# shellcheck disable=SC2016 # the inner shell's
	unshare -m bash -c 'mount --bind /dev "$1/dev" && mount -t proc proc "$1/proc" &&
		exec chroot "$@"' - "$root" make -k -j"$(nproc)" -C "/usr/src/linux-headers-$kernel" \
		M="/source/linux/$1" KCFLAGS="$debug -I/source/linux/include/trace -I/source/linux/$1" \
		"$(btf "$2")" modules || failed "$1: make ended with $?"
	ld=("$root/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu"
		"$root/usr/bin/x86_64-linux-gnu-ld.bfd")
	collect "$kernel" x86_64 "$tree/$1" "$tree/$1"
	rm_objects "$tree/$1"
}

# headers_tree NAME DEB...: headers as $work/NAME; what a build is to be called
# in is in the variable headers afterwards.
headers_tree() {
	local root=$work/$1
	shift
	unpack "$root" "$@"
	sed -i "s|^include /usr/src/|include $root/usr/src/|" "$root"/usr/src/linux-headers-*/Makefile
	headers=$(find "$root/usr/src" -name .config -printf '%h\n')
}

# installed_headers: those of the newest 6.1 kernel of Debian.
installed_headers() {
	find /usr/src -maxdepth 1 -regex '.*/linux-headers-6\.1\.0-[0-9]+-amd64' | sort -V | tail -1
}

# rm_objects FOLDER: what kbuild made; what the corpus has of it stays. A set
# without any module is an error, and is built on when it is tried again.
rm_objects() {
	[[ -s $set/index.tsv ]]
	find "$1" \( -name '*.o' -o -name '*.ko' -o -name '*.cmd' -o -name '*.mod' -o -name '*.mod.c' \) -delete
}
