-- One inbound decision. policy.go of package limits does the same in memory.
local key, kind = KEYS[1], ARGV[1]
local requests, window, depth = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local raw = redis.pcall('GET', key)
if type(raw) ~= 'string' then raw = '' end

local function save(text, us)
  redis.call('SET', key, text, 'PX', math.ceil(us / 1000) + 1000)
end

if kind == 'bucket' then
  local full = depth * window
  local at, level = string.match(raw, '^b (%d+) (%d+)$')
  at, level = tonumber(at), tonumber(level)
  if not at then at, level = now, full end
  level = math.min(full, level + math.max(0, now - at) * requests)
  local allowed = window <= level
  local retry = 0
  if allowed then
    level = level - window
  else
    retry = math.ceil((window - level) / requests)
  end
  local reset = math.ceil((full - level) / requests)
  save(string.format('b %.0f %.0f', now, level), reset)
  return {allowed and 1 or 0, math.floor(level / window), reset, retry}
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
local sum = 0
for i = 1, 17 do sum = sum + counts[i] end
local allowed = sum < requests
if allowed then
  counts[1], sum = counts[1] + 1, sum + 1
  save('s ' .. string.format('%.0f', slot) .. ' ' .. table.concat(counts, ' '), 17 * width)
end
-- Until the newest leaves, and until the oldest does.
local reset, retry = 0, 0
for i = 17, 1, -1 do
  if counts[i] > 0 then
    reset = (slot - (i - 1) + 17) * width - now
    if retry == 0 then retry = reset end
  end
end
return {allowed and 1 or 0, math.max(0, requests - sum), reset, allowed and 0 or retry}
