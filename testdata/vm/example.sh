# Sourced by the scripts beside, after root.sh: Debian packages of this work tree, and
# of the example driver, in $scratch.
# shellcheck shell=bash disable=SC2034,SC2154 # for the scripts; $here, $scratch

# shellcheck source-path=SCRIPTDIR
. "$here/../deb/tree.sh"

# koweld_packages: koweld and dh-koweld of this work tree, by dpkg-buildpackage; the
# files in the variables koweld_deb and dh_koweld_deb, and what they hold unpacked in
# $scratch/tools. The same sources are built once, or are in $KOWELD_DEBS.
koweld_packages() {
	local tree folder lock
	tree=$(
		cd "$here/../.." && commit=$(git_here -c user.name=none -c user.email=none stash create) &&
			git_here ls-tree -r "${commit:-HEAD}" assemble cmd debian divert docs/man go.mod go.sum internal manifest quirks testdata/acme |
			sha256sum | cut -c1-16
	) || return
	mkdir "$scratch/packages" || return
	if compgen -G "${KOWELD_DEBS-}/koweld_*_amd64.deb" >/dev/null; then
		cp "$KOWELD_DEBS"/*koweld_*.deb "$scratch/packages" || return
	else
		folder=$cache/koweld/$tree
		mkdir -p "$cache" && exec {lock}>"$cache/koweld.lock" && flock "$lock" || return # another test may build
		if [[ ! -d $folder ]]; then
			echo "building the packages of koweld" >&2
			rm -rf --one-file-system "$cache/koweld"
			mkdir -p "$folder.part"
			DEB_BUILD_OPTIONS=nocheck "$here/../deb/build.sh" "$folder.part" >&2 && mv "$folder.part" "$folder" || return
		fi
		cp "$folder"/*koweld_*.deb "$scratch/packages" || return
		exec {lock}>&-
	fi
	koweld_deb=$(ls "$scratch"/packages/koweld_*_amd64.deb) && dh_koweld_deb=$(ls "$scratch"/packages/dh-koweld_*_all.deb) || return
	mkdir "$scratch/tools" && dpkg-deb -x "$koweld_deb" "$scratch/tools" && dpkg-deb -x "$dh_koweld_deb" "$scratch/tools"
}

# make_key NAME: what signs modules, as $scratch/NAME.key and $scratch/NAME.pem.
make_key() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$1 of a test (key thrown away)" \
		-addext basicConstraints=critical,CA:FALSE -addext keyUsage=digitalSignature \
		-keyout "$scratch/$1.key" -out "$scratch/$1.pem" 2>/dev/null
}

# build_example VERSION [KEY]: the example driver of dh-koweld in that version, for
# $kernel, signed by signer or by another key; its .deb files in the array example_debs,
# what kbuild linked in $example/build. A kernel whose headers this system cannot have
# is built for in a chroot.
build_example() {
	local version=$1 key=${2-signer} name builder=() at=$scratch/example-$1-${2-signer}
	example=$at/acme-driver
	mkdir "$at" && cp -R "$scratch/tools/usr/share/doc/dh-koweld/examples/acme-driver" "$example" || return
	sed -i "1s/(.*)/($version)/" "$example/debian/changelog" || return
	sed -i '/^MODULE_VERSION/d' "$example"/src/*.c || return
	for name in core acme_aux plain; do
		echo "MODULE_VERSION(\"$version\");" >>"$example/src/$name.c"
	done
	cp "$scratch/$key.key" "$at/signing.key" && cp "$scratch/$key.pem" "$at/signing.pem" || return
	if [[ $kernel == 6.1.0-* ]]; then
		need dh=debhelper dpkg-buildpackage=dpkg-dev gcc=gcc make=make openssl=openssl \
			"/usr/src/linux-headers-$kernel/Makefile=linux-headers-$kernel" || return
		builder=(env PATH="$scratch/tools/usr/bin:$PATH" PERL5LIB="$scratch/tools/usr/share/perl5"
			DH_AUTOSCRIPTDIR="$scratch/tools/usr/share/debhelper/autoscripts")
	else
		enter_builder || return
		mkdir -p "$scratch/builder$at" && mount --bind "$at" "$scratch/builder$at" || return
		builder=(inside "$scratch/builder")
	fi
	# shellcheck disable=SC2016 # the inner shell's
	"${builder[@]}" sh -e -c 'cd "$1" && debian/rules control KERNEL="$2" && export SIGNING_KEY="$3/signing.key" SIGNING_CERTIFICATE="$3/signing.pem" &&
		dpkg-buildpackage --no-sign --no-check-builddeps --build=binary' - "$example" "$kernel" "$at" >"$at/log" 2>&1 || {
		tail -n 20 "$at/log"
		return 1
	}
	example_debs=("$at"/*.deb)
}

# enter_builder: a Debian with the headers of $kernel and koweld's packages, at
# $scratch/builder. Mounted over what is kept of it, which is not written to.
enter_builder() {
	local kept=$cache/builder-$kernel lines
	[[ ! -d $scratch/builder ]] || return 0
	if [[ ! -d $kept ]]; then
		need mmdebstrap=mmdebstrap || return
		echo "making a Debian $release with the headers of $kernel" >&2
		rm -rf --one-file-system "$kept.part"
		mapfile -t lines < <(sources "$release")
		timeout 1800 mmdebstrap --quiet --variant=apt --include="debhelper,dpkg-dev,gcc,make,openssl,kmod,linux-headers-$kernel" \
			"$release" "$kept.part" "${lines[@]}" || return
		mv "$kept.part" "$kept"
	fi
	mkdir "$scratch"/builder{,-upper,-work} &&
		mount -t overlay overlay -o "lowerdir=$kept,upperdir=$scratch/builder-upper,workdir=$scratch/builder-work" "$scratch/builder" &&
		enter "$scratch/builder" && cp "$koweld_deb" "$dh_koweld_deb" "$scratch/builder/tmp" &&
		inside "$scratch/builder" sh -c 'dpkg -i /tmp/*.deb' >&2
}

# image_of MODULE: the bytes before the signature. signature_of MODULE: the CMS.
# A module ends in the CMS, 12 bytes of which the last four are its length, and 28
# bytes of text (include/linux/module_signature.h).
image_of() { head -c -$(($(cms_length "$1") + 40)) "$1"; }
signature_of() { tail -c $(($(cms_length "$1") + 40)) "$1" | head -c -40; }
cms_length() { echo $((16#$(tail -c 32 "$1" | head -c 4 | od -An -tx1 | tr -d ' \n'))); }

# sign_file KEY IMAGE MODULE: signs as the kernel's sign-file does.
sign_file() {
	"$scratch/tools/usr/bin/koweld" -q sig sign --key "$scratch/$1.key" --certificate "$scratch/$1.pem" -o "$3" "$2"
}
