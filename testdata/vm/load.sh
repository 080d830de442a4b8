# Runs in the guest, as the script of boot.sh: loads modules as a system does, and
# others that the kernel must refuse. A line for each says what came of it; the host
# judges. The file "modules" beside has the names, the folder "refused" the files.
# shellcheck shell=sh

echo "kernel: $(uname -r)"
echo "before: taint $(cat /proc/sys/kernel/tainted)"

# said FILE: the reason in a program's last line, "modprobe: ERROR: could not insert
# 'acme': Key was rejected by service" say.
said() { sed -n '$s/.*: //p' "$1"; }

while read -r name; do
	if [ -d "/sys/module/$name" ]; then
		echo "$name: loaded already"
	elif modprobe "$name" 2>/tmp/said </dev/null; then
		echo "$name: loaded"
	else
		echo "$name: $(said /tmp/said)"
	fi
done <modules
while read -r name; do
	[ ! -e "/sys/module/$name/version" ] || echo "$name: version $(cat "/sys/module/$name/version")"
done <modules
echo "after: taint $(cat /proc/sys/kernel/tainted)"

for file in refused/*.ko; do
	[ -e "$file" ] || continue
	name=${file#refused/}
	if insmod "$file" 2>/tmp/said; then
		echo "${name%.ko}: loaded"
	else
		echo "${name%.ko}: $(said /tmp/said)"
	fi
done
