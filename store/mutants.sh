#!/usr/bin/env bash
# Breaks a backend by one line at a time and sees whether a test notices. It
# changes nothing in the tree: every mutant is compiled by way of an overlay.
#
#   mutants.sh PACKAGE [NUMBER…]
#
# The list PACKAGE/mutants.list begins with lines "test ARGUMENTS": what is run of
# go test, one after the other until one fails. Then it has one mutant a line: file |
# what stands there | what shall stand there | the rule that is broken; \| is a |. A
# survivor makes it fail.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/$1"
shift

mapfile -t tests < <(sed -n 's/^test //p' mutants.list)
mapfile -t mutants < <(sed '/^test /d' mutants.list)

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# survives: whether all tests pass with the overlay.
survives() {
  local line arguments
  for line in "${tests[@]}"; do
    read -ra arguments <<<"$line"
    go test -vet off -overlay "$dir/overlay.json" -count 1 -failfast -timeout 120s "${arguments[@]}" >"$dir/out" 2>&1 || return 1
  done
}

caught=0
survivors=()
for i in "${!mutants[@]}"; do
  [ $# = 0 ] || [[ " $* " == *" $i "* ]] || continue
  line=${mutants[$i]//\\|/$'\x01'}
  IFS='|' read -r file from to rule <<<"$line"
  [ -n "$rule" ] || continue
  from=${from//$'\x01'/|} to=${to//$'\x01'/|}
  text=$(<"$file")
  if [[ "$text" != *"$from"* ]]; then
    echo "mutant $i: $file has no line with: $from" >&2
    exit 2
  fi
  printf '%s\n' "${text/"$from"/"$to"}" >"$dir/mutant.go"
  printf '{"Replace": {"%s": "%s/mutant.go"}}\n' "$(realpath "$file")" "$dir" >"$dir/overlay.json"
  if survives; then
    survivors+=("$i: $file: $rule")
    echo "SURVIVED $i: $file: $rule"
  elif grep -q '\[build failed\]' "$dir/out"; then
    survivors+=("$i: $file: does not compile")
    echo "mutant $i does not compile: $rule" >&2
    cat "$dir/out" >&2
  else
    caught=$((caught + 1))
    echo "caught $i: $rule: $(grep -a -m1 -oE -- '--- FAIL: .*/[^ ]+|--- FAIL: [^ ]+|panic: .*' "$dir/out" | tail -n 1)"
  fi
done
echo "$caught caught, ${#survivors[@]} survived"
[ ${#survivors[@]} = 0 ]
