# Sourced by the scripts beside, which set here: the Go programs that they use.
# shellcheck shell=bash disable=SC2154 # $here

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin

# What is downloaded and made is kept here, and may be removed at any time.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/vm
tools=$cache/tools

# build_tools: those of tools/, static, as the guest has no other libraries.
build_tools() {
	local name
	need go=golang-1.26 || return
	mkdir -p "$tools"
	for name in guest uefikeys blockwrites; do
		(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$tools/$name.new" "./tools/$name") || return
		# The other may be running.
		cmp -s "$tools/$name.new" "$tools/$name" || mv "$tools/$name.new" "$tools/$name" || return
	done
}
