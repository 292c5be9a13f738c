# shellcheck shell=bash
# One initramfs image, described by what its directory has of:
#   base      further images whose parts come before its own, one a line
#   packages  Debian packages, one a line, `#` and the reason
#   contents  files taken from those packages (libraries follow by themselves)
#   modules   kernel modules that the init script loads (dependencies follow by themselves), one a line; with ` if FLAG`, only on
#             processors with that flag in /proc/cpuinfo
#   root/     own files, copied over it
#   links     symbolic links, one `path target` a line: packages of npm carry none

# image_parts NAME: the directories that describe the image, its bases first, and each once.
image_parts() { image_and_bases "$1" | awk '!seen[$0]++'; }

image_and_bases() {
  local base
  if [[ -e $IMAGES/$1/base ]]; then
    while read -r base; do image_and_bases "$base"; done < <(strip_list "$IMAGES/$1/base")
  fi
  printf '%s\n' "$IMAGES/$1"
}

# image_list NAME LIST: the lines of a list (packages, contents, modules) of all its parts.
image_list() {
  local part
  while read -r part; do
    [[ ! -e $part/$2 ]] || strip_list "$part/$2"
  done < <(image_parts "$1")
}

# The programs of this host whose output is in an image: their versions are part of its key.
readonly IMAGE_TOOLS=(gcc ld cpio mksquashfs grub-mkimage)

# lock_path NAME: where the lock of the present list of packages is, or would be.
lock_path() {
  printf '%s/locks/%s-%s\n' "$CACHE" "$1" \
    "$({ image_list "$1" packages; cat "$IMAGES/lib/packages.sh"; } | sha256sum | cut -c1-16)"
}

# ensure_lock NAME: prints the lock file, resolving the packages when there is none for the present list.
ensure_lock() {
  local name=$1 lock packages
  mapfile -t packages < <(image_list "$name" packages)
  lock=$(lock_path "$name")
  if $where; then
    [[ -e $lock ]] || exit "$EXIT_NOT_CACHED"
  elif [[ -e $lock ]]; then
    mark_used "$lock"
  else
    mkdir -p "$CACHE/locks"
    progress "$name: resolving packages"
    lock_packages "$name" "$lock" "${packages[@]}"
  fi
  printf '%s\n' "$lock"
}

# image_key NAME LOCK EXTRA: the content hash that names the image's directory.
image_key() {
  local parts
  mapfile -t parts < <(image_parts "$1")
  { tree_hash "$IMAGES/lib" "${parts[@]}"; tool_versions "${IMAGE_TOOLS[@]}"; cat "$2"; printf '%s\n' "$3"; } |
    sha256sum | cut -c1-16
}

# add_busybox SYSROOT ROOT: the tools of util-linux and coreutils are BusyBox's applets; static, so it starts fast.
add_busybox() {
  local sysroot=$1 root=$2 path
  mkdir -p "$root"/{bin,dev,etc,lib/modules,proc,root,run,sys,tmp,usr/bin,usr/sbin,var}
  copy_file "$sysroot" "$root" /bin/busybox
  "$root/bin/busybox" --list | while read -r path; do
    [[ $path == busybox ]] || ln -s busybox "$root/bin/$path"
  done
}

# compile_reseed OUTPUT: the same bytes wherever it is compiled by the same compiler.
compile_reseed() {
  gcc -Os -Wall -Wextra -Werror -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -static -nostdlib -s \
    -Wl,--build-id=none -o "$1" "$IMAGES/lib/reseed.c"
}

# make_links ROOT FILE
make_links() {
  local path target
  while read -r path target; do
    mkdir -p "$1$(dirname "$path")"
    ln -sfn "$target" "$1$path"
  done <"$2"
}

# make_root NAME SYSROOT ROOT: fills the root of an image.
make_root() {
  local name=$1 sysroot=$2 root=$3 path part modules
  add_busybox "$sysroot" "$root"
  while read -r path; do copy_file "$sysroot" "$root" "$path"; done < <(image_list "$name" contents)
  mapfile -t modules < <(image_list "$name" modules)
  copy_modules "$sysroot" "$root" "${modules[@]}"
  cp -R "$IMAGES/lib/guest/." "$root/"
  compile_reseed "$root/usr/lib/vsbypass/reseed"
  make_links "$root" "$IMAGES/lib/links"
  while read -r part; do
    [[ ! -e $part/root ]] || cp -R "$part/root/." "$root/"
    [[ ! -e $part/links ]] || make_links "$root" "$part/links"
  done < <(image_parts "$name")
}

