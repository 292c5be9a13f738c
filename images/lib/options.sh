# shellcheck shell=bash
# The command lines of the scripts of images/, which all take --cache DIRECTORY.

# take_options USAGE FLAG... -- WORD...
# Sets `cache`, `words` (what is no option), and for each flag a variable: for --offline `offline`, to true or false.
take_options() {
  local usage=$1 flags=()
  shift
  while [[ $1 != -- ]]; do
    flags+=("$1")
    printf -v "${1#--}" false
    shift
  done
  shift
  cache='' words=()
  while (($# > 0)); do
    case $1 in
      --cache) (($# >= 2)) || wrong_usage "$usage"; cache=$2; shift ;;
      --help) printf 'usage: %s\n' "$usage"; exit 0 ;;
      -*) [[ " ${flags[*]} " == *" $1 "* ]] || wrong_usage "$usage"; printf -v "${1#--}" true ;;
      *) words+=("$1") ;;
    esac
    shift
  done
  [[ -n $cache ]] || wrong_usage "$usage"
}

wrong_usage() {
  printf 'usage: %s\n' "$1" >&2
  exit 2
}

# enter_cache: CACHE is from here on where it is, absolutely.
enter_cache() {
  umask 022
  mkdir -p "$cache"
  CACHE=$(cd "$cache" && pwd)
  readonly CACHE
}

# hold_lock FD NAME: until this script ends, nobody else holds CACHE/NAME.
hold_lock() {
  eval "exec $1>\"\$CACHE/\$2\""
  flock -w 1800 "$1" || die "another build has held $CACHE/$2 for 30 minutes"
}
