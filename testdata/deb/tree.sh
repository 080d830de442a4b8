# Sourced by the scripts beside: the work tree as git knows it.
# shellcheck shell=bash

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin

# The clone may belong to another user.
git_here() { git -c safe.directory="$(pwd)" "$@"; }

# tracked PATH...: a tar archive of the tracked files, with what has been
# changed in them since the last commit.
tracked() {
	local commit
	commit=$(git_here -c user.name=none -c user.email=none stash create)
	git_here archive --format=tar "${commit:-HEAD}" "$@"
}

# epoch: the time of all that is made, that of the last commit.
epoch() { echo "${SOURCE_DATE_EPOCH:-$(git_here log -1 --format=%ct)}"; }

debian_version() { dpkg-parsechangelog -S Version; }

upstream_version() { debian_version | sed 's/-[^-]*$//'; }
