#!/bin/bash
# Makes one set of the corpus: set.sh SET FOLDER WORK. Called by build.sh, which
# has the words on it.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/apt.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/collect.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/intree.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/dkms.sh"
name=$1 set=$2 work=$3

case $name in
6.1-dkms-*) build_dkms "${name#6.1-dkms-}-dkms" ;;
6.1-nvidia-*) nvidia "$name" ;;
6.1-*)
	read -r _ directory debug < <(sets_of_table 6.1 "$intree_6_1" | grep "^$name ")
	intree_6.1 "$directory" "$debug"
	;;
esac
