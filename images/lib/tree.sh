# shellcheck shell=bash
# A source tree that is compiled here: unpacked, with patches of ours. HERE is the folder of the build, with its patches; LOG is its log.

# fail_with_log MESSAGE
fail_with_log() {
  tail -n 20 "$LOG" >&2
  die "$1; the log is $LOG"
}

# unpack_source DSC TREE: with Debian's own patches applied.
unpack_source() {
  progress "${1##*/}: unpacking"
  rm -rf "$2"
  # Whether the archive's signature holds was apt's to check; this checks the files against the .dsc.
  dpkg-source --no-copy -x "$1" "$2" >"$LOG" 2>&1 || fail_with_log 'dpkg-source could not unpack it'
}

# apply_series SOURCE TREE: all of patches/series. SOURCE is what the messages call the tree.
apply_series() {
  local series
  mapfile -t series < <(strip_list "$HERE/patches/series")
  apply_patches "$1" "$2" "${series[@]}"
}

# apply_patches SOURCE TREE NAME...: those of these names.
apply_patches() {
  local source=$1 tree=$2 name
  shift 2
  for name in "$@"; do
    progress "$source: patch $name"
    # No fuzz: a hook at a place that only resembles the right one is worse than none.
    patch -p1 --fuzz=0 --force --silent --no-backup-if-mismatch -d "$tree" -i "$HERE/patches/$name" >&2 ||
      die "patch $name does not apply to $source"
  done
}

# describe_source NAME DSC: the lines of a manifest's `inputs`: the .dsc, and the archives that it names.
describe_source() {
  local name=$1 dsc=$2 version=${2##*_}
  version=${version%.dsc}
  {
    printf '%s\t%s\n' "${dsc##*/}" "$(sha256sum <"$dsc" | cut -d' ' -f1)"
    dsc_sums "$dsc" | sed -E 's/^([0-9a-f]+)  (.*)$/\2\t\1/'
  } | sed "s/^/$name\t$version\tsource\t$name\t$version\t/"
}
