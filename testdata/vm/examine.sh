# Sourced by powercut.sh: what lies in a root after a power cut, as programs other than
# koweld see it, and what comes of the root when it is recovered as a machine would be.
# Each worker has a scratch folder of its own.
# shellcheck shell=bash disable=SC2154 # $mine, and what powercut.sh sets

# violation TEXT...: something that must not be.
violation() {
	printf '%s\n' "$*" >>"$mine/violations"
}

# kept_sound DIGEST FILE: as sound, of bytes that may have been looked at before.
kept_sound() {
	[[ -e $cells/sound-$1 ]] || { sound "$2" && : >"$cells/sound-$1"; }
}

# sound FILE: it is a whole module, and the kernel would take it: ELF to its end, with
# a trailer, signed by the signer over just these bytes, for this kernel.
sound() {
	local module=$mine/module.ko end
	case $1 in
	*.xz) xz -dc "$1" >"$module" 2>/dev/null ;;
	*.zst) zstd -qdc "$1" >"$module" 2>/dev/null ;;
	*) cp "$1" "$module" ;;
	esac || return
	[[ $(tail -c 28 "$module" | tr -d '\n\0') == '~Module signature appended~' ]] || return
	image_of "$module" >"$mine/image" && signature_of "$module" >"$mine/cms" || return
	# kbuild's modules end in the table of sections.
	[[ -z $(readelf -hSW "$mine/image" 2>&1 >"$mine/elf") ]] || return
	end=$(awk -F: '/Start of section headers/ { at = $2 + 0 } /Size of section headers/ { size = $2 + 0 }
		/Number of section headers/ { n = $2 + 0 } END { print at + size * n }' "$mine/elf")
	[[ $end -eq $(stat -c %s "$mine/image") ]] || return
	openssl cms -verify -binary -inform DER -in "$mine/cms" -content "$mine/image" \
		-certfile "$signer" -nointern -noverify -out /dev/null 2>/dev/null || return
	[[ $(modinfo -F vermagic "$module") == "$kernel "* ]]
}

