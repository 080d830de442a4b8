# Runs in the guest when systemd has booted a disk after a power cut: the run that was
# interrupted was ended before anything could load modules, and what is placed loads.
# shellcheck shell=sh
set -eu

# when UNIT PROPERTY: in microseconds since the kernel began; 0 is never.
when() { systemctl show --value -p "$2" "$1"; }

systemctl show -p ActiveState -p ConditionResult -p ExecMainStatus koweld-recover.service systemd-udev-trigger.service
[ "$(when koweld-recover.service ConditionResult)" = yes ]
[ "$(when koweld-recover.service ExecMainStatus)" = 0 ]
ended=$(when koweld-recover.service ExecMainExitTimestampMonotonic)
udev=$(when systemd-udev-trigger.service ExecMainStartTimestampMonotonic)
echo "recovered at $ended, udev triggered at $udev"
[ "$ended" -gt 0 ] && [ "$udev" -gt "$ended" ]
[ -z "$(ls /var/lib/koweld/journal 2>/dev/null)" ]

koweld status
verified=0
koweld verify || verified=$?
# A set, or none; never a part.
all=0 loaded=0
while read -r name; do
	all=$((all + 1))
	if modprobe "$name" </dev/null; then loaded=$((loaded + 1)); fi
done <modules
taint=$(cat /proc/sys/kernel/tainted)
echo "$loaded of $all loaded, taint $taint, koweld verify $verified"
case $loaded:$taint:$verified in
"$all:4096:0" | 0:0:0) ;;
0:0:4) # what dpkg had begun to remove is told as a difference until dpkg ends it
	koweld verify 2>&1 | grep -q 'was taken back for a removal that did not end'
	;;
*) exit 1 ;;
esac
