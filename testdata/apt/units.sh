# Sourced by test.sh: the units that end an interrupted run at boot, as systemd of
# the release reads them.
# shellcheck shell=bash disable=SC2154 # functions of the others

# as_nobody COMMAND...: systemd does not test itself as root, and is not to move
# anybody into another control group.
as_nobody() { inside setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

# analyzed: systemd finds no fault with them.
analyzed() {
	local output
	if output=$(as_nobody systemd-analyze verify --man=no /lib/systemd/system/koweld-recover{,-var}.service 2>&1) &&
		[[ $output != *koweld* ]]; then return; fi
	printf '%s\n' "$output"
	return 1
}

# dumped: what systemd would do at boot, with a /var of its own.
dumped() {
	mkdir -p "$root/etc/systemd/system/local-fs.target.requires" &&
		printf '[Mount]\nWhat=/dev/disk/by-label/var\nWhere=/var\n' >"$root/etc/systemd/system/var.mount" &&
		ln -s ../var.mount "$root/etc/systemd/system/local-fs.target.requires" || return
	as_nobody /lib/systemd/systemd --test --system --unit=multi-user.target >"$scratch/boot" 2>&1
}
is_dumped() {
	grep -q 'Unit koweld-recover.service:' "$scratch/boot" || {
		head -n 20 "$scratch/boot"
		return 1
	}
}
# prepared: it wants to know its control group, and a place to write to.
prepared() { mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup" && install -d -o 65534 "$root/run/systemd"; }
forgotten() { umount -R "$root/sys/fs/cgroup" && chown 0 "$root/run/systemd" && rm -r "$root"/etc/systemd/system/{var.mount,local-fs.target.requires}; }

# about UNIT: what the dump says of it. unit_has UNIT LINE...: it says that.
about() { sed -n "/^\t*-> Unit $1:/,/^\t*-> Unit /p" "$scratch/boot" | sed '1d; $d; s/^\t*//; s/ (.*//'; }
unit_has() {
	local line
	for line in "${@:2}"; do
		about "$1" | grep -xF -- "$line" >/dev/null || {
			echo "$1 has not: $line"
			return 1
		}
	done
}
unit_has_not() { ! unit_has "$@" >/dev/null; }
is_started() { unit_has "$1" "Action: $1 -> start"; }
no_cycle() { ! grep -i 'ordering cycle\|job .*deleted to break' "$scratch/boot"; }

# unit_order: when the units are started, and what for.
unit_order() {
	check "koweld-recover comes before what loads modules, and after / can be written" unit_has koweld-recover.service \
		"Before: systemd-udev-trigger.service" "Before: systemd-modules-load.service" "Before: sysinit.target" \
		"After: systemd-remount-fs.service" "DefaultDependencies: no"
	check "it does not wait for a /var of its own, which may wait for udev" unit_has_not koweld-recover.service "After: var.mount"
	check "koweld-recover-var comes after that, and before the system is up" unit_has koweld-recover-var.service \
		"After: var.mount" "Requires: var.mount" "After: koweld-recover.service" "Before: sysinit.target"
	for unit in koweld-recover.service koweld-recover-var.service; do
		check "$unit is started at boot" is_started "$unit"
		check "$unit does nothing unless a journal is there" unit_has "$unit" \
			"ConditionDirectoryNotEmpty: /var/lib/koweld/journal untested"
	done
	check "nothing waits in a circle" no_cycle
}

boot_units() {
	chapter "The units for the boot"
	apt 0 install koweld
	check "systemd can be asked" prepared
	check "systemd finds no fault with them (systemd-analyze verify)" analyzed
	dumped
	if grep -q 'no longer supported by current version of systemd' "$scratch/boot"; then
		skip "what systemd of $release would do at boot" "it refuses the control groups of this machine, which are of version 1"
	else
		check "systemd says what it would do at boot (systemd --test)" is_dumped
		unit_order
	fi
	check "the dump is forgotten" forgotten
	apt 0 purge koweld
	check "all is as before (file by file)" unchanged "$scratch/empty"
}
