# shellcheck shell=bash
# Copies single files out of the unpacked packages, together with every shared library they need (DT_NEEDED, transitively).

# Where Debian's dynamic loader looks on amd64, in its order (ld.so(8), default directories of the multiarch build).
readonly LIBRARY_DIRECTORIES=(lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu lib64 lib usr/lib)

# find_library SYSROOT SONAME: prints the path relative to the sysroot.
find_library() {
  local sysroot=$1 soname=$2 directory
  for directory in "${LIBRARY_DIRECTORIES[@]}"; do
    if [[ -e $sysroot/$directory/$soname ]]; then
      printf '%s\n' "$directory/$soname"
      return
    fi
  done
  return 1
}

# copy_file SYSROOT ROOT PATH: copies a file; a symbolic link is copied with what it points to.
# An ELF file brings its interpreter and libraries along. What is there already is not copied again.
copy_file() {
  local sysroot=$1 root=$2 path=${3#/} target
  [[ -e $root/$path || -L $root/$path ]] && return
  [[ -e $sysroot/$path || -L $sysroot/$path ]] || die "no package of this image has /$path"
  mkdir -p "$root/$(dirname "$path")"
  if [[ -L $sysroot/$path ]]; then
    cp -P "$sysroot/$path" "$root/$path"
    target=$(readlink "$sysroot/$path")
    [[ $target == /* ]] || target=$(dirname "/$path")/$target
    copy_file "$sysroot" "$root" "$(realpath -m -s "$target")"
    return
  fi
  cp "$sysroot/$path" "$root/$path"
  copy_libraries "$sysroot" "$root" "$path"
}

# copy_libraries SYSROOT ROOT PATH: what the ELF file at PATH needs; nothing to do for any other file.
copy_libraries() {
  local sysroot=$1 root=$2 path=$3 dynamic needed library interpreter
  [[ $(head -c 4 "$sysroot/$path" | tr -d '\0') == $'\177ELF' ]] || return 0
  dynamic=$(readelf -W -l -d "$sysroot/$path" 2>/dev/null)
  interpreter=$(sed -nE 's/.*Requesting program interpreter: ([^]]+)\].*/\1/p' <<<"$dynamic")
  [[ -z $interpreter ]] || copy_file "$sysroot" "$root" "$interpreter"
  while read -r needed; do
    library=$(find_library "$sysroot" "$needed") || die "/$path needs $needed, which no package of this image has"
    copy_file "$sysroot" "$root" "$library"
  done < <(sed -nE 's/.*\(NEEDED\).*\[([^]]+)\].*/\1/p' <<<"$dynamic")
}
