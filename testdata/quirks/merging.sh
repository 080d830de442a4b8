# Sourced by test.sh: /usr is merged, as the next release wants it.
# shellcheck shell=bash disable=SC2154 # of systems.sh and asked.sh

# usrmerge converts while the certified version is there.
path_conversion() {
	gets_broken
	apt 0 install /repository/jammy/usrmerge_25_all.deb
	check "/usr is merged now" is_merged
	reads "$broken"
	check "nothing is diverted" is_not_diverted
	check "koweld has nothing to do" idle
	release jammy
	upgrade 0
	reads "$jammy"
	ends jammy
}

path_next_release() {
	gets_broken
	release jammy
	upgrade 0
	check "/usr is merged now" is_merged
	reads "$jammy"
	ends jammy
}

path_next_release_killed() {
	gets_broken
	release jammy
	tell libgcrypt20-hmac.postrm.upgrade kill-apt
	upgrade 137
	check "it was killed" was_told libgcrypt20-hmac.postrm.upgrade
	run 0 koweld reconcile --stage boot
	inside dpkg --configure -a
	apt 0 -f install
	upgrade 0
	check "/usr is merged now" is_merged
	reads "$jammy"
	ends jammy
}

# An upgrade was killed and ended by dpkg alone, which has no hooks: the file of bionic
# is still there, and the next thing that apt does is to merge /usr.
path_stale() {
	killed libgcrypt20-hmac.postinst.configure kill-dpkg
	inside dpkg --configure -a
	check "the file of bionic is there" [ -e "$root$old" ]
	apt 0 install /repository/jammy/usrmerge_25_all.deb
	check "/usr is merged now" is_merged
	reads "$broken"
	check "nothing is diverted" is_not_diverted
	release jammy
	upgrade 0
	reads "$jammy"
	ends jammy
}
