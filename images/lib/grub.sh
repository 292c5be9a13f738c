# shellcheck shell=bash
# A disk that a PC's BIOS boots through GRUB: boot sector with one partition, GRUB's core behind it, the partition. What is
# booted, and how, is told by a second disk: a cpio archive with boot/grub.cfg.

readonly PARTITION_SECTOR=2048 # 1 MiB, as partitioning programs have it; GRUB's core takes some 100 sectors before it

# little_endian NUMBER BYTES: as escapes of printf.
little_endian() {
  local i
  for ((i = 0; i < $2; i++)); do printf '\\%03o' $((($1 >> (8 * i)) & 255)); done
}

# write_grub_disk SYSROOT PARTITION OUTPUT
# Nothing has to be installed into the boot sector: GRUB's boot.img looks for its core in the sector behind it.
write_grub_disk() {
  local sysroot=$1 partition=$2 output=$3 core=$3.core sectors entry
  printf 'normal (hd1)/boot/grub.cfg\n' >"$core.cfg"
  grub-mkimage -O i386-pc -d "$sysroot/usr/lib/grub/i386-pc" -c "$core.cfg" -p '(hd0,msdos1)/boot/grub' -o "$core" \
    biosdisk part_msdos squash4 newc normal multiboot2 gzio linux
  (($(stat -c %s "$core") <= (PARTITION_SECTOR - 1) * 512)) || die "GRUB's core is too large"
  cp "$sysroot/usr/lib/grub/i386-pc/boot.img" "$output"
  # The partition table, in the place of boot.img's code for floppies. Its first entry: active, no CHS addresses, type
  # Linux, first sector, sectors.
  sectors=$((($(stat -c %s "$partition") + 511) / 512))
  entry='\200\376\377\377\203\376\377\377'$(little_endian $PARTITION_SECTOR 4)$(little_endian "$sectors" 4)$(little_endian 0 48)
  # shellcheck disable=SC2059 # the format is the data
  printf "$entry" | dd of="$output" bs=1 seek=446 conv=notrunc status=none
  dd if="$core" of="$output" bs=512 seek=1 conv=notrunc status=none
  dd if="$partition" of="$output" bs=512 seek=$PARTITION_SECTOR conv=notrunc status=none
  truncate -s $(((PARTITION_SECTOR + sectors) * 512)) "$output"
  rm "$core" "$core.cfg"
}
