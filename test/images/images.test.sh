#!/bin/bash
# The images as they come out of images/build: what is in them, what is not, and what --offline says.
# scripts/reproduce shows that the same inputs give the same bits.
# Usage: test/images/images.test.sh CACHE (a directory with built images; kept)   Exit codes: 0 ok, 1 failure, 77 skipped.
set -euo pipefail
shopt -s inherit_errexit

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[[ $# -eq 1 ]] || { echo 'usage: images.test.sh CACHE' >&2; exit 2; }
for program in cpio mksquashfs unsquashfs readelf nm strings dpkg-parsechangelog node; do
  command -v "$program" >/dev/null || { echo "skipped: no $program on this host"; exit 77; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# check DESCRIPTION COMMAND...
check() {
  local description=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "not ok: $description"
  fi
}

declare -A directory
built=$("$repository/images/build" xen l1 l1-hvm l2-kvm l3 l1-disk l2-xen --cache "$1")
while IFS=$'\t' read -r name path; do directory[$name]=$path; done <<<"$built"

# no_line_but PATTERN FILE: the file has no line that does not match.
no_line_but() { ! grep -vE "$1" "$2"; }

same_names_have_one_entry() { [[ -z $(LC_ALL=C sort "$1" | uniq -d) ]]; }

# Every module of the load order is there, and everything it depends on stands before it (or is built in).
modules_are_closed() {
  local root=$1 path dependency seen=' '
  while read -r path _; do
    [[ -e $root$path ]] || return 1
    for dependency in $(tr '\0' '\n' <"$root$path" | sed -nE 's/^depends=(.*)$/\1/p' | head -n 1 | tr ',' ' '); do
      [[ $seen == *" ${dependency//-/_} "* ]] || { echo "$path: $dependency is missing before it"; return 1; }
    done
    path=${path##*/}
    path=${path%.ko}
    seen+="${path//-/_} "
  done <"$root/lib/modules/load-order"
}

# Every library that any ELF file names is in the root.
libraries_are_closed() {
  local root=$1 file library
  while read -r file; do
    for library in $(readelf -d "$file" 2>/dev/null | sed -nE 's/.*\(NEEDED\).*\[([^]]+)\].*/\1/p'); do
      [[ -n $(find "$root/lib" "$root/usr/lib" "$root/lib64" -name "$library" -print -quit 2>/dev/null) ]] ||
        { echo "$file: no $library"; return 1; }
    done
  done < <(find "$root" -type f \( -perm -u+x -o -name '*.so*' \) ! -name vmlinux)
}

scripts_parse() {
  local root=$1 file
  while read -r file; do
    [[ $(head -c 9 "$file" | tr -d '\0') != '#!/bin/sh' ]] || "$root/bin/busybox" sh -n "$file" || return 1
  done < <(find "$root" -type f -perm -u+x -size -64k)
}

is_elf_kernel() { readelf -n "$1" 2>/dev/null | grep -q 'Xen'; }

manifest_is_true() {
  # shellcheck disable=SC2016 # the template literals are JavaScript's
  node -e '
    const { readFileSync, statSync } = require("node:fs");
    const { createHash } = require("node:crypto");
    const manifest = JSON.parse(readFileSync(`${process.argv[1]}/manifest.json`, "utf8"));
    if (manifest.schemaVersion !== 2 || manifest.sources.length === 0 || manifest.tools.length === 0 || manifest.outputs.length === 0) process.exit(1);
    for (const { file, size, sha256 } of manifest.outputs) {
      const path = `${process.argv[1]}/${file}`;
      if (statSync(path).size !== size) process.exit(1);
      if (createHash("sha256").update(readFileSync(path)).digest("hex") !== sha256) process.exit(1);
    }
    for (const { package: name, version, source, sha256 } of manifest.inputs)
      if (!name || !source || !/^[0-9]/.test(version) || !/^[0-9a-f]{64}$/.test(sha256)) process.exit(1);' "$1"
}

for name in l1 l1-hvm l2-kvm l3; do
  mkdir "$work/$name"
  (cd "$work/$name" && cpio --quiet -id --no-absolute-filenames <"${directory[$name]}/initrd" 2>/dev/null)
  cpio --quiet -t <"${directory[$name]}/initrd" >"$work/$name.names"
  cpio --quiet -tvn <"${directory[$name]}/initrd" >"$work/$name.list"
  check "$name: /init is there and can be run" test -x "$work/$name/init"
  check "$name: no name twice" same_names_have_one_entry "$work/$name.names"
  check "$name: all files belong to root" no_line_but '^[^ ]+ +[0-9]+ 0 +0 ' "$work/$name.list"
  check "$name: nothing is setuid, setgid or writable by others" no_line_but '^(l|.r.[x-]r.[x-]r.[x-]|.rw[x-]r-[x-]r-[x-])' "$work/$name.list"
  check "$name: no device nodes" no_line_but '^[-dl]' "$work/$name.list"
  check "$name: modules closed under their dependencies" modules_are_closed "$work/$name"
  check "$name: libraries closed under DT_NEEDED" libraries_are_closed "$work/$name"
  check "$name: scripts parse in the shell of the image" scripts_parse "$work/$name"
  check "$name: kernel is an ELF image with Xen's notes" is_elf_kernel "${directory[$name]}/vmlinux"
  check "$name: the manifest describes the files" manifest_is_true "${directory[$name]}"
done
check 'l2-kvm carries the initrd of l3' cmp -s "${directory[l3]}/initrd" "$work/l2-kvm/srv/l3/initrd"
has_kvm_of_both_makes() { [[ $(sed -nE 's/.*kvm-(amd|intel)\.ko//p' "$1/lib/modules/load-order") == $' svm\n vmx' ]]; }
check 'l2-kvm loads the KVM that the processor has' has_kvm_of_both_makes "$work/l2-kvm"
check 'l3 lets nobody in without a password of the overlay' grep -qx 'root:\*:.*' "$work/l3/etc/shadow"
unsquashfs -quiet -no-progress -d "$work/disk" "${directory[l1-disk]}/l2.img" >/dev/null
check 'the disk carries the initrd of l2-kvm' cmp -s "${directory[l2-kvm]}/initrd" "$work/disk/l2/initrd"

# The disk of an L2 with Xen: GRUB, one partition at 1 MiB, and in it a disk for the user VMs.
unsquashfs -quiet -no-progress -offset 1048576 -d "$work/l2-xen" "${directory[l2-xen]}/l2.img" >/dev/null
unsquashfs -quiet -no-progress -offset 1048576 -d "$work/user-vm" "$work/l2-xen/srv/l3/disk.img" >/dev/null
has_one_partition() { [[ $(od -v -An -tx1 -j 446 -N 66 "$1" | tr -d ' \n') == 80feffff83feffff00080000????????$(printf '0%.0s' {1..96})55aa ]]; }
is_of_package() { dpkg-deb --fsys-tarfile "$3" | tar -xO ".$2" | cmp -s - "$1$2"; }
check 'l2-xen: modules closed under their dependencies' modules_are_closed "$work/l2-xen"
check 'l2-xen: libraries closed under DT_NEEDED' libraries_are_closed "$work/l2-xen"
check 'l2-xen: scripts parse in the shell of the image' scripts_parse "$work/l2-xen"
check 'l2-xen: kernel is an ELF image with notes of Xen' is_elf_kernel "$work/l2-xen/boot/vmlinux"
check 'l2-xen: the manifest describes the files' manifest_is_true "${directory[l2-xen]}"
check 'l2-xen: one partition' has_one_partition "${directory[l2-xen]}/l2.img"
check 'l2-xen: one partition on the disk of user VMs' has_one_partition "$work/l2-xen/srv/l3/disk.img"
check 'l2-xen carries the initrd of l3' cmp -s "${directory[l3]}/initrd" "$work/user-vm/boot/initrd"
check 'l2-xen carries the hypervisor of its package' is_of_package "$work/l2-xen" /boot/xen-4.17-amd64.gz \
  "$1"/pool/xen-hypervisor-4.17-amd64_*.deb

# Which files are Debian's is told for each L2, by their content.
stock_is_true() {
  local sum path origin
  while IFS=$'\t' read -r sum path origin; do
    [[ $sum == "$(sha256sum <"$2$path" | cut -d' ' -f1)" ]] || { echo "$path is not what is listed"; return 1; }
    [[ $path != */bin/* || $path == */usr/lib/vsbypass/* || $origin == *.deb ]] || { echo "$path is of no package"; return 1; }
  done <"$1/stock"
}
check 'l2-kvm: stock lists its files' stock_is_true "${directory[l2-kvm]}" "$work/l2-kvm"
check 'l2-xen: stock lists its files' stock_is_true "${directory[l2-xen]}" "$work/l2-xen"

# Nothing of where, when and by whom it was built gets into the hypervisor; scripts/reproduce shows it by building it again.
texts_of_xen() { strings -n 5 "${directory[xen]}/xen" "${directory[xen]}/xen-syms"; gzip -dc "${directory[xen]}/xen.gz" | strings -n 5; }
texts_of_xen >"$work/xen.texts"
has_no_name_of_the_build() {
  ! grep -E '/(root|home|tmp|var|usr/src)/|xen-unfinished' "$work/xen.texts" &&
    ! grep -F -e "$repository" -e "$(cd "$1" && pwd)" "$work/xen.texts" || return 1
  local name
  for name in "$(uname -n)" "$(id -un)"; do
    # Shorter ones stand for other things too.
    ((${#name} < 6)) || ! grep -wF -e "$name" "$work/xen.texts" || return 1
  done
}
has_the_date_of_its_source() {
  local expected
  expected=$(tar -xOf "$1"/xen-source/xen_"$(<"$repository/images/xen/version")".debian.tar.xz debian/changelog |
    dpkg-parsechangelog -l - -S Timestamp)
  [[ $(grep -oE '(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} +[0-9]+ [0-9:]{8} [A-Z]+ [0-9]{4}' "$work/xen.texts" | sort -u) == \
    "$(LC_ALL=C date -u -d "@$expected")" ]]
}
check 'xen: no path, host or user of the build in it' has_no_name_of_the_build "$1"
check 'xen: no date but that of its source' has_the_date_of_its_source "$1"
# What dom0 could look into the hypervisor with, or put another one in its place.
has_nothing_for_dom0() {
  ! nm "${directory[xen]}/xen-syms" | grep -E ' (do_kexec_op|livepatch_op|__trace_var|do_xenoprof_op|gdbsx_guest_mem_io)$'
}
check 'xen: no kexec, live patches, trace buffer, profiler, debugger' has_nothing_for_dom0
check 'xen: the manifest describes the files' manifest_is_true "${directory[xen]}"

# What is not in the cache is told of, and not fetched.
mkdir "$work/empty"
tells_what_is_missing() {
  local code=0
  "$repository/images/build" "$1" --cache "$2" --offline >/dev/null 2>"$work/offline" || code=$?
  [[ $code -eq 4 ]] && grep -q "^images: error: $1: not in the cache, and --offline forbids to fetch it: .*$3" "$work/offline"
}
check 'offline: no lists of packages' tells_what_is_missing l3 "$work/empty" "apt's lists"
check 'offline: no source of Xen' tells_what_is_missing xen "$work/empty" 'source package'
mkdir "$work/partial" "$work/partial/pool"
cp -R "$1/locks" "$work/partial/"
cp "$1"/pool/lib* "$work/partial/pool/"
check 'offline: some packages are missing' tells_what_is_missing l3 "$work/partial" ' Debian packages: .*busybox-static=1:'

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
