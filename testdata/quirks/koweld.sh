# Sourced by test.sh: koweld itself comes, goes, or is in no good state.
# shellcheck shell=bash disable=SC2154 # of systems.sh and asked.sh

# koweld goes while it holds a quirk: all is as without it, and the bug is back.
path_koweld_purged() {
	gets_broken
	apt 0 purge koweld
	is_as_without
	check "dpkg finds nothing wrong (dpkg --audit)" nothing_wrong
	check "nothing of koweld's is left" no_koweld
	release fixed
	upgrade 0
	reads "$fixed"
	purged fixed
}
no_koweld() { [[ -z $(find "$root" -xdev -path "$root/repository" -prune -o -iname '*koweld*' ! -path '*/var/lib/apt/*' ! -path '*/var/cache/*' -print) ]]; }

# is_as_without: the digest lies where dpkg lists it.
is_as_without() {
	check "nothing is diverted" is_not_diverted
	check "the digest lies where dpkg lists it, and there alone" one_place
	check "no file of its package is missing or changed (dpkg -V)" nothing_missing libgcrypt20-hmac
	[[ $layout == merged ]] || check "koweld has said what is no longer held" said "warning: lp1982534-libgcrypt-hmac: it is no longer held"
}

path_koweld_removed() {
	gets_broken
	apt 0 remove koweld
	is_as_without
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

# A package ships a quirk of its own, and dpkg alone installs, updates and removes it.
path_shipped() {
	local tree=$scratch/tree
	gets_koweld
	oddity 1 /usr/share/oddity/tool /usr/share/oddity/tool.real
	run 0 dpkg -i /repository/oddity_1_amd64.deb
	check "what it wants is done at the end of dpkg's run" diverts_tool tool.real
	check "koweld has nothing to do" idle
	oddity 2 /usr/share/oddity/tool /usr/share/oddity/tool.other
	run 0 dpkg -i /repository/oddity_2_amd64.deb
	check "so is what its next version wants" diverts_tool tool.other
	run 0 dpkg --purge oddity
	check "when it is gone all is taken back" is_not_diverted
	holds_not
	check "no file of it is left" [ ! -e "$root/usr/share/oddity" ]
	rm "$root"/repository/oddity_*
	ends bionic
}
diverts_tool() { [[ $(inside dpkg-divert --truename /usr/share/oddity/tool) == "/usr/share/oddity/$1" && $(inside dpkg-divert --listpackage /usr/share/oddity/tool) == oddity ]]; }

# oddity VERSION FROM TO
oddity() {
	mkdir -p "$tree/usr/share/koweld/quirks.d" "$tree/usr/share/oddity"
	cat >"$tree/usr/share/koweld/quirks.d/oddity.yaml" <<-END
		koweld: 1
		package: oddity
		quirks:
		  - id: oddity-tool
		    title: A tool of another package is to be elsewhere
		    keep:
		      when: {package: {name: libgcrypt20}}
		      do:
		        - divert: {from: $2, to: $3, holder: self}
	END
	pack "$root/repository" oddity "$1"
}

# koweld comes where its quirk is needed, and is purged: nothing of it is left.
path_leaves_nothing() {
	release focal
	if [[ $layout == split ]]; then upgrade 100; else upgrade 0; fi
	files_but_reader >"$scratch/before"
	apt 0 install koweld
	is_upgraded
	apt 0 purge koweld
	check "each file is as before koweld came" same_but_reader
	is_as_without
}
# Beside the digest, its reader could not be configured.
files_but_reader() { files | grep -v '^ubuntu-fips '; }
same_but_reader() { files_but_reader | diff "$scratch/before" -; }
one_place() { if [[ $layout == merged ]]; then one_digest "$new"; else one_digest "$old"; fi; }

# The same by piuparts, with the certified digest installed: its quirk is active from
# koweld's postinst on, or at the latest when apt has ended, until it is purged.
path_piuparts() {
	apt 0 purge ubuntu-fips
	release focal
	upgrade 0
	check "the digest is where no reader looks" one_digest "$old"
	inside sh -c 'apt-get -qq clean; rm -f /etc/apt/apt.conf.d/*koweld*'
	umount "$root/proc"
	check "piuparts finds nothing that koweld leaves or takes" judged_by_piuparts
	mount -t proc none "$root/proc"
	check "it has seen the quirk at work" grep -a 'koweld.*record the local diversion\|lp1982534-libgcrypt-hmac: ' "$scratch/piuparts"
}
judged_by_piuparts() {
	need piuparts=piuparts &&
		tar -C "$root" --exclude=./dev --exclude=./proc -czf "$scratch/base.tar.gz" . ./dev/null &&
		piuparts -b "$scratch/base.tar.gz" -d bullseye --keep-sources-list --no-eatmydata "$packages"/koweld_*_amd64.deb >"$scratch/piuparts" 2>&1 ||
		! grep -a -e FAIL -e ERROR -A 8 "$scratch/piuparts"
}
