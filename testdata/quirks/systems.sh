# Sourced by scripts, after toys.sh: systems of Ubuntu's release that the toys make
# of Debian bullseye, with /usr split and merged. $root is a copy of one, to be thrown
# away.
# shellcheck shell=bash disable=SC2154,SC2034 # $scratch and others; $the_diversion and others

old=/lib/$multiarch/.libgcrypt.so.20.hmac
new=/usr/lib/$multiarch/.libgcrypt.so.20.hmac
the_diversion="local diversion of $old to $new"

# base_of_bullseye: a system in which /usr is split, with what usrmerge and koweld
# depend on; kept in $cache.
base_of_bullseye() {
	[[ ! -s $cache/quirks/bullseye.tar ]] || return 0
	mkdir -p "$cache/quirks"
	lists bullseye
	bootstrap bullseye "$cache/quirks/bullseye.tar" perl,libfile-find-rule-perl,kmod \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*'
}

# system LAYOUT: bionic with the packages of the bug, in $scratch/LAYOUT.
system() {
	local root=$scratch/$1
	mkdir "$root" && tar -x -C "$root" -f "$cache/quirks/bullseye.tar" --exclude='./dev/*' &&
		mknod -m 666 "$root/dev/null" c 1 3 && mkdir "$root/repository" || return
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"
	rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/*
	cp -R "$toys"/* "$root/repository" || return
	# They are older than those of bullseye, and a release may be gone back to.
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/test"
	echo 'APT::Get::Allow-Downgrades "true";' >"$root/etc/apt/apt.conf.d/10test"
	printf '%s\n' 'Package: *' 'Pin: origin ""' 'Pin-Priority: 1001' >"$root/etc/apt/preferences.d/test"
	mount -t proc none "$root/proc" || return
	if [[ $1 == merged ]]; then
		inside dpkg -i /repository/jammy/usrmerge_25_all.deb && inside dpkg --purge usrmerge || return
	fi
	inside sh -c 'dpkg --force-downgrade -i /repository/bionic/*.deb' && release bionic &&
		umount "$root/proc" && "is_$1"
}

# enter LAYOUT: such a system at $root.
enter() { cp -a "$scratch/$1" "$root" && mount -t proc none "$root/proc"; }
leave() { umount "$root/proc" && rm -rf --one-file-system "$root"; }

# release NAME: what apt knows from now on: that release's packages, koweld, and others.
release() {
	local name
	for name in "$1" koweld other; do
		[[ ! -e $root/repository/$name/Packages ]] || echo "deb [trusted=yes] file:/repository/$name ./"
	done >"$root/etc/apt/sources.list"
	inside apt-get -qq update
}

# reference STATE RELEASE...: what a system is that had these releases, without koweld.
reference() {
	local name state=$1
	shift
	enter "$layout" || return
	inside dpkg-divert --list | sort >"$scratch/$layout.diversions"
	for name; do
		release "$name" && inside apt-get -qq -y --no-install-recommends dist-upgrade || return
	done
	inside ldconfig
	files >"$scratch/$layout.$state"
	nothing_wrong && inside /usr/lib/ubuntu-fips/selftest && leave
}

# prepare WHAT: toys, systems, koweld's package of $packages, references. If that
# cannot be had, it is the end of WHAT.
prepare() {
	root=$scratch/root toys=$scratch/toys
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/apt
	work=$cache
	mkdir -p "$cache"
	need dpkg-scanpackages=dpkg-dev mmdebstrap=mmdebstrap || exit 1
	chapter "Toys of the packages, and systems that have them"
	if [[ -n ${small-} ]] && ! { bootstrap_limit=400 base_of_bullseye && real_packages; } >&2; then
		skip "a system of bullseye" "the archive does not answer in time"
		finish "$1"
		exit
	fi
	check "a system of Debian is at hand" base_of_bullseye
	check "the toys are made" toys
	check "koweld's package is at hand" published_koweld
	for layout in ${KOWELD_LAYOUTS:-split merged}; do
		check "a system whose /usr is $layout" system "$layout"
		check "what bionic is" reference bionic
		check "what focal with the fixed version is" reference fixed fixed
		check "what jammy is after it" reference jammy fixed jammy
	done
	((tap_failed == 0)) || {
		finish "$1"
		exit 1
	}
}
published_koweld() { mkdir "$toys/koweld" && cp "$packages"/koweld_*_amd64.deb "$toys/koweld" && index "$toys/koweld"; }

# go PATH
go() {
	chapter "$1, /usr $layout"
	check "the system is made" enter "$layout"
	"path_$1"
	check "the system is put away" leave
}
