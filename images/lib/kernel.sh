# shellcheck shell=bash
# The kernel of a Debian package: the uncompressed ELF image and the closure of the wanted modules.

# kernel_release SYSROOT: release of the only kernel in the tree.
kernel_release() {
  local kernels=("$1"/boot/vmlinuz-*)
  [[ ${#kernels[@]} -eq 1 && -e ${kernels[0]} ]] || die 'an image needs exactly one kernel package'
  printf '%s\n' "${kernels[0]##*/vmlinuz-}"
}

# kernel_of SYSROOT: that kernel.
kernel_of() { printf '%s\n' "$1/boot/vmlinuz-$(kernel_release "$1")"; }

# unsigned_at FILE OFFSET BYTES: a little-endian number.
unsigned_at() { od -An -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '; }

# bytes_at FILE OFFSET LENGTH (dd reads exactly that; a pipe from tail to head would die of SIGPIPE).
bytes_at() { dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none; }

# extract_vmlinux BZIMAGE OUTPUT
# The ELF that a bzImage carries, found by the setup header (Linux Documentation/x86/boot.rst: setup_sects 0x1f1,
# payload_offset 0x248, payload_length 0x24c). Booting it saves each layer the decompression.
extract_vmlinux() {
  local image=$1 output=$2 setup_sectors offset length decompress
  [[ $(bytes_at "$image" $((0x202)) 4) == HdrS ]] || die "$image is no bzImage"
  setup_sectors=$(unsigned_at "$image" $((0x1f1)) 1)
  offset=$(((setup_sectors + 1) * 512 + $(unsigned_at "$image" $((0x248)) 4)))
  # The last 4 bytes are the uncompressed size, not part of the compressed stream.
  length=$(($(unsigned_at "$image" $((0x24c)) 4) - 4))
  case $(od -An -tx1 -j "$offset" -N 4 "$image" | tr -d ' ') in
    fd377a58) decompress=(xz -dc --single-stream) ;;
    02214c18) decompress=(lz4 -dc) ;;
    28b52ffd) decompress=(zstd -dc) ;;
    1f8b*) decompress=(gzip -dc) ;;
    *) die "unknown compression of the kernel in $image" ;;
  esac
  bytes_at "$image" "$offset" "$length" | "${decompress[@]}" >"$output"
  [[ $(head -c 4 "$output" | tr -d '\0') == $'\177ELF' ]] || die "no ELF image in $image"
}

# module_key NAME: `-` and `_` are the same in module names.
module_key() { printf '%s\n' "${1//-/_}"; }

# module_path DIRECTORY NAME: the .ko of a module.
module_path() {
  local pattern=${2//[-_]/[-_]}
  find "$1" -name "$pattern.ko" -print -quit
}

# module_order DIRECTORY NAME...
# Paths of the modules and of all they depend on, each after its dependencies: the order in which insmod takes them.
module_order() {
  local directory=$1 name
  shift
  declare -A module_seen=()
  for name in "$@"; do visit_module "$directory" "$name"; done
}

visit_module() {
  local directory=$1 name path dependencies dependency
  name=$(module_key "$2")
  [[ -z ${module_seen[$name]:-} ]] || return 0
  module_seen[$name]=1
  path=$(module_path "$directory" "$name")
  if [[ -z $path ]]; then
    grep -qE "/${name//_/[-_]}\.ko\$" "$directory/modules.builtin" || die "the kernel has no module $name"
    return 0
  fi
  # depends= is what depmod would find out again: modpost has written it into each module.
  dependencies=$(tr '\0' '\n' <"$path" | sed -nE 's/^depends=(.*)$/\1/p' | head -n 1)
  for dependency in ${dependencies//,/ }; do visit_module "$directory" "$dependency"; done
  printf '%s\n' "$path"
}

# copy_modules SYSROOT ROOT ENTRY...: copies the closure and writes /lib/modules/load-order for the init script: a path, and the
# flag of an entry `NAME if FLAG` behind that module's own.
copy_modules() {
  local sysroot=$1 root=$2 release path entry name
  shift 2
  declare -A module_flag=()
  for entry in "$@"; do
    [[ $entry != *' if '* ]] || module_flag[$(module_key "${entry%% if *}")]=${entry##* if }
  done
  release=$(kernel_release "$sysroot")
  mkdir -p "$root/lib/modules"
  : >"$root/lib/modules/load-order"
  while read -r path; do
    cp "$path" "$root/lib/modules/"
    name=${path##*/}
    entry=/lib/modules/$name\ ${module_flag[$(module_key "${name%.ko}")]:-}
    printf '%s\n' "${entry% }" >>"$root/lib/modules/load-order"
  done < <(module_order "$sysroot/lib/modules/$release" "${@%% if *}")
}
