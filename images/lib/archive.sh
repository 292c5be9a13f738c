# shellcheck shell=bash
# Bit-for-bit reproducible archives of a directory.

# normalise_tree ROOT: same times and modes whatever the umask and the clock of this host.
normalise_tree() {
  chmod -R u=rwX,go=rX "$1"
  find "$1" -exec touch -h -d @0 {} +
}

# write_initrd ROOT OUTPUT
# An uncompressed newc archive: emulated CPUs pay for decompression, and further archives can be appended to it.
write_initrd() {
  local root=$1 output=$2
  normalise_tree "$root"
  (cd "$root" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
    cpio --quiet --null -o -H newc --reproducible --owner=0:0) >"$output"
}

# write_squashfs ROOT OUTPUT: a read-only file system, uncompressed for the same reason.
write_squashfs() {
  local root=$1 output=$2
  normalise_tree "$root"
  mksquashfs "$root" "$output" -noappend -all-root -no-xattrs -no-exports -noI -noD -noF -noX -b 1M \
    -mkfs-time 0 -all-time 0 -processors 1 -quiet -no-progress >&2
}
