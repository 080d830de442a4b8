# Sourced by scripts, after packages.sh: Debian packages by name, of RELEASE
# bullseye, bookworm, trixie or sid for amd64, or cross: bookworm for other
# machines too. Lists and state are below $work/apt; the host's sources are not
# touched and nothing is installed.
# shellcheck shell=bash disable=SC2154 # $work, and options of packages.sh

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# sources RELEASE: its lines of sources.list.
sources() {
	local release=$1 arch=amd64 at
	if [[ $release == cross ]]; then release=bookworm arch=amd64,arm64,s390x; fi
	at="[arch=$arch signed-by=$keyring]"
	echo "deb $at http://deb.debian.org/debian $release main contrib non-free"
	[[ $release != sid ]] || return 0
	echo "deb $at http://deb.debian.org/debian-security $release-security main contrib non-free"
	# Those of bullseye are no longer on the mirrors.
	[[ $release == bullseye ]] ||
		echo "deb $at http://deb.debian.org/debian $release-backports main contrib non-free"
}

# private RELEASE: the options, in the array options, by which apt sees that
# release only and no package as installed.
private() {
	local state=$work/apt/$1
	options=(
		"${apt_options[@]}" -q
		-o Dir::Etc::SourceList="$state/sources.list"
		-o Dir::Etc::SourceParts=-
		-o Dir::State::Lists="$state/lists"
		-o Dir::State::Status="$state/status"
		-o Dir::Cache="$state/cache"
		-o Dir::Cache::pkgcache=pkgcache.bin # containers turn it off
		-o Dir::Cache::srcpkgcache=srcpkgcache.bin
		-o APT::Architectures::=amd64
		-o APT::Architectures::=arm64
		-o APT::Architectures::=s390x
		-o APT::Sandbox::User="$(id -un)"
		-o APT::Update::Error-Mode=any # a list that cannot be had is one to retry
		-o Acquire::Languages=none
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
	)
}

# lists RELEASE: reads its lists, unless they are of today.
lists() {
	local state=$work/apt/$1 options
	[[ -z $(find "$state/updated" -mtime -1 2>/dev/null) ]] || return 0
	mkdir -p "$state"/{lists,cache/archives}/partial
	: >"$state/status"
	sources "$1" >"$state/sources.list"
	echo "reading the lists of $1" >&2
	private "$1"
	retry apt-get "${options[@]}" update || return
	touch "$state/updated"
}

# newest RELEASE REGEX: the last, by version order, of the packages whose whole
# name matches.
newest() {
	local options
	lists "$1"
	private "$1"
	apt-cache "${options[@]}" pkgnames | grep -Ex "$2" | sort -V | tail -1
}

# download RELEASE PACKAGE...: the .deb files of the packages, whose paths are
# in the array debs afterwards. PACKAGE may name an architecture and a suite, as
# in linux-libc-dev:arm64/bookworm-backports.
download() {
	local release=$1 package folder options
	shift
	debs=()
	for package in "$@"; do
		folder=$work/debs/$release/${package//[:\/]/@}
		if [[ ! -d $folder ]]; then
			lists "$release"
			private "$release"
			rm -rf "$folder.part"
			mkdir -p "$folder.part"
			echo "downloading $package" >&2
			(cd "$folder.part" && retry apt-get "${options[@]}" download "$package") || return
			mv "$folder.part" "$folder"
		fi
		debs+=("$folder"/*.deb)
	done
}

# closure FOLDER RELEASE PACKAGE...: the packages and all that they depend on,
# unpacked there: a root that chroot can enter.
closure() {
	local folder=$1 release=$2 options
	shift 2
	[[ ! -d $folder ]] || return 0
	lists "$release"
	private "$release"
	rm -rf "$folder.debs"
	mkdir -p "$folder.debs/partial"
	retry apt-get "${options[@]}" -y --no-install-recommends --download-only \
		-o Dir::Cache::Archives="$folder.debs" install "$@" || return
	unpack "$folder" "$folder.debs"/*.deb
	rm -r "$folder.debs"
}

# unpack FOLDER DEB...: dpkg -x of all of them, once.
unpack() {
	local folder=$1 deb
	shift
	[[ ! -d $folder ]] || return 0
	rm -rf "$folder.part"
	mkdir -p "$folder.part"
	for deb in "$@"; do dpkg -x "$deb" "$folder.part"; done
	mv "$folder.part" "$folder"
}
