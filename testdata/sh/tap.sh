# Sourced by the scripts beside. Results in the words of TAP (testanything.org),
# which tools/layer counts: one line "ok N - NAME" or "not ok N - NAME" a check.
# shellcheck shell=bash

tap_ran=0
tap_failed=0

# check NAME COMMAND...: the check holds if the command succeeds. The output of
# a command that fails is shown as TAP diagnostics.
check() {
	local name=$1 output
	shift
	tap_ran=$((tap_ran + 1))
	if output=$("$@" 2>&1); then
		printf 'ok %d - %s\n' "$tap_ran" "$name"
		return 0
	fi
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_ran" "$name"
	printf '%s\n' "$output" | sed 's/^/#   /'
}

# skip NAME REASON: a check that this machine cannot do.
skip() {
	tap_ran=$((tap_ran + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_ran" "$1" "$2"
}

# finish WHAT: the plan, a last line for people, and the exit code.
finish() {
	printf '1..%d\n' "$tap_ran"
	if ((tap_failed > 0)); then
		printf 'FAIL: %s: %d of %d checks failed\n' "$1" "$tap_failed" "$tap_ran"
		return 1
	fi
	printf 'PASS: %s: %d checks\n' "$1" "$tap_ran"
}
