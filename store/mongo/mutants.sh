#!/usr/bin/env bash
# Breaks the backend by one line at a time and sees whether a test notices. It
# changes nothing in the tree: every mutant is compiled by way of an overlay.
# Arguments choose mutants by number; a survivor makes it fail.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# file | what stands there | what shall stand there | the rule that is broken
mutants=(
  'sessions.go|Key: "$gte", Value: n.rev|Key: "$gt", Value: n.rev|equal news is no news'
  'sessions.go|doc.Ours.Rev >= n.rev:|doc.Ours.Rev > n.rev:|known news is not sent'
  'sessions.go|{Key: keyUser, Value: n.session.UserID}, {Key: keyRev, Value: older}}|{Key: keyRev, Value: older}}|a session keeps its user'
  'sessions.go|	if err := s.refuseErased(ctx, sent); err != nil {|	if err := s.refuseErased(ctx, nil); err != nil {|the tombstones are read again after the write'
  'sessions.go|		if err := s.takeBack(ctx, n); err != nil {|		if err := error(nil); err != nil {|what an erasure missed is taken back'
  'sessions.go|			{Key: keyStart, Value: dateOrNull(n.session.Start)},||refused news take nothing else back'
  'sessions.go|n.session.Settled && n.outcome|n.session.Settled && 0 < n.outcome && n.outcome < 0 && n.outcome|a settled report ends the partial night'
  'sessions.go|bson.E{Key: keyUpdated, Value: date(now)}|bson.E{Key: keyUpdated, Value: date(n.session.Observed)}|updated_at moves'
  'sessions.go|seen[n.session.ID] \|\||false && seen[n.session.ID] \|\||none twice in a command'
  'sessions.go|n.key, n.there = doc.Key, true|n.key, n.there = n.session.ID, true|documents of others are replaced in place'
  'read.go|Key: "$lt", Value: date(to)}|Key: "$lte", Value: date(to)}|ranges are half-open'
  'read.go|bson.D{{Key: "$lt", Value: at.ID}}}})|bson.D{{Key: "$lte", Value: at.ID}}}})|pages do not overlap'
  'read.go|		to = earlier(to, at.Start)|		to = earlier(to, to)|a page is looked up at its cursor'
  'read.go|AddDays(2)|AddDays(1)|dates west of Greenwich'
  'read.go|mayBeUnknown := q.From.IsZero() && !dated|mayBeUnknown := q.From.IsZero() && (!dated \|\| true)|no start is on no date'
  'read.go|{{Key: keyOurs, Value: nil}, {Key|{{Key: keyOurs, Value: 1}, {Key|documents of others are on dates'
  'tombstones.go|Key: "$max"|Key: "$set"|a tombstone never moves back'
  'tombstones.go|!at.After(until)|at.Before(until)|a tombstone covers its instant'
  'nights.go|Key: "$lt", Value: stored.Observed|Key: "$lte", Value: stored.Observed|equal windows are no news'
  'nights.go|case list[0].Ours != nil && list[0].Ours.Settled:|case false:|no window after the settled report'
  'nights.go|		return refused, s.takeBackWindow(ctx, w, stored)|		return refused, nil|a window that an erasure missed is taken back'
  'nights.go|there[0].UserID != w.UserID|false|a night keeps its user'
  'nights.go|len(unset) < limit|len(unset) <= limit|no more windows expire than asked'
  'erase.go|SetSort(bson.D{{Key: keyStart, Value: 1}|SetSort(bson.D{{Key: keyStart, Value: -1}|the oldest expires first'
  'erase.go|Key: "$or", Value: bson.A{|Key: "$or", Value: bson.A{bson.D{{Key: keyStart, Value: nil}},|what has no start expires by its creation'
  'erase.go|tombstone(store.UserTombstone(user)), until)|tombstone(store.UserTombstone(user)), time.UnixMilli(1))|an erasure leaves a tombstone'
  'erase.go|	for n := 1; n > 0|	for n := 0; n > 0|an erasure takes nights of its sessions along'
  'others.go|	v.Settled = false|	v.Settled = true|news replace what others wrote'
  'others.go|v.Start, v.End, v.Offset = start, end, 0|v.Start, v.End, v.Offset = start, start, 0|the end that others wrote'
  'migrate.go|	case version > schema:|	case version > schema+999:|a newer schema is refused'
  'migrate.go|	if err := d.adopt(ctx); err != nil {|	if err := error(nil); err != nil {|starts that are text become dates'
  'migrate.go|.SetUnique(true)||one document a session'
  'mongo.go|	limited, cancel := context.WithTimeout(ctx, d.cfg.Timeout)|	limited, cancel := context.WithCancel(ctx)|every command has a deadline'
  'mongo.go|	if d.readOnly && !d.closed.Load() {|	if false {|read-only is read-only'
  'mongo.go|W: "majority", Journal: &journal|W: 1, Journal: &journal|writes wait for a majority'
  'document.go|	case s.codec.Sealer != nil:|	case s.codec.Sealer != nil && false:|nothing in the clear beside a Sealer'
  'document.go|	if len(size) > largest {|	if len(size) > 2*largest {|what no document holds is refused'
  'maintain.go|	if s.codec.Sealer != nil {|	if false {|resealing empties what was in the clear'
  'maintain.go|return note("session", doc.SessionID, err)|_ = err; return note("session", doc.SessionID, nil)|a check opens every payload'
  'errors.go|		text = strings.ReplaceAll(text, form, "xxxxx")|		text = strings.ReplaceAll(text, "xxxxx", form)|no error tells the password'
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
  # The golden file of commands and the small tests first: the suite takes longer.
  survives=yes
  for some in '-run=TestCommands' '-skip=TestStore|TestCommands|ComesAndGoes' '-run=TestStore$'; do
    go test -overlay "$dir/overlay.json" -vet=off -count=1 -failfast -timeout=120s "$some" . >"$dir/out" 2>&1 || { survives=; break; }
  done
  if grep -q '\[build failed\]' "$dir/out"; then
    echo "mutant $i does not compile: $rule" >&2
    cat "$dir/out" >&2
    survivors+=("$i: $file: does not compile")
  elif [ "$survives" ]; then
    survivors+=("$i: $file: $rule")
    echo "SURVIVED $i: $file: $rule"
  else
    caught=$((caught + 1))
    echo "caught $i: $rule: $(grep -a -m1 -oE -- '--- FAIL: .*/[^ ]+|--- FAIL: [^ ]+|panic: .*' "$dir/out" | tail -n 1)"
  fi
done
echo "$caught caught, ${#survivors[@]} survived"
[ ${#survivors[@]} = 0 ]
