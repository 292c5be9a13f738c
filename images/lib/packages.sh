# shellcheck shell=bash
# Debian packages without installing any: a private apt state below the cache, the host's configured sources and keys.
# What is used is pinned in a lock file (file name and sha256 of each package), so that a build without a network or with a
# newer archive gives the same image; the lock is renewed when the list of packages changes or with --refresh.
# --offline: nothing is fetched, what is not in the cache is an error.

# private_apt PROGRAM ARG...
# Runs apt-get/apt-cache on its own lists and cache. Signatures are checked by apt against the host's keyrings as usual;
# the empty status file makes the result independent of what this host has installed.
private_apt() {
  local program=$1
  shift
  "$program" -q \
    -o Dir::State="$CACHE/apt/state" -o Dir::State::status="$CACHE/apt/state/status" \
    -o Dir::Cache="$CACHE/apt/cache" -o APT::Sandbox::User="$(id -un)" \
    -o APT::Install-Recommends=false -o Acquire::Retries=2 -o Acquire::Languages=none "$@"
}

# refresh_package_lists IMAGE
refresh_package_lists() {
  ! $offline || not_cached "$1" "apt's lists of packages"
  progress 'fetching the package lists'
  mkdir -p "$CACHE/apt/state/lists/partial" "$CACHE/apt/cache/archives/partial"
  : >"$CACHE/apt/state/status"
  private_apt apt-get update >&2 || die 'apt-get update failed: look at the sources in /etc/apt'
  touch "$CACHE/apt/lists-fetched"
}

# package_closure NAME...: the named packages, the kernel that a kernel metapackage stands for, and all libraries below them.
# Other dependencies (maintainer scripts' tools and the like) are left out: only files named in `contents` get into an image.
package_closure() {
  printf '%s\n' "$@"
  private_apt apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances "$@" | sed -nE 's/^([a-z0-9][a-z0-9.+-]*)$/\1/p' | grep -E '^(lib|zlib1g$|linux-image-[0-9])'
}

# lock_packages IMAGE LOCK NAME...: resolves the packages to lines `file-name sha256`, sorted.
lock_packages() {
  local image=$1 lock=$2 closure name
  shift 2
  [[ -e $CACHE/apt/lists-fetched ]] || refresh_package_lists "$image"
  for name in "$@"; do
    private_apt apt-cache show "$name" >/dev/null 2>&1 || {
      printf 'images: error: no package %s in the sources of this host (Debian 12 "bookworm" main is needed)\n' "$name" >&2
      exit "$EXIT_HOST"
    }
  done
  mapfile -t closure < <(package_closure "$@" | LC_ALL=C sort -u)
  # Pure virtual packages of the closure have no candidate: drop them, the walk over the libraries finds what would be missing.
  mapfile -t closure < <(
    private_apt apt-cache policy "${closure[@]}" |
      awk '/^[a-z0-9]/ { name = substr($1, 1, length($1) - 1) } /^  Candidate:/ && $2 != "(none)" { print name }'
  )
  private_apt apt-get download --print-uris "${closure[@]}" |
    sed -nE "s/^'[^']*' ([^ ]+) [0-9]+ SHA256:([0-9a-f]{64})\$/\1 \2/p" | LC_ALL=C sort >"$lock.new"
  [[ $(wc -l <"$lock.new") -eq ${#closure[@]} ]] || die "apt named no SHA256 for some package of: $*"
  mv "$lock.new" "$lock"
}

# fetch_packages IMAGE LOCK: brings every package of the lock into the pool and checks each against the lock's sha256.
fetch_packages() {
  local image=$1 lock=$2 file wanted=()
  mkdir -p "$CACHE/pool"
  while read -r file _; do
    if [[ ! -e $CACHE/pool/$file ]]; then
      local version=${file#*_}
      version=${version%_*}
      wanted+=("${file%%_*}=${version//%3a/:}")
    fi
  done <"$lock"
  if ((${#wanted[@]} > 0)); then
    ! $offline || not_cached "$image" "${#wanted[@]} of $(wc -l <"$lock") Debian packages: ${wanted[*]}"
    progress "downloading ${#wanted[@]} packages"
    [[ -e $CACHE/apt/lists-fetched ]] || refresh_package_lists "$image"
    (cd "$CACHE/pool" && private_apt apt-get download "${wanted[@]}" >&2) ||
      die 'some package versions are no longer served: run images/build with --refresh'
  fi
  (cd "$CACHE/pool" && awk '{ print $2 "  " $1 }' "$lock" | sha256sum --check --quiet --strict >&2) ||
    die "a package in $CACHE/pool does not match its sha256"
}

# unpack_packages LOCK DIRECTORY: one tree with the files of all packages, as an installation would have them. DIRECTORY.origin
# tells of each file from which package it is.
unpack_packages() {
  local lock=$1 directory=$2 file
  mkdir -p "$directory"
  : >"$directory.origin"
  while read -r file _; do
    # Debug information has no place in an image, and the documentation is most of a small package's files.
    dpkg-deb --fsys-tarfile "$CACHE/pool/$file" |
      tar -xv -C "$directory" --no-same-owner --no-same-permissions --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
        --exclude='./usr/share/locale/*' | sed "s/\$/\t$file/" >>"$directory.origin"
  done <"$lock"
}

# describe_packages LOCK: the lines of a manifest's `inputs`. A package names its source package only where that has another
# name; dpkg fills it in.
describe_packages() {
  local file sum
  while read -r file sum; do
    # shellcheck disable=SC2016 # dpkg's variables
    printf '%s\t%s\t%s\n' "$(dpkg-deb -W --showformat \
      '${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}' "$CACHE/pool/$file")" "$file" "$sum"
  done <"$1"
}
