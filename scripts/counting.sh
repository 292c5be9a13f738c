# shellcheck shell=bash
# How scripts/test counts: what did not run because of a failure has failed. What failed and what was skipped is listed at
# the end, where a CI system that keeps only a part of the output has it.

passed=0
# "NAME: REASON" of each.
failed=() skipped=()
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# check NAME COMMAND...: counts as one test.
check() {
  local name=$1
  shift
  say "$name"
  if "$@"; then
    passed=$((passed + 1))
  else
    fail "$name"
  fi
}

# fail "NAME: REASON": told at once, and again at the end.
fail() {
  printf 'FAILED: %s\n' "$1" >&2
  failed+=("$1")
}

# vitest_suite NAME LIMIT-SECONDS OPTIONS-OF-VITEST...; run_with: what to run it by
run_with=()
vitest_suite() {
  local name=$1 limit=$2 counts=$results/counts.json before=${#failed[@]} code
  shift 2
  say "tests: $name"
  rm -f "$counts"
  VSBYPASS_COUNTS=$counts timeout --kill-after=60 "$limit" "${run_with[@]}" npx --no-install vitest run \
    --reporter=default --reporter="$REPOSITORY/test/counting/reporter.ts" "$@"
  code=$?
  count_vitest "$name" "$counts"
  # A run that was cut short must not pass. 124, 137: timeout has ended it.
  if ((code == 124 || code == 137)); then
    fail "$name: ended at its limit of $limit s"
  elif ((code != 0 && ${#failed[@]} == before)); then
    fail "$name: ended with exit code $code"
  fi
}

# count_vitest NAME FILE: adds what test/counting/reporter.ts has counted; a run without that has failed.
count_vitest() {
  local lines kind text
  # shellcheck disable=SC2016 # JavaScript
  lines=$(node -e '
    const { passed, failed, skipped } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const line = (kind, text) => console.log(kind + " " + text.replaceAll(/\s+/g, " "));
    line("passed", String(passed));
    for (const { name, reason } of failed) line("failed", name + ": " + reason);
    for (const { name, reason } of skipped) line("skipped", name + ": " + reason);
  ' "$2") || {
    fail "$1: left no count"
    return
  }
  while read -r kind text; do
    case $kind in
      passed) passed=$((passed + text)) ;;
      failed) fail "$text" ;;
      skipped) skipped+=("$text") ;;
    esac
  done <<<"$lines"
}

# tap_suite NAME LIMIT-SECONDS COMMAND...: a suite that speaks TAP on stdout.
tap_suite() {
  local name=$1 limit=$2 output=$results/tap p one failures skips
  shift 2
  say "tests: $name"
  timeout --kill-after=60 "$limit" "$@" | tee "$output"
  local code=${PIPESTATUS[0]}
  mapfile -t skips < <(sed -nE "s/^ok\b *[0-9]* *-? *(.*[^ ]) *# *[Ss][Kk][Ii][Pp]\w* *(.*)/$name > \1: \2/p" "$output")
  p=$(($(grep -cE '^ok\b' "$output") - ${#skips[@]}))
  mapfile -t failures < <(sed -nE "s/^not ok\b *[0-9]* *-? *(.*)/$name > \1/p" "$output")
  passed=$((passed + p))
  for one in "${failures[@]}"; do fail "$one"; done
  skipped+=("${skips[@]}")
  if ((code != 0 && ${#failures[@]} == 0)); then
    fail "$name: ended with exit code $code"
  elif ((p + ${#failures[@]} + ${#skips[@]} == 0)); then
    fail "$name: ran no test"
  fi
}

# sum_up: what was skipped, what failed, and the last line; fails if a test has.
sum_up() {
  local one
  printf '\n'
  for one in "${skipped[@]}"; do printf 'skipped: %s\n' "$one"; done
  for one in "${failed[@]}"; do printf 'failed: %s\n' "$one"; done
  printf '%d passed, %d failed' "$passed" "${#failed[@]}"
  if ((${#skipped[@]} > 0)); then printf ', %d skipped' "${#skipped[@]}"; fi
  printf '\n'
  ((${#failed[@]} == 0))
}
