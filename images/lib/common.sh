# shellcheck shell=bash
# Messages, failures and checks of the host that every part of the image build shares.

readonly EXIT_HOST=3

# Progress goes to stderr: stdout carries the resulting paths only.
progress() { printf 'images: %s\n' "$*" >&2; }

die() {
  printf 'images: error: %s\n' "$*" >&2
  exit 1
}

# require_programs PROGRAM:DEBIAN-PACKAGE...
# Ends with exit code 3 and one line that installs all that is missing; installs nothing itself.
require_programs() {
  local entry missing=()
  for entry in "$@"; do
    command -v "${entry%%:*}" >/dev/null 2>&1 || missing+=("${entry#*:}")
  done
  if ((${#missing[@]} > 0)); then
    printf 'images: error: programs are missing on this host. Debian packages: %s\n' "${missing[*]}" >&2
    exit "$EXIT_HOST"
  fi
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
