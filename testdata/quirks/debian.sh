# Sourced by test.sh: the quirks of Debian, with Debian's own packages: a system of
# bookworm that gets some of trixie.
# shellcheck shell=bash disable=SC2154,SC2034 # of systems.sh; $debian_paths

debian_paths=(base_files zutils)

# prepare_debian: the system, and the packages of trixie that it will get.
prepare_debian() {
	chapter "Debian's own packages"
	check "a system of bookworm is at hand" base_of_bookworm
	check "the packages of trixie are" packages_of_trixie
}
base_of_bookworm() {
	[[ ! -s $cache/quirks/bookworm.tar ]] || return 0
	mkdir -p "$cache/quirks"
	lists bookworm
	bootstrap bookworm "$cache/quirks/bookworm.tar" kmod,zutils \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*'
}
packages_of_trixie() {
	download trixie base-files gzip libc6 libc-bin libcrypt1 libgcc-s1 gcc-14-base &&
		mkdir "$scratch/trixie" && cp "${debs[@]}" "$scratch/trixie" && index "$scratch/trixie"
}

# go_debian PATH
go_debian() {
	chapter "$1, Debian's own"
	check "the system is made" enter_bookworm
	"debian_$1"
	check "the system is put away" leave
}
enter_bookworm() {
	mkdir "$root" && tar -x -C "$root" -f "$cache/quirks/bookworm.tar" --exclude='./dev/*' &&
		mknod -m 666 "$root/dev/null" c 1 3 && mkdir "$root/repository" && mount -t proc none "$root/proc" || return
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"
	rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/*
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/test"
	cp -R "$scratch/trixie" "$toys/koweld" "$root/repository"
	release koweld
}
diverted_by_others() { inside dpkg-divert --list | grep -v ' by zutils$' | sort; }
as_diverted() { diverted_by_others | diff "$scratch/diverted" -; }

# The diversion of /lib64 has another target than trixie's base-files knows.
debian_base_files() {
	run 0 dpkg-divert --no-rename --package base-files --divert /lib64.usr-is-merged --add /lib64
	release trixie
	apt 100 install base-files
	check "without koweld its postinst fails" said "mismatch on divert-to"
	check "the system is put away" leave
	check "another is made" enter_bookworm
	apt 0 install koweld
	run 0 dpkg-divert --no-rename --package base-files --divert /lib64.usr-is-merged --add /lib64
	check "on bookworm koweld has nothing to do" idle
	release trixie
	apt 0 install base-files
	check "koweld has recorded it anew before dpkg unpacked" said "base-files-lib64: record the diversion of /lib64 to /.lib64.usr-is-merged by base-files"
	check "base-files is that of trixie" inside grep '^13' /etc/debian_version
	check "/lib64 is no longer diverted" [ "$(inside dpkg-divert --truename /lib64)" = /lib64 ]
	check "and is the link that it was" [ "$(readlink "$root/lib64")" = usr/lib64 ]
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
	check "koweld has nothing to do" idle
	check "and nothing is wrong" inside koweld verify
}

# gzip of trixie comes while zutils is there, which goes before anybody has ended what
# gzip diverts on its behalf: as an earlier gzip did, whose postinst did not look.
debian_zutils() {
	apt 0 install koweld
	release trixie
	apt 0 install libc6
	diverted_by_others >"$scratch/diverted"
	run 0 sh -c 'dpkg --force-conflicts --unpack /repository/trixie/gzip_*.deb'
	check "gzip diverts on behalf of zutils" said "on behalf of zutils"
	rm "$root/var/lib/dpkg/info/gzip.postinst"
	run 0 dpkg --remove zutils
	run 0 dpkg --configure gzip
	check "zcat is missing" [ ! -e "$root/usr/bin/zcat" ]
	run 4 koweld verify
	check "koweld says what is to be done" said "quirk zutils-orphans: still to be done: move /usr/bin/zcat.usr-is-merged to /usr/bin/zcat"
	run 0 koweld repair --all
	check "zcat is gzip's, and works" inside sh -c 'echo x | gzip | zcat | grep x'
	check "no program of gzip is missing or changed (dpkg -V)" [ -z "$(inside dpkg -V gzip | grep /bin/)" ]
	check "nothing is diverted on behalf of zutils" [ -z "$(inside dpkg-divert --list | grep ' by zutils$')" ]
	check "any other diversion is as it was" as_diverted
	check "koweld has nothing to do" idle
}
