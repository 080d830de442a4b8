# Sourced by test.sh: images of a system, made by mmdebstrap with a kernel and the
# driver in them. Twice the same must give the same bytes.
# shellcheck shell=bash disable=SC2154,SC2016 # $scratch, $kernel and others; $1 of hooks

image_epoch=1700000000

# image NAME PACKAGE,... OPTION...: an image in $scratch/NAME/image.tar, made in a
# folder of that name from a repository there.
image() {
	local here=$scratch/$1 include=$2
	shift 2
	mkdir -p "$here/repository" "$here/tmp" &&
		cp "$cache/$release"/base.debs/*.deb "$packages"/koweld_*_amd64.deb "$scratch"/1.0/*.deb "${kernel_debs[@]}" "$here/repository" &&
		index "$here/repository" || return
	# The configuration is there before the packages are, as in a recipe of an image.
	cat >"$here/setup" <<-'END'
		#!/bin/sh
		mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
		printf '%s\n' MODULES=list COMPRESS=gzip >"$1/etc/initramfs-tools/conf.d/test"
		echo acme >"$1/usr/share/initramfs-tools/modules.d/acme"
	END
	chmod +x "$here/setup"
	TMPDIR=$here/tmp SOURCE_DATE_EPOCH=$image_epoch mmdebstrap --quiet --mode=root --format=tar --variant=apt \
		--include="$include" --setup-hook="$here/setup" "$@" \
		--customize-hook='echo "deb http://deb.debian.org/debian stable main" >"$1/etc/apt/sources.list"' \
		"$release" "$here/image.tar" "deb [trusted=yes] copy:$here/repository ./"
}

# elsewhere COMMAND...: under another name of the machine, and another release of
# its kernel, as far as uname(2) can be told to lie.
elsewhere() {
	export -f image index
	export scratch release cache packages image_epoch kernel
	kernel_deb=${kernel_debs[0]} unshare --uts bash -c '
		hostname elsewhere; kernel_debs=("$kernel_deb"); umask 022; "$@"' elsewhere "$@"
}

in_image() { tar -x -O -f "$scratch/$1/image.tar" "./$2"; }

# listing NAME: of each entry the type, mode, owner, size, time, and digest of files.
listing() {
	local here=$scratch/$1/unpacked
	[[ -d $here ]] || { mkdir "$here" && tar -x -p -C "$here" -f "$scratch/$1/image.tar"; } || return
	(cd "$here" && find . -path ./dev -prune -o -printf '%p %y %m %U:%G %T@ %l\n' | sort &&
		find . -path ./dev -prune -o -type f -print0 | sort -z | xargs -0 sha256sum)
}

same_listing() { diff <(listing "$1") <(listing "$2"); }
of_koweld() { listing "$1" | grep -E '/var/lib/koweld|/lib/modules/.*(acme|plain|\.weld|modules\.)|modprobe.d/acme'; }
same_of_koweld() { diff <(of_koweld "$1") <(of_koweld "$2") && of_koweld "$1" | grep '/acme\.ko'; }
none_later() { listing "$1" | awk -v epoch="$image_epoch" '$5 > epoch { print; late = 1 } END { exit late }'; }

image_state() { in_image "$1" "var/lib/koweld/packages/$driver.json" | grep "\"state\": *\"$2\""; }
no_trace_in() { listing "$1" >/dev/null && no_trace "$scratch/$1/unpacked"; }
image_verifies() { listing "$1" >/dev/null && "$scratch/koweld" -q --root "$scratch/$1/unpacked" verify; }

# images: needs the example in version 1.0, and koweld as $scratch/koweld.
images() {
	local all=initramfs-tools,linux-base,kmod,zstd,systemd,udev,koweld,$driver
	chapter "Two images of a system with kernel and driver"
	check "the first is made" image first "$all,$kernel_image"
	check "the second is made, in a folder of another name, on a machine of another name" elsewhere image another/deeper "$all,$kernel_image"
	check "the driver is active in it" image_state first active
	check "koweld finds all in place there (verify)" image_verifies first
	check "records, modules and index are the same, with their times" same_of_koweld first another/deeper
	check "no file is later than SOURCE_DATE_EPOCH" none_later first
	check "the images are the same (cmp)" cmp "$scratch/first/image.tar" "$scratch/another/deeper/image.tar" ||
		same_listing first another/deeper | head -40 | sed 's/^/#   /'
	check "nothing of this machine's kernel is in it" no_trace_in first
	rm -rf --one-file-system "$scratch"/{another,first/repository}

	chapter "An image without the kernel"
	check "it is made" image waiting "$all"
	check "the driver waits in it" image_state waiting waiting
	check "it is not made where the modules are required" \
		refused image required "$all" --customize-hook="chroot \"\$1\" koweld install --require-placed $driver"
	rm -rf --one-file-system "$scratch"/{first,waiting,required}
}
refused() {
	local output
	output=$("$@" 2>&1) && return 1
	grep -F "cannot place $driver: kernel $kernel is not installed" <<<"$output" || {
		printf '%s\n' "$output"
		return 1
	}
}
