# Sourced by test.sh: upgrades that end well, and ways back.
# shellcheck shell=bash disable=SC2154 # of systems.sh and asked.sh

path_upgrade() {
	gets_broken
	check "there is one digest, beside the library" [ -e "$root$new" ]
	chapter "the same again"
	files >"$scratch/before"
	apt 0 install --reinstall libgcrypt20-hmac libgcrypt20 ubuntu-fips
	upgrade 0
	is_upgraded
	check "all is as before (file by file)" unchanged "$scratch/before"
	run 0 koweld quirk list
	run 0 koweld reconcile --stage boot
	check "all is as before (file by file)" unchanged "$scratch/before"
	chapter "the fixed version"
	ends_fixed
}

# Before, on bionic, an update of bionic's; later one of the fixed release again.
path_updates() {
	gets_koweld
	release update
	upgrade 0
	reads "$update"
	holds_not
	release focal
	upgrade 0
	is_upgraded
	ends_fixed
}

# As an upgrader begins: three times, with the quirk of Ubuntu before or not.
path_starts() {
	gets_koweld
	for _ in 1 2 3; do
		run 0 koweld reconcile --stage upgrade-start --upgrade bionic:focal --candidate "libgcrypt20-hmac=$broken"
	done
	holds_started
	check "the reader still finds its file" inside /usr/lib/ubuntu-fips/selftest
	release focal
	upgrade 0
	is_upgraded
	ends_fixed
}
holds_started() {
	if [[ $layout == split ]]; then check "$old is diverted" is_diverted; else check "nothing is diverted" is_not_diverted; fi
}

# koweld comes when it has happened already.
path_late() {
	release focal
	upgrade 100
	apt 0 install koweld
	run 0 koweld reconcile
	run 0 dpkg --configure -a
	is_upgraded
	ends_fixed
}

# dpkg alone has no hooks: koweld must be told.
path_by_dpkg() {
	local debs=("/repository/fixed/libgcrypt20_${fixed}_amd64.deb" "/repository/fixed/libgcrypt20-hmac_${fixed}_amd64.deb")
	gets_broken
	if [[ $layout == split ]]; then
		run 1 dpkg -i "${debs[@]}"
		check "dpkg does not let in the fixed version" said "which is the diverted version of '$old'"
	fi
	run 0 koweld reconcile --incoming "libgcrypt20-hmac=$fixed"
	run 0 dpkg -i "${debs[@]}"
	run 0 koweld reconcile
	reads "$fixed"
	ends_fixed
}

path_downgrade() {
	chapter "from the certified version to bionic"
	gets_broken
	release bionic
	upgrade 0
	reads "$bionic"
	check "the digest is in one place" one_place
	holds_not
	chapter "and from the fixed one, by way of the certified one"
	release fixed
	upgrade 0
	reads "$fixed"
	release focal
	upgrade 0
	is_upgraded
	release bionic
	upgrade 0
	reads "$bionic"
	check "the digest is in one place" one_place
	ends bionic
}

# The broken version never comes.
path_fixed_first() {
	gets_koweld
	ends_fixed
}

# gone: libgcrypt20-hmac and its reader are no more, and no digest is.
gone() {
	local digests
	digests=$(find "$root/lib/" "$root/usr/lib/" -name '.libgcrypt.so.20.hmac*')
	[[ -z $digests ]] || { echo "$digests" && return 1; }
}
comes_again() {
	check "no digest is left" gone
	holds_not
	apt 0 install ubuntu-fips
	is_upgraded
}
path_removed() {
	gets_broken
	apt 0 remove libgcrypt20-hmac
	comes_again
	ends_fixed
}
path_purged() {
	gets_broken
	apt 0 purge libgcrypt20-hmac ubuntu-fips
	comes_again
	ends_fixed
}
path_removed_by_dpkg() {
	gets_broken
	run 0 dpkg --purge ubuntu-fips libgcrypt20-hmac
	run 0 koweld reconcile
	comes_again
	ends_fixed
}

# The name that the digest would be diverted to belongs to another package, whose file
# dpkg would overwrite without a word: koweld refuses, and apt goes on as without it.
path_target_owned() {
	gets_koweld
	apt 0 install squatter
	release focal
	upgrade 100
	check "apt's user is told why" said "squatter.*$new\|$new.*squatter"
	check "the reader does not find its file" said "selftest: .*"
	check "the file of the other package is whole (dpkg -V)" inside dpkg -V squatter
	holds_not
	# While it goes the reader is configured once more.
	apt 100 purge squatter
	run 0 dpkg --configure -a
	is_upgraded
	apt 0 purge squatter
	ends_fixed
}
