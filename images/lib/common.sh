# shellcheck shell=bash
# Messages, failures and checks of the host that every part of the image build shares.

readonly EXIT_HOST=3 EXIT_NOT_CACHED=4

# Progress goes to stderr: stdout carries the resulting paths only.
progress() { printf 'images: %s\n' "$*" >&2; }

die() {
  printf 'images: error: %s\n' "$*" >&2
  exit 1
}

# not_cached IMAGE WHAT: what an image needs is not in the cache, and must not be fetched. `vsbypass build` reads this line.
not_cached() {
  printf 'images: error: %s: not in the cache, and --offline forbids to fetch it: %s\n' "$1" "$2" >&2
  exit "$EXIT_NOT_CACHED"
}

# mark_used FILE...: the time of a file of the cache is when it was last used, which is what images/prune goes by.
mark_used() { touch -c "$@" 2>/dev/null || true; }

# tool_versions PROGRAM...: `program<TAB>version`, as it says itself, of programs of this host whose output is in what is built.
tool_versions() {
  local tool version
  for tool in "$@"; do
    case $tool in
      mksquashfs) version=$("$tool" -version) ;;
      *) version=$("$tool" --version) ;;
    esac
    printf '%s\t%s\n' "$tool" "${version%%$'\n'*}"
  done
}

# dsc_files DSC: names of the files that a Debian source package consists of.
dsc_files() {
  printf '%s\n' "${1##*/}"
  dsc_sums "$1" | cut -c 67-
}

# dsc_sums DSC: the archives that it names, in the form of sha256sum.
dsc_sums() { awk '/^[^ ]/ { section = $1 } section == "Checksums-Sha256:" && /^ / { print $1 "  " $3 }' "$1"; }

# require_programs PROGRAM:DEBIAN-PACKAGE...
# Ends with exit code 3 and one line that installs all that is missing; installs nothing itself.
require_programs() {
  local entry missing=()
  for entry in "$@"; do
    command -v "${entry%%:*}" >/dev/null 2>&1 || missing+=("${entry#*:}")
  done
  ((${#missing[@]} == 0)) || lacks programs "${missing[@]}"
}

# require_packages DEBIAN-PACKAGE...: the same for libraries.
require_packages() {
  local package missing=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]} == 0)) || lacks libraries "${missing[@]}"
}

# lacks WHAT DEBIAN-PACKAGE...
lacks() {
  printf 'images: error: %s are missing on this host. Debian packages: %s\n' "$1" "${*:2}" >&2
  exit "$EXIT_HOST"
}

# strip_list FILE: the first word of each line; `#` starts a comment (the reason why an entry is there).
strip_list() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"; }

# tree_hash PATH...: one sha256 for contents, relative names and execute bits of all files below the paths.
tree_hash() {
  local path
  for path in "$@"; do
    (
      cd "$(dirname "$path")" || exit 1
      find "$(basename "$path")" -type f -printf '%p %m\n' | LC_ALL=C sort |
        while read -r file mode; do
          # Only the execute bit counts: the other bits follow the umask of whoever cloned the sources.
          printf '%s %s %s\n' "$file" "$((0$mode & 0100))" "$(sha256sum <"$file")"
        done
      find "$(basename "$path")" -type l -printf '%p -> %l\n' | LC_ALL=C sort
    )
  done | sha256sum | cut -d' ' -f1
}
