# shellcheck shell=bash
# One initramfs image, described by the files in its directory:
#   packages  Debian packages, one a line, `#` and the reason
#   contents  files taken from those packages (libraries follow by themselves)
#   modules   kernel modules that the init script loads (dependencies follow by themselves)
#   root/     own files, copied over it
#   links     symbolic links, one `path target` a line: packages of npm carry none

# list_hash_inputs NAME: everything of the sources that the image depends on.
list_hash_inputs() {
  printf '%s\n' "$IMAGES/lib" "$IMAGES/$1"
}

# ensure_lock NAME: prints the lock file, resolving the packages when there is none for the present list.
ensure_lock() {
  local name=$1 lock
  lock=$CACHE/locks/$name-$({ strip_list "$IMAGES/$name/packages"; cat "$IMAGES/lib/packages.sh"; } | sha256sum | cut -c1-16)
  mkdir -p "$CACHE/locks"
  if [[ ! -e $lock ]]; then
    progress "$name: resolving packages"
    lock_packages "$IMAGES/$name/packages" "$lock"
  fi
  printf '%s\n' "$lock"
}

# image_key NAME LOCK EXTRA: the content hash that names the image's directory.
image_key() {
  local inputs
  mapfile -t inputs < <(list_hash_inputs "$1")
  { tree_hash "${inputs[@]}"; cat "$2"; printf '%s\n' "$3"; } | sha256sum | cut -c1-16
}

# make_root NAME SYSROOT ROOT: fills the root of an image.
make_root() {
  local name=$1 sysroot=$2 root=$3 path modules
  mkdir -p "$root"/{bin,dev,etc,lib/modules,proc,root,run,sys,tmp,usr/bin,usr/sbin,var}
  # The tools of util-linux and coreutils are BusyBox's applets; static, so it starts fast.
  copy_file "$sysroot" "$root" /bin/busybox
  "$root/bin/busybox" --list | while read -r path; do
    [[ $path == busybox ]] || ln -s busybox "$root/bin/$path"
  done
  while read -r path; do copy_file "$sysroot" "$root" "$path"; done < <(strip_list "$IMAGES/$name/contents")
  mapfile -t modules < <(strip_list "$IMAGES/$name/modules")
  copy_modules "$sysroot" "$root" "${modules[@]}"
  cp -R "$IMAGES/lib/guest/." "$root/"
  cp -R "$IMAGES/$name/root/." "$root/"
  make_links "$root" "$IMAGES/lib/links"
  [[ ! -e $IMAGES/$name/links ]] || make_links "$root" "$IMAGES/$name/links"
}

# make_links ROOT FILE
make_links() {
  local path target
  while read -r path target; do
    mkdir -p "$1$(dirname "$path")"
    ln -sfn "$target" "$1$path"
  done <"$2"
}

# build_image NAME [NESTED-DIRECTORY]
# Prints the directory with vmlinux, initrd and manifest.json; builds it if this content was never built.
# With a nested image its vmlinux and initrd are put to /srv/l3.
build_image() {
  local name=$1 nested=${2:-} lock key directory work
  lock=$(ensure_lock "$name")
  key=$(image_key "$name" "$lock" "${nested##*/}")
  directory=$CACHE/$name-$key
  if [[ ! -e $directory/manifest.json ]]; then
    fetch_packages "$lock"
    progress "$name: building $key"
    work=$CACHE/work.$$
    rm -rf "$work" "$directory"
    unpack_packages "$lock" "$work/sysroot"
    make_root "$name" "$work/sysroot" "$work/root"
    if [[ -n $nested ]]; then
      mkdir -p "$work/root/srv/l3"
      cp "$nested/vmlinux" "$nested/initrd" "$work/root/srv/l3/"
    fi
    mkdir -p "$work/out"
    extract_vmlinux "$work/sysroot/boot/vmlinuz-$(kernel_release "$work/sysroot")" "$work/out/vmlinux"
    write_initrd "$work/root" "$work/out/initrd"
    write_manifest "$name" "$key" "$lock" "$work/out"
    mv "$work/out" "$directory"
    rm -rf "$work"
  fi
  printf '%s\n' "$directory"
}

# build_disk KERNEL-DIRECTORY: the read-only disk from which L1's dom0 reads L2's kernel and initrd (/l2/vmlinux, /l2/initrd).
build_disk() {
  local source=$1 key directory work
  key=$({ tree_hash "$IMAGES/lib"; printf '%s\n' "${source##*/}"; } | sha256sum | cut -c1-16)
  directory=$CACHE/l1-disk-$key
  if [[ ! -e $directory/manifest.json ]]; then
    progress "l1-disk: building $key"
    work=$CACHE/work.$$
    rm -rf "$work" "$directory"
    mkdir -p "$work/root/l2" "$work/out"
    cp "$source/vmlinux" "$source/initrd" "$work/root/l2/"
    write_squashfs "$work/root" "$work/out/l2-kvm.img"
    write_manifest l1-disk "$key" /dev/null "$work/out"
    mv "$work/out" "$directory"
    rm -rf "$work"
  fi
  printf '%s\n' "$directory"
}
