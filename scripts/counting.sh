# shellcheck shell=bash
# How scripts/test counts: what did not run because of a failure has failed; what was skipped is listed with its reason.

passed=0 failed=0
# "NAME: REASON", a line each.
skipped=()
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
    printf 'FAILED: %s\n' "$name" >&2
    failed=$((failed + 1))
  fi
}

# vitest_suite NAME LIMIT-SECONDS OPTIONS-OF-VITEST...; run_with: what to run it by
run_with=()
vitest_suite() {
  local name=$1 limit=$2 counts=$results/counts.json before=$failed code
  shift 2
  say "tests: $name"
  rm -f "$counts"
  VSBYPASS_COUNTS=$counts timeout --kill-after=60 "$limit" "${run_with[@]}" npx --no-install vitest run \
    --reporter=default --reporter="$REPOSITORY/test/counting/reporter.ts" "$@"
  code=$?
  count_vitest "$counts"
  # A run that was cut short, or failed outside of a test, must not pass.
  ((code == 0 || failed > before)) || failed=$((failed + 1))
}

# count_vitest FILE: adds what test/counting/reporter.ts has counted; a run without that has failed.
count_vitest() {
  local lines kind text
  # shellcheck disable=SC2016 # JavaScript
  lines=$(node -e '
    const { passed, failed, notRun, skipped } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const line = (kind, text) => console.log(kind + " " + text.replaceAll(/\s+/g, " "));
    line("passed", String(passed));
    line("failed", String(failed));
    for (const { name, reason } of notRun) line("not-run", name + ": " + reason);
    for (const { name, reason } of skipped) line("skipped", name + ": " + reason);
  ' "$1") || {
    failed=$((failed + 1))
    return
  }
  while read -r kind text; do
    case $kind in
      passed) passed=$((passed + text)) ;;
      failed) failed=$((failed + text)) ;;
      not-run) printf 'FAILED: did not run: %s\n' "$text" >&2 ;;
      skipped) skipped+=("$text") ;;
    esac
  done <<<"$lines"
}

# tap_suite NAME LIMIT-SECONDS COMMAND...: a suite that speaks TAP on stdout.
tap_suite() {
  local name=$1 limit=$2 output=$results/tap p f skips
  shift 2
  say "tests: $name"
  timeout --kill-after=60 "$limit" "$@" | tee "$output"
  local code=${PIPESTATUS[0]}
  mapfile -t skips < <(sed -nE "s/^ok\b *[0-9]* *-? *(.*[^ ]) *# *[Ss][Kk][Ii][Pp]\w* *(.*)/$name > \1: \2/p" "$output")
  p=$(($(grep -cE '^ok\b' "$output") - ${#skips[@]}))
  f=$(grep -cE '^not ok\b' "$output")
  passed=$((passed + p)) failed=$((failed + f))
  skipped+=("${skips[@]}")
  if ((code != 0 && f == 0)); then
    printf 'FAILED: %s ended with exit code %s\n' "$name" "$code" >&2
    failed=$((failed + 1))
  elif ((p + f + ${#skips[@]} == 0)); then
    printf 'FAILED: %s ran no test\n' "$name" >&2
    failed=$((failed + 1))
  fi
}

# sum_up: what was skipped, and the last line; fails if a test has.
sum_up() {
  local one
  printf '\n'
  for one in "${skipped[@]}"; do printf 'skipped: %s\n' "$one"; done
  if ((${#skipped[@]} > 0)); then
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "${#skipped[@]}"
  else
    printf '%d passed, %d failed\n' "$passed" "$failed"
  fi
  ((failed == 0))
}
