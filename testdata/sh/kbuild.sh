# Sourced by the scripts beside: what kbuild recorded of a build. It keeps the
# line that made FILE in .FILE.cmd (scripts/Kbuild.include, if_changed).
# shellcheck shell=bash

# link_flags CMD-FILE: the flags of the ld line recorded there as a YAML flow
# list, without what the manifest says elsewhere: -r, -m EMULATION, -T SCRIPT,
# -o OUTPUT and the inputs.
link_flags() {
	local words word flags=() i
	read -ra words < <(sed -n '1{s/^[^=]*= *//;s/;.*//;p}' "$1")
	for ((i = 1; i < ${#words[@]}; i++)); do
		word=${words[i]}
		case $word in
		-r) ;;
		-m | -T | -o) i=$((i + 1)) ;;
		-*) flags+=("$word") ;;
		*) # the value of a flag as in "-z noexecstack", or an input
			[[ ${words[i - 1]} == -z ]] && flags+=("$word") ;;
		esac
	done
	local IFS=,
	printf '[%s]\n' "${flags[*]}" | sed 's/,/, /g'
}

# ld_version: the version of the ld that kbuild used, 2.40 say.
ld_version() {
	ld.bfd --version | sed -n '1s/.* //p'
}

# digest FILE and size FILE, for a manifest.
digest() { sha256sum "$1" | cut -d' ' -f1; }
size() { stat -c %s "$1"; }