# from_packages NAME LOCK PART COMMAND... WORK: COMMAND fills WORK/out from the packages of the lock, which are unpacked to WORK/sysroot.
# PART is the directory of the image that becomes part of it, or nothing.
from_packages() {
  local name=$1 lock=$2 part=$3 work=${!#}
  shift 3
  if [[ -s $lock ]]; then
    fetch_packages "$name" "$lock"
    unpack_packages "$lock" "$work/sysroot"
  fi
  "$@"
  describe_image "$name" "$lock" "$part" "$work/description"
}

# describe_image NAME LOCK PART DESCRIPTION: the lists that write_manifest takes.
describe_image() {
  local name=$1 lock=$2 part=${3##*/} description=$4 parts
  mapfile -t parts < <(image_parts "$name")
  describe_packages "$lock" >"$description/inputs"
  # What has no folder is made by lib/ alone.
  if [[ -d $IMAGES/$name ]]; then source_list lib "${parts[@]#"$IMAGES/"}"; else source_list lib; fi >"$description/sources"
  [[ -z $part ]] || printf '%s\t%s\n' "${part%-*}" "${part##*-}" >"$description/images"
  touch "$description/images"
  tool_versions "${IMAGE_TOOLS[@]}" >"$description/tools"
}

# build_image NAME [USER-VM-DIRECTORY]: an image with vmlinuz (as Debian ships it), vmlinux (out of it) and initrd, in which
# the user VM's image can be.
build_image() {
  local lock
  lock=$(ensure_lock "$1")
  build_once "$1" "$(image_key "$1" "$lock" "$(basename "${2:-}")")" from_packages "$1" "$lock" "${2:-}" fill_image "$1" "${2:-}"
}

fill_image() {
  local name=$1 user_vm=$2 work=$3
  make_root "$name" "$work/sysroot" "$work/root"
  if [[ -n $user_vm ]]; then
    mkdir -p "$work/root/srv/l3"
    cp "$user_vm/vmlinux" "$user_vm/initrd" "$work/root/srv/l3/"
  fi
  cp "$(kernel_of "$work/sysroot")" "$work/out/vmlinuz"
  extract_vmlinux "$work/out/vmlinuz" "$work/out/vmlinux"
  write_initrd "$work/root" "$work/out/initrd"
  write_stock "$work/sysroot" "$work/root" "$work/out/stock"
}


# build_disk IMAGE-DIRECTORY: the read-only disk from which L1's dom0 reads L2's kernel and initrd (/l2/vmlinux, /l2/initrd).
build_disk() {
  local key
  key=$({ tree_hash "$IMAGES/lib"; tool_versions "${IMAGE_TOOLS[@]}"; basename "$1"; } | sha256sum | cut -c1-16)
  build_once l1-disk "$key" from_packages l1-disk /dev/null "$1" fill_disk "$1"
}

fill_disk() {
  local source=$1 work=$2
  mkdir -p "$work/root/l2"
  cp "$source/vmlinux" "$source/initrd" "$work/root/l2/"
  cp "$source/stock" "$work/out/"
  write_squashfs "$work/root" "$work/out/l2.img"
}

# build_boot_disk NAME USER-VM-DIRECTORY: a disk from which GRUB boots Xen and its dom0, with one for the user VMs in it.
# Besides what every image has, initramfs/ has modules and own files of the small initrd that mounts the disk.
build_boot_disk() {
  local lock
  lock=$(ensure_lock "$1")
  build_once "$1" "$(image_key "$1" "$lock" "$(basename "$2")")" from_packages "$1" "$lock" "$2" fill_boot_disk "$1" "$2"
}

fill_boot_disk() {
  local name=$1 user_vm=$2 work=$3 modules
  make_root "$name" "$work/sysroot" "$work/root"
  mkdir -p "$work/root/srv/l3" "$work/user-vm/boot"
  cp "$user_vm/vmlinuz" "$user_vm/initrd" "$work/user-vm/boot/"
  write_squashfs "$work/user-vm" "$work/user-vm.squashfs"
  write_grub_disk "$work/sysroot" "$work/user-vm.squashfs" "$work/root/srv/l3/disk.img"
  extract_vmlinux "$(kernel_of "$work/sysroot")" "$work/root/boot/vmlinux"
  add_busybox "$work/sysroot" "$work/initramfs"
  mapfile -t modules < <(strip_list "$IMAGES/$name/initramfs/modules")
  copy_modules "$work/sysroot" "$work/initramfs" "${modules[@]}"
  cp -R "$IMAGES/lib/guest/usr" "$work/initramfs/"
  cp -R "$IMAGES/$name/initramfs/root/." "$work/initramfs/"
  write_initrd "$work/initramfs" "$work/root/boot/initrd"
  write_squashfs "$work/root" "$work/root.squashfs"
  write_stock "$work/sysroot" "$work/root" "$work/out/stock"
  write_grub_disk "$work/sysroot" "$work/root.squashfs" "$work/out/l2.img"
}
