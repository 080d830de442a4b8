#!/bin/bash
# Makes one set of the corpus: set.sh SET FOLDER WORK. Called by build.sh, which
# has the words on it.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/apt.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/collect.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/intree.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/dkms.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/linkers.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/large.sh"
name=$1 set=$2 work=$3
corpus=${work%/*}

# table TABLE: the line of this set.
table() { sets_of_table "${name%%-*}" "$1" | grep "^$name "; }

case $name in
6.1-dkms-*) build_dkms "${name#6.1-dkms-}-dkms" ;;
6.1-nvidia-535-stripped) stripped_objects 6.1-nvidia-535 ;;
linkers) linkers ;;
linkers-small) linkers_small ;;
large) large ;;
machines) machines ;;
6.1-nvidia-*) nvidia "$name" ;;
6.1-*)
	read -r _ directory debug < <(table "$intree_6_1")
	intree_6.1 "$directory" "$debug"
	;;
6.12-*)
	read -r _ directory debug < <(table "$intree_6_12")
	intree_6.12 "$directory" "$debug"
	;;
7-*)
	read -r _ directory debug < <(table "$intree_7")
	intree_7 "$directory" "$debug"
	;;
arm64-*)
	read -r _ directory debug < <(table "$intree_arm64")
	cross arm64 "$directory" "$debug"
	;;
s390x-*)
	read -r _ directory debug < <(table "$intree_s390x")
	cross s390x "$directory" "$debug"
	;;
esac
