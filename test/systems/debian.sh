# shellcheck shell=bash disable=SC2016 # what stands in single quotes is for other shells
# A disk of a system that is none of ours: Debian as a host of VMs. Made of Debian's packages with Debian's tools and of what an
# administrator configures; no file in it comes from this project. Read by the scripts that are called
#   test/systems/debian-NAME SUITE OUTPUT.qcow2 [PUBLIC_KEY]     The suite is bookworm or a later one; the key is root's. As root;
# takes minutes.
set -euo pipefail
shopt -s inherit_errexit

[[ $# -eq 2 || $# -eq 3 ]] || { printf 'usage: %s SUITE OUTPUT.qcow2 [PUBLIC_KEY]\n' "$0" >&2; exit 2; }
suite=$1
output=$2
key=${3:-}
work=$(mktemp -d "$output.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
readonly suite output key work root
readonly file_system=6a0e3c51-7d0c-4f2e-9d5e-2f3d6f9b1c01 disk_mib=4096

# install_system PACKAGE...: with these beside the ones that a host has. What the initrd has is said, as its machine is another than
# this one.
install_system() {
  local packages=(linux-image-amd64 grub-pc-bin systemd-sysv udev ifupdown isc-dhcp-client openssh-server busybox "$@")
  # An archive that is kept somewhere may be older than it says.
  mmdebstrap --quiet --variant=minbase --format=directory --include="$(IFS=,; printf '%s' "${packages[*]}")" \
    --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
    --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
    --essential-hook='printf "MODULES=list\nCOMPRESS=gzip\n" >"$1/etc/initramfs-tools/conf.d/host"' \
    --essential-hook='printf "virtio_pci\nvirtio_blk\next4\n" >"$1/etc/initramfs-tools/modules"' \
    "$suite" "$root" - < <(sed "s/bookworm/$suite/g" /etc/apt/sources.list.d/debian.sources)
}

# configure_system: what its administrator does.
configure_system() {
  printf 'host\n' >"$root/etc/hostname"
  printf '127.0.0.1 localhost host\n' >"$root/etc/hosts"
  printf 'auto lo\niface lo inet loopback\nallow-hotplug eth0\niface eth0 inet dhcp\n' >"$root/etc/network/interfaces"
  printf 'UUID=%s / ext4 errors=remount-ro 0 1\n' "$file_system" >"$root/etc/fstab"
  [[ -n $key ]] || return 0
  install -d -m 700 "$root/root/.ssh"
  install -m 600 "$key" "$root/root/.ssh/authorized_keys"
}

# make_guest FOLDER: what its operator starts VMs from: Debian's kernel, and an initrd that ends in a shell on the console.
make_guest() {
  local initramfs=$root/root/initramfs
  mkdir -p "$initramfs/"{conf.d,scripts,hooks} "$root$1"
  printf 'MODULES=list\nBUSYBOX=y\nCOMPRESS=gzip\nKEYMAP=n\nRESUME=none\n' >"$initramfs/initramfs.conf"
  : >"$initramfs/modules"
  chroot "$root" sh -ec '
    kernel=$(ls /boot/vmlinuz-* | tail -n 1)
    cp "$kernel" "$0/vmlinuz"
    mkinitramfs -d /root/initramfs -o "$0/initrd" "${kernel#/boot/vmlinuz-}"
  ' "$1"
}

# make_disk MODULE... <ENTRY: a disk that a PC boots, with these modules in GRUB's core, and the commands of its menu's entry, in which
# $kernel and $initrd are. GRUB's boot sector looks for its core in the sector behind it. No loop device is needed.
make_disk() {
  local grub=$root/boot/grub disk=$work/disk kernel
  mkdir -p "$grub/i386-pc"
  cp "$root"/usr/lib/grub/i386-pc/*.{mod,lst} "$grub/i386-pc/"
  kernel=$(basename "$(ls "$root"/boot/vmlinuz-*)")
  {
    printf 'serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\nset timeout=1\n'
    printf 'set kernel=/boot/%s\nset initrd=/boot/initrd.img-%s\n' "$kernel" "${kernel#vmlinuz-}"
    printf 'set root_file_system=UUID=%s\n' "$file_system"
    printf 'menuentry "Debian" {\n'
    cat
    printf '}\n'
  } >"$grub/grub.cfg"
  truncate -s "${disk_mib}M" "$disk"
  printf 'label: dos\nstart=2048, type=83, bootable\n' | sfdisk --quiet "$disk"
  mke2fs -q -t ext4 -U "$file_system" -E offset=1048576,root_owner=0:0 -d "$root" "$disk" $(((disk_mib - 1) * 1024))
  grub-mkimage -O i386-pc -d "$root/usr/lib/grub/i386-pc" -p '(hd0,msdos1)/boot/grub' -o "$work/core" \
    biosdisk part_msdos ext2 normal configfile serial terminal "$@"
  dd if="$root/usr/lib/grub/i386-pc/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
  dd if="$work/core" of="$disk" bs=512 seek=1 conv=notrunc status=none
  qemu-img convert -q -O qcow2 "$disk" "$output"
}
