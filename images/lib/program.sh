# shellcheck shell=bash
# Programs of one C file that are brought into the layers at run time.

# build_program SOURCE CACHE [--where]: compiles it, linked statically, since nothing is expected of the layer; prints the
# program's path. What was built from the same source is used again. --where builds nothing.
build_program() {
  local source=$1 where=${3:-} name directory temporary
  require_programs gcc:gcc
  name=$(basename "$source" .c)
  directory=$2/$name-$({ cat "$source" "${BASH_SOURCE[0]}"; tool_versions gcc ld; } | sha256sum | cut -c1-16)
  if [[ -n $where ]]; then
    :
  elif [[ -e $directory/$name ]]; then
    mark_used "$directory"
  else
    mkdir -p "$directory"
    temporary=$(mktemp "$directory/$name.XXXXXX")
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -s -o "$temporary" "$source" || {
      rm -f "$temporary"
      return 1
    }
    chmod 755 "$temporary"
    mv "$temporary" "$directory/$name"
  fi
  printf '%s\n' "$directory/$name"
}
