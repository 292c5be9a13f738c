# shellcheck shell=bash
# Source packages of Debian, with apt's own check of the archive's signature, on a private state: this host's sources are read and
# asked for source packages, nothing below /etc/apt or /var is changed. STATE is the folder of that state.

# The suites of this release (or, by another name, its): third parties do not have Xen and need not be asked.
release_suites() {
  local VERSION_CODENAME=''
  # shellcheck source=/dev/null
  . /etc/os-release
  printf '^(%s|(old)*stable)([-/]|$)' "${VERSION_CODENAME:-.*}"
}

# write_sources DIRECTORY [SUITE]: the configured binary sources, as sources of source packages; with SUITE, the same mirrors of the
# main archive, and that suite of them.
write_sources() {
  local target=$1 suite=${2:-} list='' parts='' suites file
  suites=$(release_suites)
  # Updates and security are archives of their own, with suites of their own.
  [[ -z $suite ]] || suites=${suites%'([-/]|$)'}'$'
  eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
  mkdir -p "$target"
  rm -f "$target"/*
  for file in "$parts"/*.sources; do
    awk -v suites="$suites" -v suite="$suite" 'BEGIN { RS = ""; FS = "\n"; ORS = "\n\n" }
      {
        wanted = 0
        for (i = 1; i <= NF; i++) {
          if (tolower($i) ~ /^types:/) $i = "Types: deb-src"
          if (tolower($i) ~ /^suites:/) {
            n = split($i, words, /[ \t]+/)
            for (j = 2; j <= n; j++) if (words[j] ~ suites) wanted = 1
            if (suite != "") $i = "Suites: " suite
          }
        }
        if (wanted) { text = $1; for (i = 2; i <= NF; i++) text = text "\n" $i; print text }
      }' "$file" >"$target/${file##*/}"
  done
  for file in "$list" "$parts"/*.list; do
    [[ -r $file ]] || continue
    # deb [options] URI suite component...: the suite is the second word after the options.
    awk -v suites="$suites" -v suite="$suite" '$1 == "deb" {
        line = $0
        sub(/^[ \t]*deb[ \t]+/, "", line)
        rest = line
        sub(/^\[[^]]*\][ \t]*/, "", rest)
        split(rest, words, /[ \t]+/)
        if (words[2] !~ suites) next
        # The suite stands right behind the URI.
        if (suite != "") line = substr(line, 1, index(line, words[1]) + length(words[1])) suite substr(rest, length(words[1] " " words[2]) + 1)
        print "deb-src " line
      }' "$file" >"$target/$(basename "$file" .list)-one-line.list"
  done
}

# private_apt PROGRAM ARG...
private_apt() {
  local program=$1
  shift
  "$program" -q \
    -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$STATE/sources" \
    -o Dir::State="$STATE/state" -o Dir::State::status="$STATE/state/status" -o Dir::State::lists="$STATE/state/lists" \
    -o Dir::Cache="$STATE/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2 \
    -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}

# update_lists NAME [SUITE]
update_lists() {
  progress "$1: fetching the lists of source packages"
  mkdir -p "$STATE/state/lists/partial" "$STATE/cache/archives/partial"
  : >"$STATE/state/status"
  write_sources "$STATE/sources" "${2:-}"
  private_apt apt-get update >&2 || progress "$1: some lists could not be fetched, going on with the others"
}
