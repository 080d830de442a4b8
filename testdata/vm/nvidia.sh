# Sourced by test.sh: NVIDIA's driver on 6.1. A machine without its hardware shows that
# the kernel has taken nvidia.ko: it comes to its own init, which finds no GPU.
# shellcheck shell=bash disable=SC2034,SC2154 # names of test.sh

nvidia_story() {
	local out package modules=(nvidia nvidia-modeset nvidia-drm nvidia-uvm nvidia-peermem) name
	chapter "NVIDIA's driver"
	out=$("$here/../nvidia/build.sh") || {
		check "NVIDIA's modules are built" false
		return
	}
	package=$(basename "$out"/package/usr/share/koweld/manifests/*.yaml .yaml)
	step "the kernel of its modules is in Debian" find_kernel "linux-image-${package#linux-modules-nvidia-}" &&
		step "$kernel: a Debian $release with it" kernel_root "$scratch/root" &&
		step "$kernel: a package of NVIDIA's set" pack "$out/package" 535 &&
		step "$kernel: dpkg installs koweld and it" dpkg_install "$scratch/root" "$koweld_deb" "$packed" || return
	for name in "${modules[@]}"; do
		check "$kernel: $name.ko is kbuild's, signed by sign-file (cmp)" cmp "$out/modules/$name.ko" \
			"$scratch/root$(inside "$scratch/root" modinfo -k "$kernel" -F filename "$name")"
	done
	vmlinuz=$(vmlinuz_of "$scratch/root" "$kernel") initrd=$scratch/vm.initrd
	step "$kernel: an initramfs for the test" make_initrd "$scratch/root" "$kernel" "$initrd" &&
		step "$kernel: a disk" make_disk "$scratch/root" "$scratch/disk" || return

	mkdir "$scratch/refused"
	for name in nvidia-uvm nvidia-modeset; do
		cp "$out/modules/$name.ko" "$scratch/refused/$name-tampered.ko"
		flip "$scratch/refused/$name-tampered.ko" 100000
		image_of "$out/modules/$name.ko" >"$scratch/refused/$name-unsigned.ko"
		cp "$out/modules/$name.ko" "$scratch/refused/$name-alone.ko"
	done
	printf '%s\n' "${modules[@]}" >"$scratch/modules"
	secure_boot nvidia db --db "$out/package/usr/lib/linux-signatures/nvidia/$kernel/signer.pem"
	check "$kernel: nvidia.ko is loaded as far as its init, which has no device" said_line "nvidia: No such device"
	check "$kernel: as it says itself" in_log "NVRM: No NVIDIA GPU found."
	check "$kernel: the kernel has verified what it loaded" not_in_log 'module verification failed'
	check "$kernel: and is tainted by the licence and out of its tree alone (4097)" said_line "after: taint 4097"
	for name in nvidia-uvm nvidia-modeset; do
		for what in tampered unsigned; do
			check "$kernel: $name that is $what is refused" said_line "$name-$what: Key was rejected by service"
		done
		check "$kernel: the signed $name lacks but nvidia's symbols" said_line "$name-alone: Unknown symbol in module"
	done
}
