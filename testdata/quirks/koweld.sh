# Sourced by test.sh: koweld itself comes, goes, or is in no good state.
# shellcheck shell=bash disable=SC2154 # of systems.sh and asked.sh

# koweld goes while it holds a quirk.
path_koweld_purged() {
	gets_broken
	apt 0 purge koweld
	check "nothing is diverted" is_not_diverted
	check "the reader still finds its file" inside /usr/lib/ubuntu-fips/selftest
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
	check "nothing of koweld's is left" no_koweld
	release fixed
	upgrade 0
	reads "$fixed"
	purged fixed
}
no_koweld() { [[ -z $(find "$root" -xdev -path "$root/repository" -prune -o -iname '*koweld*' ! -path '*/var/lib/apt/*' ! -path '*/var/cache/*' -print) ]]; }

path_koweld_removed() {
	gets_broken
	apt 0 remove koweld
	check "nothing is diverted" is_not_diverted
	check "the reader still finds its file" inside /usr/lib/ubuntu-fips/selftest
	check "its hook stays, as a conffile does" [ -e "$root/etc/apt/apt.conf.d/99koweld" ]
	release fixed
	upgrade 0
	reads "$fixed"
	purged fixed
}

path_koweld_unpacked() {
	run 0 sh -c 'dpkg --unpack /repository/koweld/koweld_*.deb'
	release focal
	upgrade 0
	is_upgraded
	ends_fixed
}

# Files of quirks that cannot be read never keep apt from its work.
path_koweld_broken() {
	gets_koweld
	mkdir -p "$root/etc/koweld/quirks.d"
	echo "koweld: [" >"$root/etc/koweld/quirks.d/wrong.yaml"
	release focal
	upgrade 0
	check "apt's user is told of it" said "wrong.yaml"
	rm -r "$root/etc/koweld"
	is_upgraded
	ends_fixed
}

# As piuparts does: koweld comes where its quirk is needed, and is purged. Nothing of
# it is left; the digest stays where it has been moved to, beside the library.
path_leaves_nothing() {
	release focal
	if [[ $layout == split ]]; then upgrade 100; else upgrade 0; fi
	files_but_digest >"$scratch/before"
	apt 0 install koweld
	is_upgraded
	apt 0 purge koweld
	check "each file is as before koweld came" same_but_digest
	reads "$broken"
	check "nothing is diverted" is_not_diverted
	check "there is one digest" one_place
}
# Beside the digest, its reader could not be configured.
files_but_digest() { files | grep -v -e '\.libgcrypt\.so\.20\.hmac' -e '^ubuntu-fips '; }
same_but_digest() { files_but_digest | diff "$scratch/before" -; }
