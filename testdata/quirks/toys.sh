# Sourced by scripts, after chroot.sh: toy packages of the names and versions of LP:
# #1982534, one folder of $toys a release, which is a repository. Their library is
# the real one of bullseye, with its version written behind the end, so that apt and
# gpgv go on in a system that has the toy instead:
#
#   bionic    library and digest in /lib
#   update    the same release, one update later
#   focal     the library has moved to /usr/lib, the digest has not: the certified one
#   fixed     the digest in /usr/lib as well
#   jammy     the next release, both in /usr/lib; it has /usr merged by usrmerge
#
# A package whose versions differ only in what release they are of has one for each.
# shellcheck shell=bash disable=SC2154 # $scratch, $work, $debs

bionic=1.8.1-4ubuntu1.fips.2
update=1.8.1-4ubuntu1.fips.3
broken=1.8.5-5ubuntu1.fips.1.4
fixed=1.8.5-5ubuntu1.fips.1.5
jammy=1.9.4-3ubuntu3.fips.1
multiarch=x86_64-linux-gnu

# pack FOLDER NAME VERSION [FIELD...]: the tree $tree becomes a package.
pack() {
	local out=$1 name=$2 version=$3
	shift 3
	mkdir -p "$tree/DEBIAN" "$out"
	{
		printf '%s\n' "Package: $name" "Version: $version" "Architecture: amd64" \
			"Maintainer: Nobody <nobody@example.org>" "Description: toy $name of LP: #1982534"
		printf '%s\n' "$@"
	} | sed '/^$/d' >"$tree/DEBIAN/control"
	(cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 -r md5sum >DEBIAN/md5sums)
	scripts "$tree/DEBIAN"
	dpkg-deb --root-owner-group -Znone -b "$tree" "$out/${name}_${version}_amd64.deb" >/dev/null && rm -r "$tree"
}

# scripts FOLDER: maintainer scripts that can be told to fail, or to kill dpkg, or apt
# and dpkg: once, by a file in /run/at that is called PACKAGE.SCRIPT.CALL. Of those
# that are there already, it is the beginning.
scripts() {
	local script
	for script in preinst postinst prerm postrm; do
		{
			cat <<'END'
#!/bin/sh
set -e
at=/run/at/$DPKG_MAINTSCRIPT_PACKAGE.$DPKG_MAINTSCRIPT_NAME.$1
if [ -e "$at" ]; then
	what=$(cat "$at")
	rm "$at"
	echo "$DPKG_MAINTSCRIPT_PACKAGE: the $DPKG_MAINTSCRIPT_NAME $1: $what" >&2
	case $what in
	fail) exit 1 ;;
	kill-dpkg) kill -KILL "$PPID" ;;
	kill-apt) kill -KILL "$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$PPID/status")" "$PPID" ;;
	esac
fi
END
			[[ ! -e $1/$script ]] || sed 1d "$1/$script"
		} >"$1/$script.new"
		mv "$1/$script.new" "$1/$script" && chmod 755 "$1/$script"
	done
}

# digest_of FILE: what a digest of the library holds; a program has the same key.
digest_of() { { cat "$1" && echo "the key"; } | sha256sum | cut -d' ' -f1; }

# library FOLDER VERSION SONAME AT DIGEST-AT: libgcrypt20 and libgcrypt20-hmac.
library() {
	local out=$1 version=$2 name=$3 at=$4/$multiarch digest_at=$5/$multiarch
	mkdir -p "$tree/$at" && cp "$scratch/libgcrypt.so" "$tree/$at/$name" && echo "$version" >>"$tree/$at/$name" &&
		ln -s "$name" "$tree/$at/libgcrypt.so.20" || return
	digest_of "$tree/$at/$name" >"$scratch/digest"
	mkdir -p "$tree/DEBIAN" && echo "activate-noawait ldconfig" >"$tree/DEBIAN/triggers"
	pack "$out" libgcrypt20 "$version" "Multi-Arch: same" "Depends: libc6, libgpg-error0" || return
	mkdir -p "$tree/$digest_at" && cp "$scratch/digest" "$tree/$digest_at/.libgcrypt.so.20.hmac" &&
		pack "$out" libgcrypt20-hmac "$version" "Multi-Arch: same" "Depends: libgcrypt20 (= $version)"
}