# judge ROOT WHEN [SET...]: each file at a .ko name that is not the kernel's own is sound,
# and so is what modprobe would take; the set is one of these, where some are given. The
# same modules and indices are judged once.
judge() {
	local root=$1 when=$2 verdict set
	shift 2
	verdict=$cells/verdict-$(modules_of "$root" | sha256sum | cut -d' ' -f1)
	if [[ ! -e $verdict ]]; then
		{
			set_of "$root"
			whole_or_absent "$root"
			index_agrees "$root"
		} >"$mine/verdict"
		mv "$mine/verdict" "$verdict"
	fi
	read -r set <"$verdict"
	sed "1d; /^index: /d; s|^|$when: |" "$verdict" >>"$mine/violations"
	(($# > 0)) || return 0
	sed -n "s|^index: |$when: |p" "$verdict" >>"$mine/violations"
	echo "$set" >>"$mine/sets-$when"
	grep -qxF -- "$set" <(printf '%s\n' "$@") || violation "$when: the set is $set"
}

# modules_of ROOT: what judge looks at.
modules_of() {
	find "$1"/usr/lib/modules "$1"/{usr/lib,etc}/modprobe.d -printf '%P %y %s %l\n' | sort
	find "$1"/usr/lib/modules "$1"/{usr/lib,etc}/modprobe.d -type f -newerct "@$made" -print0 | sort -z | xargs -0r sha256sum | sed "s|$1||"
}

# whole_or_absent ROOT: what is not.
whole_or_absent() {
	local root=$1 digest file name taken
	while read -r digest file; do
		kept_sound "$digest" "$file" || echo "${file#"$root"} is not whole"
	done < <(find "$root/usr/lib/modules/$kernel" -name '*.ko*' | grep -vxFf <(sed "s|^|$root|" "$cells/kernels") | xargs -r sha256sum)
	for name in "${modules[@]}"; do
		taken=$(modprobe -n -v -d "$root" -S "$kernel" "$name" 2>/dev/null) || continue
		while read -r _ file _; do
			# An index may still name what has gone: modprobe then finds nothing.
			[[ -e $file ]] || continue
			digest=$(sha256sum "$file" | cut -d' ' -f1)
			kept_sound "$digest" "$file" || echo "modprobe $name would take ${file#"$root"}, which the kernel would refuse"
		done < <(grep '^insmod ' <<<"$taken")
	done
}

# set_of ROOT: the name of the set that is placed, "none", or what is mixed. A set is a
# list of digests and paths, $top/set-NAME.
set_of() {
	local set digest path n there
	for set in "$old" "$new"; do
		[[ $set != none ]] || continue
		n=0 there=0
		while read -r digest path; do
			n=$((n + 1))
			[[ ! -e $1$path || $(sha256sum "$1$path" | cut -d' ' -f1) != "$digest" ]] || there=$((there + 1))
		done <"$top/set-$set"
		if ((n == there)); then
			echo "$set"
			return
		fi
	done
	there=()
	while read -r path; do [[ ! -e $1$path ]] || there+=("$path"); done < <(cut -d' ' -f3- "$top"/set-* | sort -u)
	if ((${#there[@]} == 0)); then echo none; else echo "mixed: ${there[*]}"; fi
}

# index_agrees ROOT: modprobe finds the modules of a set that is placed, and of none none.
# That need not be so while a run is open, and is told as an index's.
index_agrees() {
	local set name taken
	set=$(set_of "$1")
	for name in "${modules[@]}"; do
		taken=no
		modprobe -n -d "$1" -S "$kernel" "$name" 2>/dev/null && taken=yes
		case $set:$taken in
		mixed*) ;;
		none:yes | [!n]*:no) echo "index: the set is $set, and depmod's index another one ($name)" ;;
		esac
	done
}

# does ROOT WHEN COMMAND...: a command in the system ends well.
does() {
	local root=$1 when=$2 code=0
	shift 2
	timeout 300 chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive "$@" >"$mine/said" 2>&1 </dev/null || code=$?
	((code == 0)) || violation "$when: $* ended with $code: $(tail -n 5 "$mine/said" | tr '\n' '|')"
}

# repairs ROOT: koweld repair --all ends well, and verify is content. Where dpkg has
# unpacked one package of an upgrade and not yet the others, manifest, objects and
# signatures give no set: then it leaves what is placed, and says why.
repairs() {
	local root=$1
	does "$root" "repair" koweld repair --all
	! grep -q 'what is placed is whole and stays, but koweld cannot form ' "$mine/said" || echo "$point" >>"$mine/between"
	does "$root" "repair" koweld verify
}

end_of() {
	contents "$1" | grep -v -e '\.dpkg-new$' -e 'var/lib/koweld/packages/.*\.json'
	timeout 300 chroot "$1" koweld status
}

# examine ROOT: all of it, for a root whose journal the file system has replayed. What
# dpkg was to do is in $action, the sets of before and after it in $old and $new.
examine() {
	local root=$1 audit
	judge "$root" "before"
	[[ -z $(find "$root/var/lib/koweld/journal" -type f 2>/dev/null) ]] || echo "$point" >>"$mine/open"

	# What the boot does, and then what an administrator may.
	does "$root" "recover" koweld recover
	judge "$root" "recover" "$old" "$new"
	repairs "$root"
	judge "$root" "repair" "$old" "$new"

	# Each by itself may need the other: a package that must be installed again cannot
	# be configured.
	timeout 300 chroot "$root" dpkg --configure -a >"$mine/configure" 2>&1 </dev/null || echo "$point" >>"$mine/not-configured"
	judge "$root" "configure" "$old" "$new"

	# From here on a root goes the way of any other that looks the same, but for the times in
	# koweld's records, and for files that dpkg was unpacking, which it takes away before it
	# begins again.
	mkdir "$cells/end-$(end_of "$root" | sha256sum | cut -d' ' -f1)" 2>/dev/null || return 0
	echo "$point" >>"$mine/ends"
	does "$root" "again" sh -c "$action"
	judge "$root" "again" "$new"
	does "$root" "verify" koweld verify
	audit=$(timeout 300 chroot "$root" dpkg --audit 2>&1)
	[[ -z $audit ]] || violation "dpkg --audit: $audit"
	[[ -z $(find "$root/var/lib/koweld/journal" -type f 2>/dev/null) ]] || violation "a journal is left"
}
