-- One inbound decision. See limit_policy.go, which does the same in memory.
local key, kind = KEYS[1], ARGV[1]
local requests, window, depth, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local raw = redis.pcall('GET', key)
if type(raw) ~= 'string' then raw = '' end

local function save(text, us)
  redis.call('SET', key, text, 'PX', math.ceil(us / 1000) + 1000)
end

if kind == 'bucket' then
  local unit = 1000000
  local at, level = string.match(raw, '^b (%d+) (%d+)$')
  at, level = tonumber(at), tonumber(level)
  if not at then at, level = now, depth * unit end
  level = math.min(depth * unit, level + math.floor(math.max(0, now - at) * requests * unit / window))
  local allowed = cost * unit <= level
  local retry = 0
  if allowed then
    level = level - cost * unit
  else
    retry = math.ceil((math.min(cost, depth) * unit - level) * window / (requests * unit))
  end
  local reset = math.ceil((depth * unit - level) * window / (requests * unit))
  save(string.format('b %.0f %.0f', now, level), reset)
  return {allowed and 1 or 0, math.floor(level / unit), reset, retry}
end

-- A window of 17 slots, the newest first; 16 make the window.
local width = math.ceil(window / 16)
local slot, counts = math.floor(now / width), {}
local base, rest = string.match(raw, '^s (%d+) ([%d ]+)$')
base = tonumber(base)
if base then
  local old = {}
  for n in string.gmatch(rest, '%d+') do old[#old + 1] = math.min(tonumber(n), requests) end
  if #old ~= 17 or base - slot > 16 then
    base = nil
  else
    slot = math.max(slot, base)
    for i = 1, 17 do counts[i] = old[i - (slot - base)] or 0 end
  end
end
if not base then
  for i = 1, 17 do counts[i] = 0 end
end
now = math.max(now, slot * width)
local sum, newest = 0, 18
for i = 17, 1, -1 do
  sum = sum + counts[i]
  if counts[i] > 0 then newest = i end
end
local function leaves(i) return (slot - (i - 1) + 17) * width - now end
local allowed = sum + cost <= requests
local retry = 0
if allowed then
  counts[1], sum = counts[1] + cost, sum + cost
  if cost > 0 then newest = 1 end
  save('s ' .. string.format('%.0f', slot) .. ' ' .. table.concat(counts, ' '), 17 * width)
else
  local left = sum
  for i = 17, 1, -1 do
    if counts[i] > 0 then
      left = left - counts[i]
      retry = leaves(i)
      if left + cost <= requests then break end
    end
  end
end
local reset = 0
if newest <= 17 then reset = leaves(newest) end
return {allowed and 1 or 0, math.max(0, requests - sum), reset, retry}
