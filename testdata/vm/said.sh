# Sourced by the scripts beside, after sh/tap.sh: checks that set variables, and what a
# guest has said, in $said, and its kernel, in $console.
# shellcheck shell=bash disable=SC2154 # $top, $said, $console

# step NAME COMMAND...: as check, in this shell, whose variables COMMAND sets; fails if
# that does.
step() {
	local name=$1 code=0
	shift
	"$@" >"$top/step" 2>&1 || code=$?
	check "$name" shown "$code"
	return "$code"
}
shown() {
	cat "$top/step"
	return "$1"
}

# said_line TEXT: the guest has said exactly that.
said_line() {
	grep -xF -- "$1" "$said" || {
		cat "$said"
		return 1
	}
}

# in_log TEXT: the kernel has.
in_log() {
	grep -aF -- "$1" "$console" || {
		tail -n 30 "$console"
		return 1
	}
}

# not_in_log REGEX: the kernel has not, and has said anything at all.
not_in_log() { [[ -s $console ]] && ! grep -aiE -- "$1" "$console"; }
