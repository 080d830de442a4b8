# Sourced by test.sh: the bug, and what the workaround alone leads to; without koweld.
# shellcheck shell=bash disable=SC2154 # of systems.sh and asked.sh

path_bug() {
	local reader=installed
	release focal
	if [[ $layout == split ]]; then
		reader=half-configured
		upgrade 100
		check "the reader does not find its file in /usr/lib" said "selftest: .*$new"
	else
		upgrade 0
	fi
	check "the reader is $reader" status_is ubuntu-fips $reader
	check "the digest is in /lib" [ -e "$root$old" ]
	check "the library is in /usr/lib" [ -e "$root/usr/lib/$multiarch/libgcrypt.so.20.2.5" ]
	check "dpkg -V sees nothing wrong" inside dpkg -V libgcrypt20-hmac libgcrypt20
}

# The diversion that an upgrader makes and nobody ends: the upgrade succeeds, and what
# comes after it does not.
path_workaround() {
	worked_around
	release fixed
	upgrade 100
	check "dpkg does not let in the fixed version" said "which is the diverted version of '$old'"
	check "the system is put away" leave
	check "another is made" enter "$layout"
	worked_around
	apt 100 install /repository/jammy/usrmerge_25_all.deb
	check "usrmerge finds two files" said "Both $old and $new exist"
	check "usrmerge is half-configured" status_is usrmerge half-configured
}
worked_around() {
	run 0 dpkg-divert --local --no-rename --divert "$new" --add "$old"
	release focal
	upgrade 0
	check "there are two digests" [ -e "$root$old" -a -e "$root$new" ]
}
