#!/usr/bin/env bash
# Breaks the backend by one line at a time and sees whether a test notices. It
# changes nothing in the tree: every mutant is compiled by way of an overlay.
# Arguments choose mutants by number; a survivor makes it fail.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# file | what stands there | what shall stand there | the rule that is broken
mutants=(
  'sessions.go|excluded.rev > sessions.rev|excluded.rev >= sessions.rev|equal news is no news'
  'sessions.go| AND excluded.user_id = sessions.user_id||a session keeps its user'
  'sessions.go|updated_ms = excluded.updated_ms|updated_ms = sessions.updated_ms|updated_at moves'
  'sessions.go|until_ms >= ?19|until_ms > ?19|a tombstone covers its instant'
  'sessions.go|if r.Settled {|if false {|a settled report ends the partial night'
  'read.go|start_ms >= ? AND start_ms < ?"|start_ms >= ? AND start_ms <= ?"|ranges are half-open'
  'read.go|(start_ms, session_id) < (?, ?)|(start_ms, session_id) <= (?, ?)|pages do not overlap'
  'read.go|		to = min(to, q.After.Start.UnixMilli()+1)|		to = max(to, 0)|a page is looked up at its cursor'
  'read.go|AddDays(2)|AddDays(1)|dates west of Greenwich'
  'windows.go|seq = ?2 AND observed_ms >= ?4|seq = ?2 AND observed_ms > ?4|equal windows are no news'
  'windows.go|(settled OR user_id <> ?3)|(user_id <> ?3)|no window after the settled report'
  'erase.go|max(until_ms, excluded.until_ms)|excluded.until_ms|a tombstone never moves back'
  'erase.go|ORDER BY start_ms, session_id LIMIT|ORDER BY start_ms DESC, session_id LIMIT|the oldest expires first'
  'erase.go|		n, err := t.deleteNameless(id)|		n, err := len(id)-len(id), error(nil)|an erasure takes nameless events along'
  'inbox.go|max(revision)|min(revision)|revisions are counted'
  'inbox.go|AND until_ms >= ?6|AND until_ms >= ?6 + 99999999999|the inbox refuses the erased'
  'inbox.go|claims = claims + 1|claims = claims + 0|a new claim fences the old one'
  'inbox.go|ORDER BY due_ms, id LIMIT|ORDER BY due_ms DESC, id DESC LIMIT|first come, first served'
  'inbox.go|stateReady, t.now.UnixMilli(), stateLeased)|stateReady, t.now.UnixMilli(), 9)|a new owner takes over'
  'settle.go|SET state = 3, body = NULL|SET state = 3|a done event keeps no body'
  'settle.go|attempts = attempts + ? WHERE|attempts = attempts + 0 * ? WHERE|a retry burns an attempt'
  'settle.go|buryEvent   = "UPDATE inbox SET state = 4, attempts = attempts + 1 WHERE id = ? AND claims = ? AND state = 2"|buryEvent   = "UPDATE inbox SET state = 4, attempts = attempts + 1 WHERE id = ? AND claims = ?"|an old token settles nothing'
  'settle.go|err != nil \|\| !fresh {|err != nil \|\| !held \|\| fresh && false {|a step happens once'
  'settle.go|	case !held:|	case !held && false:|a lost lease is told'
  'admin.go|min(ceilMilli(before), t.now.Add(-store.DedupeWindow).UnixMilli())|ceilMilli(before)|duplicates are told for a week'
  'admin.go|attempts = 0, due_ms = ?|due_ms = ?|a replay begins anew'
  'admin.go|due_ms > ?1 AND state = 2|due_ms > ?1 AND state = 1|depth tells leased from delayed'
  'writer.go|&& !general(err) {|&& general(err) {|a poison row fails alone'
  'writer.go|for l := range w.queue {|for l := len(w.queue) - 1; l >= 0; l-- {|claims go first'
  'writer.go|undo != nil \|\| committing {|undo != nil {|a failed commit costs the connection'
  'writer.go|synchronous(FULL)|synchronous(OFF)|commits are synced'
  'writer.go|secure_delete(1)|secure_delete(0)|erasing overwrites'
  'writer.go|	if w.scrub && w.conn != nil {|	if false {|an erasure empties the write-ahead file'
  'writer.go|if c.state.CompareAndSwap(waiting, taken) {|if true {|an ended context is not written'
  'lock_unix.go|syscall.LOCK_EX|syscall.LOCK_SH|one owner'
  'sqlite.go|os.O_RDWR\|os.O_CREATE, 0o600|os.O_RDWR\|os.O_CREATE, 0o644|the file is its owner'"'"'s alone'
  'migrate.go|case version > len(list):|case version > len(list)+999:|a newer schema is refused'
  'maintain.go|\|os.O_EXCL, 0o600|, 0o600|a backup replaces nothing'
  'dedupe.go|return append(out, body[:16]...)|return append(append(out, body[:0]...), key[:16]...)|another body is a revision'
)

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
  printf '%s\n' "${text/"$from"/"$to"}" >"$dir/$file"
  printf '{"Replace": {"%s/%s": "%s/%s"}}\n' "$PWD" "$file" "$dir" "$file" >"$dir/overlay.json"
  if ! go vet -overlay "$dir/overlay.json" . >"$dir/out" 2>&1; then
    echo "mutant $i does not compile: $rule" >&2
    cat "$dir/out" >&2
    survivors+=("$i: $file: does not compile")
    continue
  fi
  if go test -overlay "$dir/overlay.json" -count 1 -failfast -timeout 120s -skip 'Killed|FailedSync|FullDisk|WithEncryption' . >"$dir/out" 2>&1; then
    survivors+=("$i: $file: $rule")
    echo "SURVIVED $i: $file: $rule"
  else
    caught=$((caught + 1))
    echo "caught $i: $rule: $(grep -a -m1 -oE -- '--- FAIL: .*/[^ ]+|--- FAIL: [^ ]+|panic: .*' "$dir/out" | tail -n 1)"
  fi
done
echo "$caught caught, ${#survivors[@]} survived"
[ ${#survivors[@]} = 0 ]
