#!/bin/bash
# Makes a corpus of real kernel modules from Debian's packages: the objects that
# were linked, and what the link and kbuild's later steps made of them. See
# README.md beside for what is in it.
#
#   build.sh              everything: hours, 20 GB while it runs
#   build.sh GROUP|SET... some of it
#   build.sh --small      what CI has: minutes
#   build.sh --list       the groups and their sets
#   build.sh --indices [--small]   the lists of the sets that are there
#
# It lies in ${XDG_CACHE_HOME:-~/.cache}/koweld/corpus, a folder for each set. A
# set is there when it is complete; a run that is killed is taken up by the next
# one. Remove a folder, and the set is made anew.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/intree.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/dkms.sh"
corpus=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/corpus

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }

die() {
	printf '%s\n' "$*" >&2
	exit 1
}

groups=(nvidia intree-6.1 linkers generated arm64 s390x intree-6.12 intree-7 dkms-6.1)
small=(
	6.1-dkms-gost-crypto 6.1-dkms-digimend 6.1-dkms-nat-rtsp 6.1-dkms-rapiddisk
	6.1-dkms-v4l2loopback 6.1-dkms-tp-smapi 6.1-dkms-broadcom-sta
	large machines linkers-small
)

# sets_of GROUP: the names of its sets.
sets_of() {
	case $1 in
	nvidia) printf '6.1-nvidia-%s\n' 535 535-stripped 470 open ;;
	intree-6.1) sets_of_table 6.1 "$intree_6_1" ;;
	linkers) echo linkers ;;
	generated) printf '%s\n' large machines ;;
	arm64) sets_of_table arm64 "$intree_arm64" ;;
	s390x) sets_of_table s390x "$intree_s390x" ;;
	intree-6.12) sets_of_table 6.12 "$intree_6_12" ;;
	intree-7) sets_of_table 7 "$intree_7" ;;
	dkms-6.1) xargs printf '6.1-dkms-%s\n' <<<"$dkms_6_1" ;;
	*) return 1 ;;
	esac | cut -d' ' -f1
}

# make_set SET: by set.sh, in a folder that gets its name at the end. That
# something in it does not build is told and not fatal.
make_set() {
	local set=$1 part=$corpus/building/sets/$1
	if [[ -f $corpus/$set/done ]]; then return; fi
	rm -rf "$part" "${corpus:?}/$set"
	mkdir -p "$part" "$corpus/log"
	say "making $set (log: $corpus/log/$set)"
	SECONDS=0
	if ! "$here/set.sh" "$set" "$part" "$corpus/building" >"$corpus/log/$set" 2>&1 </dev/null; then
		tail -3 "$corpus/log/$set" | sed 's/^/  /' >&2
		say "cannot make $set"
		return 1
	fi
	printf '%d seconds\n' "$SECONDS" >"$part/done"
	mv "$part" "$corpus/$set"
}

# table SET...: what is there, and what did not build.
table() {
	local set modules cases bytes seconds sum=(0 0 0 0) failed=() line
	line='%-28s %7s %6s %12s %8s\n'
	# shellcheck disable=SC2059 # the format is the line above
	{
		printf "$line" set modules cases bytes seconds
		for set in "$@"; do
			if [[ ! -f $corpus/$set/done ]]; then
				failed+=("$set: see $corpus/log/$set")
				continue
			fi
			modules=$(cut -f5 "$corpus/$set/index.tsv" | sort -u | wc -l)
			cases=$(wc -l <"$corpus/$set/index.tsv")
			bytes=$(du -sb "$corpus/$set" | cut -f1)
			read -r seconds _ <"$corpus/$set/done"
			printf "$line" "$set" "$modules" "$cases" "$bytes" "$seconds"
			sum=($((sum[0] + modules)) $((sum[1] + cases)) $((sum[2] + bytes)) $((sum[3] + seconds)))
			if [[ -f $corpus/$set/failed ]]; then
				mapfile -t -O "${#failed[@]}" failed < <(sed "s/^/$set: /" "$corpus/$set/failed")
			fi
		done
		printf "$line" sum "${sum[@]}"
	}
	((${#failed[@]} == 0)) || printf 'did not build: %s\n' "${failed[@]}"
}

case ${1-} in
--list)
	for group in "${groups[@]}"; do
		echo "$group:" "$(sets_of "$group" | tr '\n' ' ')"
	done
	exit
	;;
--indices)
	if [[ ${2-} == --small ]]; then
		for set in "${small[@]}"; do
			[[ ! -f $corpus/$set/done ]] || printf '%s\n' "$corpus/$set/index.tsv"
		done
	else
		find "$corpus" -mindepth 2 -maxdepth 2 -name index.tsv -not -path "$corpus/building/*" | sort
	fi
	exit
	;;
--small) set -- "${small[@]}" ;;
-*)
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
	exit 64
	;;
esac

# known SET: whether there is one of that name.
known() {
	local group all=("${small[@]}")
	for group in "${groups[@]}"; do
		mapfile -t -O "${#all[@]}" all < <(sets_of "$group")
	done
	grep -xF -- "$1" <<<"$(printf '%s\n' "${all[@]}")" >/dev/null
}

sets=()
for word in "${@:-${groups[@]}}"; do
	if list=$(sets_of "$word"); then
		mapfile -t -O "${#sets[@]}" sets <<<"$list"
	else
		known "$word" || die "there is no set or group $word: see --list"
		sets+=("$word")
	fi
done

mkdir -p "$corpus/building"
exec 9>"$corpus/lock"
flock -w 1800 9 || die "another run holds $corpus/lock"
broken=0
for set in "${sets[@]}"; do
	make_set "$set" || broken=1
done
table "${sets[@]}"
# Several unpacked kernels and a root of trixie.
(($# > 0 || broken)) || rm -rf "$corpus/building"
exit "$broken"
