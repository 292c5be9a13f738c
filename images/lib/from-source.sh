# shellcheck shell=bash
# The frame of images/{bochs,qemu,xen}/build: a program that is compiled here, from a source with patches of ours. HERE is the folder
# of the build. What a build has of its own are functions:
#   describe_inputs SOURCE  the lines of the manifest's `inputs`
#   describe_tools          programs and libraries of this host that are in the result, with their versions
#   fill SOURCE WORK        leaves the result in WORK/out
# Options: --cache DIRECTORY [--offline | --where]. The result is DIRECTORY/NAME-<key>, with manifest.json, and its path is all that
# stdout gets. --offline fetches nothing; --where builds nothing either, and says where the result is or would be.
# Exit codes: 0 ok, 1 failure, 2 usage, 3 host prerequisite, 4 the source is not in the cache (--offline, --where).

# enter_build NAME: after the options were taken, and the programs are known to be there.
enter_build() {
  enter_cache
  readonly NAME=$1 LOG=$CACHE/$1-build.log
  [[ -e $HERE/patches/series ]] || die "there is no $HERE/patches/series"
  # Not the lock of images/build, which holds it while it calls this script.
  $where || hold_lock 8 "$NAME.lock"
}

# source_of COMMAND...: what the program that fetches it prints. A child that outlives a killed build must not hold the lock.
source_of() {
  local mode=()
  if $where || $offline; then mode=(--offline); fi
  "$@" --cache "$CACHE" "${mode[@]}" 8>&-
}

# deliver SOURCE PATH...: the paths are what goes in besides the source, the patches and the tools.
deliver() {
  local source=$1 key
  shift
  key=$(
    {
      sha256sum <"$source"
      tree_hash "$HERE/build" "$HERE/patches" "$@" "$HERE"/../lib/{from-source,manifest,once,tree}.sh
      describe_tools
    } | sha256sum | cut -c1-16
  )
  build_once "$NAME" "$key" compile_source "$source"
}

# compile_source SOURCE WORK
compile_source() {
  fill "$1" "$2"
  describe_inputs "$1" >"$2/description/inputs"
  source_list "$NAME" lib sources >"$2/description/sources"
  : >"$2/description/images"
  describe_tools >"$2/description/tools"
}
