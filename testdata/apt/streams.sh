# Sourced by test.sh: two streams of a driver are switched without pause, and killed
# while they are, when others read the modules as modprobe does.
# shellcheck shell=bash disable=SC2154 # $scratch, $kernel and functions of the others

# renamed TREE NAME: the source package makes packages of another name.
renamed() {
	sed -i "s,linux-\(modules\|objects\|signatures\)-acme,linux-\1-$2,g; s,linux-\(objects\|signatures\)/acme,linux-\1/$2,g" \
		"$1"/debian/{control.in,rules,unit} && (cd "$1" && debian/rules control KERNEL="$kernel")
}

# versioned TREE VERSION: each module says so, for the two streams to differ in each.
versioned() { sed -i "s/^MODULE_LICENSE.*/&\nMODULE_VERSION(\"$2\");/" "$1"/src/{acme_aux,plain}.c; }

stream_alpha() {
	renamed "$1" alpha && versioned "$1" 2.0 && sed -i 's/^\t\tpackage: .*/&\n\t\tprovides: {group: acme, version: "2.0"}/' "$1/debian/unit"
}

# Its plain has another place: there the index has to change with the files.
stream_beta() {
	renamed "$1" beta && versioned "$1" 3.0 && sed -i 's/^\t\tpackage: .*/&\n\t\tprovides: {group: acme, version: "3.0"}/; s,updates/plain.ko,kernel/acme/plain.ko,' \
		"$1/debian/unit"
}

# A driver that has nothing to do with them: one module, without options.
stranger() {
	renamed "$1" other && mv "$1/src/plain.c" "$1/src/other.c" && echo 'obj-m := other.o' >"$1/src/Kbuild" &&
		sed -i '/^acme/d; /^cp plain/d; /^\tmodule acme/d; /^\t\tfiles:/,/modprobe.d/d
			s,^\tmodule plain .*,\tmodule other kernel/other/other.ko "whole: other.ko",
			s,^{$,cp other.ko objects\n{,' "$1/debian/unit"
}

# What a reader sees at once is said by its file names; koweld makes nothing but
# the names of single files change at once. So a reader that reads several takes
# care as with a sequence lock: if no journal was open before and after, and the
# records and the index are the same files, nothing was switched in between, and
# what it read must be one stream. Otherwise only each file for itself must be one
# of a stream, whole and signed.
reader_script() {
	cat <<-'END'
		kernel=$1
		here=/tmp/reader.$2
		mkdir -p "$here" /tmp/seen
		generation() {
			# That of the other driver is none of a switch.
			for journal in /var/lib/koweld/journal/*; do
				case $journal in */\* | *-other-*) ;; *) return 1 ;; esac
			done
			stat -c "%n %i %z" /var/lib/koweld/packages/linux-modules-{alpha,beta}-"$kernel".json /lib/modules/"$kernel"/modules.dep.bin
		}
		until [ -e /tmp/stop ]; do
			rm -f "$here"/*
			how=clean
			before=$(generation) || how=straddled
			paths=$(modprobe -S "$kernel" -n --show-depends -a acme_aux plain 2>"$here/errors" | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u)
			again=$(modinfo -k "$kernel" -F filename acme acme_aux plain 2>>"$here/errors" | sort -u)
			n=0
			for path in $paths; do
				cp "$path" "$here/" 2>>"$here/errors" && n=$((n + 1))
			done
			after=$(generation) && [ "$before" = "$after" ] || how=straddled
			sums=$(cd "$here" && sha256sum -- *.ko 2>/dev/null | sed 's/  /:/; s/\(.*\):\(.*\)/\2=\1/' | tr '\n' ' ')
			for sum in $sums; do
				[ -e "/tmp/seen/${sum#*=}" ] || cp "$here/${sum%%=*}" "/tmp/seen/${sum#*=}"
			done
			same=same
			[ "$paths" = "$again" ] || same=different
			echo "$how $same $n $sums" >>/tmp/readings
		done
	END
}

# sums: what a reader says that reads now.
sums() {
	local name paths=()
	for name in acme acme_aux plain; do paths+=("$(inside modinfo -k "$kernel" -F filename "$name")") || return; done
	(cd "$root" && for name in "${paths[@]}"; do printf '%s=%s ' "${name##*/}" "$(sha256sum <".$name" | cut -d' ' -f1)"; done)
}

select_stream() { inside koweld -q --wait=60s select acme "$1"; }

# read_while COMMAND...: two readers read when the command runs.
read_while() {
	local code readers=() i
	rm -rf --one-file-system "$root"/tmp/{stop,readings,seen,reader.*}
	touch "$root/tmp/readings"
	reader_script >"$root/tmp/reader"
	for i in 1 2; do
		inside bash /tmp/reader "$kernel" "$i" &
		readers+=($!)
	done
	"$@"
	code=$?
	touch "$root/tmp/stop"
	wait "${readers[@]}"
	return "$code"
}

# switching N: from one stream to the other and back. Between two switches each
# reader gets the time for a reading.
switching() {
	local i had turns
	for ((i = 0; i < $1; i++)); do
		select_stream "$((2 + i % 2)).0" || return
		had=$(readings clean)
		for ((turns = 0; $(readings clean) < had + 4; turns++)); do
			((turns < 1000)) || return
			inside koweld -q status >/dev/null || return
		done
	done
}

