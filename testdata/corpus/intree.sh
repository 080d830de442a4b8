# Sourced by the scripts beside: directories of Debian's kernel source, compiled
# out of tree against Debian's headers of the same kernel.
# shellcheck shell=bash

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
		mv "$tree.part" "$tree"
	fi
	printf '%s\n' "$tree"
}

# kbuild HEADERS TREE DIRECTORY DEBUG ARG...: make modules, as far as it goes.
# The path of the module is relative, as kbuild looks for private headers in
# $(srctree)/$(src), and those that only lie in the source come last.
kbuild() {
	local headers=$1 tree=$2 directory=$3 debug=$4
	shift 4
	[[ $debug != -g ]] || debug=
	make -k -j2 -C "$headers" M="$(realpath --relative-to="$headers" "$tree/$directory")" \
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

# installed_headers: those of the newest 6.1 kernel of Debian.
installed_headers() {
	find /usr/src -maxdepth 1 -name 'linux-headers-6.1.0-*-amd64' | sort -V | tail -1
}

# rm_objects FOLDER: what kbuild made; what the corpus has of it stays.
rm_objects() {
	find "$1" \( -name '*.o' -o -name '*.ko' -o -name '*.cmd' -o -name '*.mod' -o -name '*.mod.c' \) -delete
}
