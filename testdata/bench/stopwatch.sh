# Sourced by bench.sh: subjects that do the same work, timed in turns. The
# caller has die, and a folder in $work.
# shellcheck shell=bash

declare -A times # by subject: a line each round, "wall cpu" in seconds

# timed COMMAND...: runs it; $taken is the time by the wall clock and that of
# the processors, user and system.
timed() {
	local TIMEFORMAT='%R %U %S' out code=0
	{ out=$({ time "$@" >/dev/null 2>&3; } 2>&1) || code=$?; } 3>&2
	taken=$(awk '{ print $1, $2 + $3 }' <<<"$out")
	return "$code"
}

# race ROUNDS SUBJECT...: each round runs all subjects, each time beginning with
# another one, so that what else the machine does falls upon all of them. A
# subject is a function that gets a new folder. Where there is a function
# prepare_SUBJECT it gets the folder first. Before the clock starts, everything
# is written out: nobody shall pay for what others wrote.
#
# Nothing is deleted in between: ext4 without a journal takes minutes to reuse
# the inodes of deleted files, and searches for others meanwhile
# (recently_deleted in fs/ext4/ialloc.c).
race() {
	local rounds=$1 round i subject folder
	shift
	for subject in "$@"; do times[$subject]=; done
	for ((round = 0; round < rounds; round++)); do
		for ((i = 0; i < $#; i++)); do
			subject=${*:(round + i) % $# + 1:1}
			folder=${work:?}/$subject.$round
			mkdir "$folder"
			if declare -F "prepare_$subject" >/dev/null; then
				"prepare_$subject" "$folder" || die "cannot prepare $subject: see above"
			fi
			sync -f "$work"
			timed "$subject" "$folder" || die "$subject failed: see above"
			times[$subject]+=$taken$'\n'
		done
	done
}

# sorted SUBJECT COLUMN: its times, one a line, the least first. The columns are
# 1, wall, and 2, cpu.
sorted() { printf '%s' "${times[$1]}" | cut -d' ' -f"$2" | sort -n; }

# median SUBJECT COLUMN, in seconds.
median() { sorted "$@" | awk '{ t[NR] = $1 } END { printf "%.3f", (t[int((NR + 1) / 2)] + t[int(NR / 2) + 1]) / 2 }'; }

# ratio A B
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

# heading TITLE: that of a table, with the machine's load.
heading() {
	printf '\n%s; load %s\n\n' "$1" "$(cut -d' ' -f1-3 /proc/loadavg)"
	printf '| | wall s | least | most | ratio | cpu s | ratio |\n|---|---:|---:|---:|---:|---:|---:|\n'
}

# row BASE SUBJECT TEXT: a line of the table, medians; the ratios are those to
# BASE.
row() {
	local wall cpu
	wall=$(median "$2" 1)
	cpu=$(median "$2" 2)
	printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$3" "$wall" \
		"$(sorted "$2" 1 | head -1)" "$(sorted "$2" 1 | tail -1)" "$(ratio "$wall" "$(median "$1" 1)")" \
		"$cpu" "$(ratio "$cpu" "$(median "$1" 2)")"
}

# peak COMMAND...: runs it and prints the most memory that it had itself, its
# children excepted (VmHWM in /proc/PID/status), in KiB.
peak() {
	local pid status most=0
	"$@" >/dev/null &
	pid=$!
	# A process that has ended and waits for us has no such line.
	while read -r status < <(exec 2>/dev/null && sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status"); do
		most=$status
	done
	wait "$pid" || return
	printf '%d\n' "$most"
}
