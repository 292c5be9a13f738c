# shellcheck shell=bash
# Shared by scripts/demo and scripts/test: what a bare machine lacks, and the build of the command line.

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly REPOSITORY

say() { printf '\n== %s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 3
}

# install_packages PURPOSE...: installs what is missing of scripts/packages for these purposes.
install_packages() {
  local purpose name missing=()
  while read -r purpose name; do
    [[ " $* " == *" $purpose "* ]] || continue
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || missing+=("$name")
  done < <(grep -v '^#' "$REPOSITORY/scripts/packages")
  ((${#missing[@]} > 0)) || return 0
  say "installing Debian packages: ${missing[*]}"
  ((EUID == 0)) || die "as root: apt-get install ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || die 'apt-get update failed'
  apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null || die 'apt-get install failed'
}

# build_command_line: node_modules and dist/, each only when what they are made from has changed.
build_command_line() {
  command -v node >/dev/null || die 'Node.js 20.15 or newer is needed'
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 15) ? 0 : 1)' ||
    die "Node.js 20.15 or newer is needed, this is $(node --version)"
  cd "$REPOSITORY" || die "no $REPOSITORY"
  if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
    say 'npm ci'
    npm ci --no-audit --no-fund --loglevel=error || die 'npm ci failed'
    touch node_modules/.package-lock.json
  fi
  say 'compiling'
  rm -rf dist
  npm run --silent build || die 'the program was not built'
}
