# Sourced by scripts, after tap.sh and roots.sh: a system at $root that is thrown
# away, its local repository, and what is asked of it.
# shellcheck shell=bash disable=SC2154 # $scratch, $kernel, $cache



# unshared NAME SCRIPT ARGUMENT...: the script again, in a name space of mounts of
# its own, which end with it; without that right it is skipped.
unshared() {
	local name=$1
	shift
	[[ ${KOWELD_UNSHARED-} != yes ]] || return 0
	if ((EUID != 0)) || ! unshare --mount --pid --fork true 2>/dev/null; then
		skip "$name" "needs root with CAP_SYS_ADMIN: mount, chroot"
		finish "$name"
		exit
	fi
	KOWELD_UNSHARED=yes exec unshare --mount --pid --fork --kill-child "$@"
}

chapter() { printf '\n# %s\n' "$*"; }

inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }

# run CODE COMMAND...: shows a command in the chroot and its output, which is kept
# in $scratch/said, and checks the exit code.
run() {
	local want=$1 code
	shift
	printf '\n$ %s\n' "$*"
	inside "$@" >"$scratch/said" 2>&1
	code=$?
	sed '/^debconf: /d; /^Selecting /d; /^(Reading /d; /^Preparing /d; /^Get:/d' "$scratch/said"
	check "exit code $want" [ "$code" -eq "$want" ]
}

said() { grep -q -- "$1" "$scratch/said"; }
said_not() { ! grep -- "$1" "$scratch/said"; }

apt() { run "$1" apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends "${@:2}"; }

# enter RELEASE: a new system at $root.
enter() {
	mkdir "$root" && tar -x -C "$root" -f "$cache/$1/base.tar" || return
	mount -t proc none "$root/proc" && mount -t sysfs none "$root/sys" && mount --rbind /dev "$root/dev" || return
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"
	mkdir "$root/repository"
	rm -rf --one-file-system "$root"/etc/apt/sources.list.d/*
	echo "deb [trusted=yes] file:/repository ./" >"$root/etc/apt/sources.list"
	# The administrator wants the driver in the initramfs, and little else: an image
	# with every module takes ten times as long and would show no more.
	echo acme >>"$root/etc/initramfs-tools/modules"
	mkdir -p "$root/etc/initramfs-tools/conf.d"
	printf '%s\n' MODULES=list COMPRESS=gzip >"$root/etc/initramfs-tools/conf.d/test"
}

leave() { umount -R "$root/dev" "$root/proc" "$root/sys" && rm -rf --one-file-system "$root"; }

# publish DEB...: adds packages to the repository.
publish() {
	cp "$@" "$root/repository" && index "$root/repository" && inside apt-get -qq update
}

# index FOLDER: makes it a repository.
index() { (cd "$1" && dpkg-scanpackages --multiversion . /dev/null >Packages 2>/dev/null); }

# files: each file with type, mode, owner and bytes, but for what apt, dpkg and
# logs write (apt of bullseye a list of kernels below /etc as well), and the
# initramfs, which is never twice the same. Of koweld's
# records, which hold times and inodes, only that they are there.
files() (
	cd "$root" || exit
	find . \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./repository \
		-o -path ./var/log -o -path ./var/cache -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path './boot/initrd.img-*' \
		-o -path ./etc/apt/apt.conf.d/01autoremove-kernels \) -prune \
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

# is_split and is_merged: whether /lib is a folder, or a link to usr/lib.
is_split() { [[ -d $root/lib && ! -L $root/lib ]]; }
is_merged() { [[ $(readlink "$root/lib") == usr/lib ]]; }
