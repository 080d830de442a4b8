# Sourced by the scripts beside: Debian packages by name, with retries and
# limits, so that nothing hangs and nothing is asked.
# shellcheck shell=bash

apt_options=(
	-o Acquire::Retries=3
	-o Acquire::http::Timeout=30
	-o Acquire::https::Timeout=30
	-o DPkg::Lock::Timeout=120
)

# retry COMMAND...: up to three times, five minutes each, or $limit seconds.
retry() {
	local try
	for try in 1 2 3; do
		timeout "${limit:-300}" "$@" </dev/null >&2 && return 0
		echo "try $try of 3 failed: $*" >&2
	done
	return 1
}

# need FILE-OR-COMMAND=PACKAGE...: installs the packages of what is missing.
# A word with a slash is a path that must exist, another a command.
need() {
	local pair thing missing=()
	for pair in "$@"; do
		thing=${pair%%=*}
		if [[ $thing == */* ]]; then
			[[ -e $thing ]] && continue
		else
			command -v "$thing" >/dev/null && continue
		fi
		missing+=("${pair#*=}")
	done
	((${#missing[@]} == 0)) && return 0

	if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
		echo "missing: ${missing[*]}; as root: apt-get install ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${missing[*]}" >&2
	retry apt-get "${apt_options[@]}" -q update ||
		echo "apt-get update failed; going on with the lists at hand" >&2
	DEBIAN_FRONTEND=noninteractive retry apt-get "${apt_options[@]}" -qy \
		--no-install-recommends install "${missing[@]}" || {
		echo "cannot install ${missing[*]}" >&2
		return 1
	}
}