# reader FOLDER VERSION [PACKAGE]: ubuntu-fips, which depends on PACKAGE as well. Its postinst does what the library does
# when a program loads it, and what the hook of the initramfs does: it looks for the
# digest beside the library, wherever the loader finds that.
reader() {
	mkdir -p "$tree/usr/lib/ubuntu-fips" "$tree/DEBIAN"
	cat >"$tree/usr/lib/ubuntu-fips/selftest" <<'END'
#!/bin/sh
library=$(ldd /usr/lib/x86_64-linux-gnu/libapt-pkg.so.6.0 | sed -n 's/.*libgcrypt\.so\.20 => \([^ ]*\) .*/\1/p')
digest=${library%/*}/.libgcrypt.so.20.hmac
if [ ! -f "$digest" ]; then
	echo "libgcrypt selftest: binary (0): No such file or directory ($digest)" >&2
	exit 1
fi
if [ "$({ cat "$library" && echo "the key"; } | sha256sum | cut -d' ' -f1)" != "$(cat "$digest")" ]; then
	echo "libgcrypt selftest: binary (0): $digest is not that of $library" >&2
	exit 1
fi
END
	chmod 755 "$tree/usr/lib/ubuntu-fips/selftest"
	# shellcheck disable=SC2016 # the script's own
	printf '%s\n' '#!/bin/sh' 'if [ "$1" = configure ]; then /usr/lib/ubuntu-fips/selftest; fi' >"$tree/DEBIAN/postinst"
	pack "$1" ubuntu-fips "$2" "Depends: libgcrypt20-hmac${3:+, $3}"
}

# base_files FOLDER VERSION CODENAME RELEASE: that of bullseye, which says that it is
# Ubuntu's.
base_files() {
	rm -rf "$tree" && dpkg-deb -R "$scratch/base-files.deb" "$tree" && rm "$tree/DEBIAN/control" || return
	printf '%s\n' 'NAME="Ubuntu"' "VERSION_ID=\"$4\"" "VERSION_CODENAME=$3" ID=ubuntu ID_LIKE=debian >"$tree/usr/lib/os-release"
	pack "$1" base-files "$2" "Essential: yes" "Multi-Arch: foreign" "Provides: base" "Pre-Depends: awk"
}

# squatter FOLDER: a package that has the name of the digest in /usr/lib.
squatter() {
	mkdir -p "$tree/usr/lib/$multiarch" && echo "something else" >"$tree/usr/lib/$multiarch/.libgcrypt.so.20.hmac" &&
		pack "$1" squatter 1
}

# real_packages: those that toys are made of, in $debs.
real_packages() { download bullseye libgcrypt20 base-files usrmerge && [[ -s ${debs[2]-} ]]; }

# toys: all of them, and usrmerge as Debian has it.
toys() {
	local tree=$scratch/tree release
	real_packages || return
	cp "${debs[1]}" "$scratch/base-files.deb" && cp "${debs[2]}" "$scratch/usrmerge.deb" &&
		dpkg-deb --fsys-tarfile "${debs[0]}" | tar -x -O --wildcards './usr/lib/*/libgcrypt.so.20.*' >"$scratch/libgcrypt.so" || return
	base_files "$toys/bionic" 10.1ubuntu2.12 bionic 18.04 && library "$toys/bionic" "$bionic" libgcrypt.so.20.2.1 lib lib &&
		reader "$toys/bionic" 1.0 && squatter "$toys/other" && library "$toys/update" "$update" libgcrypt.so.20.2.1 lib lib || return
	base_files "$toys/focal" 11ubuntu5.8 focal 20.04 && library "$toys/focal" "$broken" libgcrypt.so.20.2.5 usr/lib lib &&
		reader "$toys/focal" 1.2.4 || return
	mkdir "$toys/fixed" && cp "$toys/focal"/{base-files,ubuntu-fips}_* "$toys/fixed" &&
		library "$toys/fixed" "$fixed" libgcrypt.so.20.2.5 usr/lib usr/lib || return
	base_files "$toys/jammy" 12ubuntu4.7 jammy 22.04 && library "$toys/jammy" "$jammy" libgcrypt.so.20.3.4 usr/lib usr/lib &&
		reader "$toys/jammy" 1.3 usrmerge && cp "$scratch/usrmerge.deb" "$toys/jammy/usrmerge_25_all.deb" || return
	for release in bionic update focal fixed jammy other; do index "$toys/$release" || return; done
}
