# Sourced by scripts, after systems.sh: what is done to a system on more than one path,
# and what is asked of it. Each path ends where koweld is purged and each file is what
# it is in a system that came there with neither koweld nor the bug.
# shellcheck shell=bash disable=SC2154 # of systems.sh

# upgrade CODE: to what apt knows.
upgrade() { apt "$1" dist-upgrade; }

# tell POINT WHAT: the next time that a maintainer script comes there, it does that.
tell() { mkdir -p "$root/run/at" && echo "$2" >"$root/run/at/$1"; }
was_told() { [[ ! -e $root/run/at/$1 ]]; }

# shellcheck disable=SC2016 # dpkg-query's own
version_is() { [[ $(inside dpkg-query -W -f '${db:Status-Status} ${Version}' "$1") == "installed $2" ]]; }

# reads VERSION: who needs the digest finds it, and dpkg has nothing to complain of.
reads() {
	check "the reader finds the digest of $1 beside the library" inside /usr/lib/ubuntu-fips/selftest
	check "libgcrypt20-hmac is installed in that version" version_is libgcrypt20-hmac "$1"
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
}

is_diverted() { [[ $(inside dpkg-divert --list '*hmac*') == "$the_diversion" ]]; }
is_not_diverted() { inside dpkg-divert --list | sort | diff "$scratch/$layout.diversions" -; }

# holds: what the quirk keeps is so where it has a meaning, and nothing elsewhere.
holds() {
	if [[ $layout == split ]]; then
		check "$old is diverted" is_diverted
	else
		check "nothing is diverted" is_not_diverted
	fi
	check "koweld has nothing to do" idle
}

# holds_not: nothing is diverted, and nothing is on record.
holds_not() {
	check "nothing is diverted" is_not_diverted
	check "koweld has no record of a quirk" no_record
}
no_record() { [[ -z $(find "$root/var/lib/koweld/quirks" -name '*.json' 2>/dev/null) ]]; }
idle() { [[ $(inside koweld reconcile 2>&1) == "nothing to do" ]]; }

# one_digest AT: there is one file, there.
one_digest() { [[ $(cd "$root" && find lib usr/lib -xtype f -name '.libgcrypt.so.20.hmac' | sort) == "${1#/}" ]]; }
stale_is_gone() { [[ $layout == merged || ! -e $root$old ]]; }

# ends STATE: koweld is purged, and all is as in $scratch/LAYOUT.STATE.
ends() {
	holds_not
	purged "$1"
}
purged() {
	apt 0 purge koweld
	inside ldconfig
	check "each file is as if there had been neither bug nor koweld" unchanged "$scratch/$layout.$1"
	check "nothing is diverted" is_not_diverted
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
}

# ends_fixed: the same after an upgrade to the fixed version.
ends_fixed() {
	release fixed
	upgrade 0
	reads "$fixed"
	check "nothing is left in /lib" stale_is_gone
	ends fixed
}

# gets_koweld: from its package.
gets_koweld() {
	apt 0 install koweld
	check "koweld has nothing to do on bionic" idle
	holds_not
}

# gets_broken: koweld, and the upgrade to the certified version.
gets_broken() {
	gets_koweld
	release focal
	upgrade 0
	is_upgraded
}
is_upgraded() {
	reads "$broken"
	check "the file of bionic is gone" stale_is_gone
	holds
}

# shellcheck disable=SC2016 # dpkg-query's own
status_is() { [[ $(inside dpkg-query -W -f '${db:Status-Status}' "$1") == "$2" ]]; }

# nothing_missing PACKAGE: dpkg -V says nothing.
nothing_missing() { [[ -z $(inside dpkg -V "$1") ]]; }
