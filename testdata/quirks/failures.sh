# Sourced by test.sh: upgrades that are given up, fail, or are killed.
# shellcheck shell=bash disable=SC2154 # of systems.sh and asked.sh

# A hook that comes after koweld's fails: dpkg is not called, nor are the hooks at its
# end. The boot puts it right, or the next run of apt, whatever it is about.
path_hook_fails() {
	gets_koweld
	another_hook_fails
	run 0 koweld reconcile --stage boot
	is_back
	another_hook_fails
	apt 0 install squatter # whose file has the name that would be diverted to
	apt 0 purge squatter
	is_back
	ends bionic
}
another_hook_fails() {
	chapter "another hook fails, and dpkg is not called"
	echo 'DPkg::Pre-Install-Pkgs { "echo another hook fails >&2; exit 1"; };' >"$root/etc/apt/apt.conf.d/99zz-fails"
	release focal
	upgrade 100
	check "it has failed" said "another hook fails"
	holds_started
	rm "$root/etc/apt/apt.conf.d/99zz-fails"
	reads "$bionic"
	release bionic
}
# is_back: an update of bionic's comes to where bionic has the file.
is_back() {
	holds_not
	release update
	upgrade 0
	reads "$update"
	check "the digest is in /lib" [ -e "$root$old" ]
	check "and nowhere else" one_place
	release bionic
	upgrade 0
	reads "$bionic"
	check "and nowhere else" one_place
}
one_place() { [[ $layout == merged || ! -e $root$old || ! -e $root$new ]]; }

path_preinst_fails() {
	gets_koweld
	release focal
	tell libgcrypt20-hmac.preinst.upgrade fail
	upgrade 100
	check "it has failed" was_told libgcrypt20-hmac.preinst.upgrade
	check "bionic's is what is installed" version_is libgcrypt20-hmac "$bionic"
	holds_not
	check "the digest of bionic is in /lib" [ -e "$root$old" ]
	apt 0 -f install
	upgrade 0
	is_upgraded
	ends_fixed
}

path_postinst_fails() {
	gets_koweld
	release focal
	tell ubuntu-fips.postinst.configure fail
	tell libgcrypt20-hmac.postinst.configure fail
	upgrade 100
	holds_started
	upgrade 100
	holds_started
	apt 0 -f install
	upgrade 0
	is_upgraded
	ends_fixed
}

# killed POINT WHAT: the upgrade to focal is killed there, and dpkg and apt go on.
killed() {
	gets_koweld
	release focal
	tell "$1" "$2"
	if [[ $2 == kill-apt ]]; then upgrade 137; else upgrade 100; fi
	check "it was killed at $1" was_told "$1"
}
goes_on() {
	recovers
	ends_fixed
}
# recovers: as dpkg and apt ask for it, and the boot.
recovers() {
	inside dpkg --configure -a
	inside apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends -f install
	if ! nothing_wrong; then # "you should reinstall it"
		inside dpkg -i "/repository/focal/libgcrypt20_${broken}_amd64.deb" "/repository/focal/libgcrypt20-hmac_${broken}_amd64.deb"
	fi
	apt 0 -f install
	upgrade 0
	run 0 koweld reconcile --stage boot
	is_upgraded
}
path_killed_preinst() {
	killed libgcrypt20-hmac.preinst.upgrade kill-dpkg
	goes_on
}
path_killed_unpack() {
	killed libgcrypt20-hmac.postrm.upgrade kill-dpkg
	goes_on
}
path_killed_postinst() {
	killed libgcrypt20-hmac.postinst.configure kill-dpkg
	goes_on
}
path_killed_apt() {
	killed libgcrypt20-hmac.postrm.upgrade kill-apt
	goes_on
}
# And the machine boots before anything is mended.
path_killed_boots() {
	killed libgcrypt20-hmac.postrm.upgrade kill-apt
	run 0 koweld reconcile --stage boot
	goes_on
}

# The package is not removed after all, or dies in it.
path_removal_fails() {
	gets_broken
	tell libgcrypt20-hmac.prerm.remove fail
	apt 100 remove libgcrypt20-hmac
	check "it has failed" was_told libgcrypt20-hmac.prerm.remove
	apt 0 install ubuntu-fips
	is_upgraded
	tell libgcrypt20-hmac.postrm.remove kill-apt
	apt 137 purge libgcrypt20-hmac ubuntu-fips
	check "it was killed" was_told libgcrypt20-hmac.postrm.remove
	run 0 koweld reconcile --stage boot
	inside dpkg --configure -a
	apt 0 purge libgcrypt20-hmac ubuntu-fips
	comes_again
	ends_fixed
}

# dpkg is killed before each of its calls that changes a name of a digest or of the
# library: the upgrade is begun in the same system as often as it has such calls. koweld's own
# calls are for the tests of its transaction.
path_killed_anywhere() {
	local call n
	gets_koweld
	release focal
	check "the system is kept" keep
	for call in rename rmdir; do
		n=1
		until killed_before "$call" "$n"; do
			check "dpkg is killed before its $call $n: $(tail -1 "$scratch/calls")" said 'dpkg.*signal\|dpkg exited'
			recovers
			check "the system is what it was" again
			n=$((n + 1))
		done
		check "the upgrade succeeds when none is left: $((n - 1)) there were" [ "$n" -gt 1 ]
		is_upgraded
		check "the system is what it was" again
	done
	upgrade 0
	is_upgraded
	ends_fixed
}
keep() { umount "$root/proc" && rm -rf "$scratch/kept" && cp -a "$root" "$scratch/kept" && mount -t proc none "$root/proc"; }
again() { leave && cp -a "$scratch/kept" "$root" && mount -t proc none "$root/proc"; }

# killed_before CALL N: the upgrade, by a dpkg that is killed before the Nth such call.
# It succeeds if there are no N.
killed_before() {
	local name names=()
	for name in {,/usr}/lib/$multiarch/{.libgcrypt.so.20.hmac,libgcrypt.so.20{,.2.1,.2.5}}; do
		names+=(-P "$name" -P "$name.dpkg-new" -P "$name.dpkg-tmp")
	done
	printf '\n$ apt-get dist-upgrade\n'
	strace -f -qq -e signal=none -o "$scratch/calls" "${names[@]}" -e trace="$1" -e inject="$1:signal=KILL:when=$2" \
		chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends dist-upgrade >"$scratch/said" 2>&1
}
