# shellcheck shell=bash
# What is in the cache has the hash of all that went into it in its name: it is built once, and a folder has its name only when all
# is in it.

# build_once NAME KEY COMMAND...
# Prints the directory of what has this name and key. If it was never built, COMMAND gets a folder as its last argument, leaves the
# result in `out` of it, and in `description` the lists of its manifest (manifest.sh).
build_once() {
  local name=$1 key=$2 directory=$CACHE/$1-$2
  shift 2
  # shellcheck disable=SC2154 # by take_options
  if $where; then
    :
  elif [[ -e $directory/manifest.json ]]; then
    mark_used "$directory/manifest.json"
  else
    progress "$name: building $key"
    rm -rf "$CACHE/$name"-unfinished.* "$directory"
    # Not local: it is removed when the build ends, however it does.
    work=$CACHE/$name-unfinished.$$
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/out" "$work/description"
    "$@" "$work"
    write_manifest "$name" "$key" "$work/description" "$work/out"
    mv "$work/out" "$directory"
    rm -rf "$work"
  fi
  printf '%s\n' "$directory"
}