# beside COMMAND...: the loop, when a process beside does the command over and over.
beside() {
	local code other=$1
	shift
	(until [[ -e $root/tmp/enough ]]; do "$other" || exit; done) >"$scratch/beside" 2>&1 &
	"$@"
	code=$?
	touch "$root/tmp/enough"
	wait $! || {
		cat "$scratch/beside"
		code=1
	}
	rm "$root/tmp/enough"
	return "$code"
}
comes_and_goes() { inside dpkg -i /repository/linux-{objects,signatures,modules}-other-"$kernel"_4.0_amd64.deb && inside dpkg --purge linux-{modules,objects,signatures}-other-"$kernel"; }
indexes() { inside depmod "$kernel"; }

# killing N: koweld is killed at any moment of a switch, and repaired.
killing() {
	local i code killed=0
	for ((i = 0; i < $1; i++)); do
		timeout -s KILL "0.$(printf %03d $((RANDOM % 600)))" \
			chroot "$root" koweld -q select acme "$((2 + i % 2)).0" >/dev/null 2>&1
		code=$?
		((code != 137)) || killed=$((killed + 1))
		if ! { inside koweld -q --wait=60s repair --all && inside koweld -q verify && whole; }; then
			echo "after kill $i, with exit code $code"
			return 1
		fi
	done
	echo "$killed" >"$scratch/killed"
}
whole() { case $(sums) in "$alpha" | "$beta") ;; *) return 1 ;; esac }

readings() { grep -c "^$1 " "$root/tmp/readings" 2>/dev/null; }

# at_least N WHAT, one_stream, each_whole, all_signed: what is asked of the readings.
at_least() { (($(readings "$2") >= $1)); }
none() { [[ -z $1 ]] || { head -n 5 <<<"$1" && return 1; }; }
one_stream() { none "$(sed -n '/^clean /p' "$root/tmp/readings" | grep -vxF -e "clean same 3 $alpha" -e "clean same 3 $beta")"; }
# An index that somebody else writes may be of the stream before, and have plain where it was.
pair_of_one_stream() {
	none "$(sed -n '/^clean /{ s/^.* acme\.ko=/acme.ko=/; s/plain\.ko=.*//; p }' "$root/tmp/readings" |
		grep -vxF -e "${alpha%plain*}" -e "${beta%plain*}")"
}
streams_differ() { [[ $alpha != *"${beta:8:64}"* && ${alpha#*aux.ko=} != "${beta#*aux.ko=}" && ${alpha##*=} != "${beta##*=}" ]]; }
each_whole() {
	local found
	for found in "$root"/tmp/seen/*; do
		[[ $alpha$beta == *"=${found##*/} "* ]] || { echo "${found##*/} is of no stream" && return 1; }
	done
}
all_signed() { inside sh -c 'koweld -q sig verify --certificate /tmp/signer.pem /tmp/seen/*'; }
both_seen() { grep -qF "clean same 3 $alpha" "$root/tmp/readings" && grep -qF "clean same 3 $beta" "$root/tmp/readings"; }
# In a place that both streams have there is always a module.
never_missing() { none "$(grep -v ' acme\.ko=.* acme_aux\.ko=' "$root/tmp/readings")"; }

judge_readings() {
	echo "# readings: $(readings clean) clean, $(readings straddled) that straddled a switch"
	check "$1: at least $2 clean readings" at_least "$2" clean
	check "$1: both streams were read" both_seen
	check "$1: each clean one is one stream, by modprobe and modinfo" one_stream
	check "$1: no reading at all lacks acme or acme_aux" never_missing
	check "$1: each file that was read is one of a stream, in whole (sha256sum)" each_whole
	check "$1: and its signature is good (koweld sig verify)" all_signed
}

# streams SWITCHES KILLS: needs a kernel and koweld in the root.
streams() {
	chapter "Two streams of a driver lie side by side"
	check "the streams are published" publish "$scratch"/{2.0,3.0,4.0}/*.deb
	cp "$scratch/signer.pem" "$root/tmp/signer.pem"
	apt 0 install "$kernel_image" koweld "linux-modules-alpha-$kernel" "linux-modules-beta-$kernel"
	check "2.0 is selected" select_stream 2.0
	check "its modules are kbuild's, the signatures good (cmp, openssl cms)" of_kbuild 2.0
	alpha=$(sums)
	check "3.0 is selected" select_stream 3.0
	check "its modules are kbuild's, the signatures good (cmp, openssl cms)" of_kbuild 3.0
	beta=$(sums)
	check "they differ in each module" streams_differ

	chapter "They are switched $1 times when they are read, and when another driver comes and goes"
	check "each switch succeeds" read_while beside comes_and_goes switching "$1"
	judge_readings "switched" "$((4 * $1))"

	chapter "They are switched when somebody else runs depmod"
	check "each switch succeeds" read_while beside indexes switching "$(($1 / 2))"
	check "each file that was read is one of a stream, in whole (sha256sum)" each_whole
	check "in each clean one acme and acme_aux are of one stream" pair_of_one_stream
	check "no reading at all lacks acme or acme_aux" never_missing
	check "a repair puts the index right" inside koweld -q repair --all
	check "koweld finds all in place (verify)" inside koweld -q verify

	chapter "koweld is killed $2 times in a switch, and repaired"
	check "each repair leaves one whole stream, which verifies" read_while killing "$2"
	echo "# $(cat "$scratch/killed" 2>/dev/null) were killed before their end"
	judge_readings "killed" "$2"

	chapter "The streams are purged"
	apt 0 purge "$kernel_image" koweld linux-{modules,objects,signatures}-{alpha,beta}-"$kernel"
	rm -rf --one-file-system "$root"/tmp/{signer.pem,reader*,seen,readings,stop}
	check "all is as before the kernel came (file by file)" unchanged "$scratch/empty"
}
