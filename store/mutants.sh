#!/usr/bin/env bash
# Breaks a backend by one line at a time and sees whether a test notices. It
# changes nothing in the tree: every mutant is compiled by way of an overlay.
#
#   mutants.sh PACKAGE [NUMBER…]
#
# The list PACKAGE/mutants.list has one mutant a line: file | what stands there |
# what shall stand there | the rule that is broken; \| is a |. Its first line
# names the tests to skip. What the backends share has tests of its own, which run
# beside. A survivor makes it fail.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/$1"
shift

mapfile -t lines <mutants.list
skip=${lines[0]#skip }
mutants=("${lines[@]:1}")

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
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
  if go test -vet off -overlay "$dir/overlay.json" -count 1 -failfast -timeout 120s -skip "$skip" . ../internal/relational >"$dir/out" 2>&1; then
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
