-- Openings of breakers: member -> when it expects to probe, in milliseconds of the
-- server's clock. ARGV[2]: how long this process is open for, 0 to look, -1 when it
-- has closed.
local key, id = KEYS[1], ARGV[1]
local open, max, quorum, channel = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local kind = redis.call('TYPE', key).ok
if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', key) end

if open < 0 then
  if redis.call('DEL', key) > 0 then redis.call('PUBLISH', channel, 'closed') end
  return 0
end
if open > 0 then
  redis.call('ZADD', key, now + open, id)
  redis.call('PEXPIRE', key, max)
end
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
redis.call('ZREMRANGEBYSCORE', key, '(' .. string.format('%.0f', now + max), '+inf')
if open > 0 then redis.call('PUBLISH', channel, 'open') end

local list = redis.call('ZREVRANGE', key, 0, quorum, 'WITHSCORES')
local others = 0
for i = 1, #list, 2 do
  if list[i] ~= id then
    others = others + 1
    if others == quorum then return math.max(0, math.floor(tonumber(list[i + 1]) - now)) end
  end
end
return 0
