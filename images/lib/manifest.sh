# shellcheck shell=bash
# manifest.json: what went into an image and what came out. It is written last, so its presence says that the build ended.

# write_manifest NAME KEY LOCK DIRECTORY
# inputs: the locked packages; outputs: the files of the directory.
write_manifest() {
  local name=$1 key=$2 lock=$3 directory=$4 file sum separator=''
  {
    printf '{\n  "schemaVersion": 1,\n  "image": "%s",\n  "key": "%s",\n  "inputs": [' "$name" "$key"
    while read -r file sum; do
      local rest=${file#*_}
      rest=${rest%_*}
      printf '%s\n    { "package": "%s", "version": "%s", "sha256": "%s" }' "$separator" "${file%%_*}" "${rest//%3a/:}" "$sum"
      separator=,
    done <"$lock"
    printf '\n  ],\n  "outputs": ['
    separator=''
    for file in "$directory"/*; do
      printf '%s\n    { "file": "%s", "size": %s, "sha256": "%s" }' "$separator" "${file##*/}" \
        "$(stat -c %s "$file")" "$(sha256sum <"$file" | cut -d' ' -f1)"
      separator=,
    done
    printf '\n  ]\n}\n'
  } >"$directory.manifest"
  mv "$directory.manifest" "$directory/manifest.json"
}
