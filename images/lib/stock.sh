# shellcheck shell=bash
# What of an image is Debian's, to be compared with a system that runs it.

# write_stock SYSROOT ROOT OUTPUT
# A line for each file of the root: `sha256 path package`, tab separated. The package is known by the content, wherever the
# image has the file (modules lie in one folder); `-` for what is not from a package, the user VM's image among it.
write_stock() {
  local sysroot=$1 root=$2 output=$3
  {
    (cd "$sysroot" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
    printf '\n'
    (cd "$root" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
  } | awk -v origins="$sysroot.origin" '
    BEGIN { while ((getline line < origins) > 0) { split(line, field, "\t"); package[field[1]] = field[2] } }
    !NF { in_root = 1; next }
    { sum = $1; path = substr($0, 67) }
    !in_root { if (!(sum in from)) from[sum] = package[path]; next }
    { printf "%s\t%s\t%s\n", sum, substr(path, 2), sum in from ? from[sum] : "-" }' >"$output"
}
