# shellcheck shell=bash
# manifest.json: what went into an image and what came out. It is written last, so its presence says that the build ended.
# `vsbypass sbom` is made from these.

# json_list FILE FORMAT: each line's fields (tab separated) through the printf format, as the elements of a JSON list.
json_list() {
  awk -F '\t' -v format="$2" '
    { printf "%s\n    " format, (NR > 1 ? "," : ""), $1, $2, $3, $4, $5, $6, $7 }
    END { if (NR > 0) printf "\n  " }' "$1"
}

# source_list PATH...: `file<TAB>sha256` of own sources, by their path below images/, sorted.
source_list() {
  (cd "$(dirname "${BASH_SOURCE[0]}")/.." && find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
    sed -E 's/^([0-9a-f]{64})  (.*)$/images\/\2\t\1/'
}

# write_manifest NAME KEY DESCRIPTION DIRECTORY
# DESCRIPTION is a folder with tab separated lists: `inputs` (package, version, architecture, source package, its version, file,
# sha256), `sources` (file, sha256), `images` that are part of it (image, key), `tools` (program, version). Outputs are the
# files of DIRECTORY.
write_manifest() {
  local name=$1 key=$2 description=$3 directory=$4 file
  for file in "$directory"/*; do
    printf '%s\t%s\t%s\n' "${file##*/}" "$(stat -c %s "$file")" "$(sha256sum <"$file" | cut -d' ' -f1)"
  done >"$description/outputs"
  {
    printf '{\n  "schemaVersion": 2,\n  "image": "%s",\n  "key": "%s"' "$name" "$key"
    printf ',\n  "inputs": ['
    json_list "$description/inputs" '{ "package": "%s", "version": "%s", "architecture": "%s", "source": "%s", "sourceVersion": "%s", '\
'"file": "%s", "sha256": "%s" }'
    printf '],\n  "sources": ['
    json_list "$description/sources" '{ "file": "%s", "sha256": "%s" }'
    printf '],\n  "images": ['
    json_list "$description/images" '{ "image": "%s", "key": "%s" }'
    printf '],\n  "tools": ['
    json_list "$description/tools" '{ "program": "%s", "version": "%s" }'
    printf '],\n  "outputs": ['
    json_list "$description/outputs" '{ "file": "%s", "size": %s, "sha256": "%s" }'
    printf ']\n}\n'
  } >"$description/manifest.json"
  mv "$description/manifest.json" "$directory/manifest.json"
}
