-- One exchange between a process and the shared bucket. See throttle_script.go.
--
-- The state is one string: version, epoch, time, level, quiet, rate, since,
-- accepted, horizon, apart, and a checksum over the key and all that. Times are
-- microseconds, tokens are millionths. Everything but `at` is relative to it, so that a
-- clock that jumps moves nothing. `apart` is by how much the wall clock of the process
-- that was here then was ahead.
local state, members = KEYS[1], KEYS[2]
local known, nonce, id = ARGV[1], ARGV[2], ARGV[3]
local ceiling, floor, burst = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local expected, ttl = tonumber(ARGV[7]), tonumber(ARGV[8])
local beat, back = ARGV[9], ARGV[10] == '1'
local refund, owed, tail = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local accepted, limited, asked = tonumber(ARGV[14]), ARGV[15] == '1', tonumber(ARGV[16])
local channel, ahead, window, queue = ARGV[17], tonumber(ARGV[18]), tonumber(ARGV[19]), tonumber(ARGV[20])
local wall = tonumber(ARGV[21])

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local epoch, at, level, quiet, rate, since, sum, horizon, apart
local raw = redis.pcall('GET', state)
if type(raw) == 'string' then
  local body, check = string.match(raw, '^(1 .*) (%x+)$')
  if body and check == string.sub(redis.sha1hex(state .. body), 1, 8) then
    epoch, at, level, quiet, rate, since, sum, horizon, apart =
      string.match(body, '^1 (%x+) (%d+) (%-?%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%-?%d+)$')
  end
end

local lost = not epoch
if lost then
  -- Nothing is known, perhaps because it was lost: no burst to begin with.
  epoch, at, quiet, rate, since, sum, horizon, apart = nonce, now, 0, ceiling, 1000000, 0, 0, 0
  level = 0
  if known == '' and not back then level = math.min(burst, 1000000) end
else
  at, level, quiet, rate = tonumber(at), tonumber(level), tonumber(quiet), tonumber(rate)
  since, sum, horizon, apart = tonumber(since), tonumber(sum), tonumber(horizon), tonumber(apart)
end

-- What has passed. The process tells what time it must be, by its own clock since it
-- was here. A time beyond that is a jump, unless the state is from after it. Of a process
-- that was not here before, or before such a jump, the wall clock must do: no more has
-- passed than lies between it and that of the process that was here last.
local elapsed = math.max(0, now - at)
if expected >= at then
  elapsed = math.min(elapsed, expected - at)
else
  elapsed = math.min(elapsed, math.max(0, wall - at - apart))
end
local earning = math.max(0, elapsed - quiet)
quiet = math.max(0, quiet - elapsed)
since = math.min(since + elapsed, 1000000000000)
sum = math.min(sum + accepted, 1000000000)

-- What is booked has its times: at another rate it is another number of tokens.
local function change(to)
  if level < 0 then level = level * to / rate end
  rate = to
end
if floor <= 0 then change(ceiling) else change(math.max(floor, math.min(ceiling, rate))) end
level = math.min(burst, level + earning * rate / 1000000)
if back then level = math.min(level, 0) end
-- Of a bucket that was lost: what was booked in it will still be sent. Who comes
-- first takes the queue to be as long as it last was, the next know where it ended.
horizon = math.max(0, horizon - elapsed)
if lost then tail = math.max(tail, queue) end
if known ~= epoch and tail > horizon then
  level = level - (tail - horizon) * rate / 1000000
  horizon = tail
end
level = math.min(burst, level + refund) - owed

if limited and asked > quiet then
  -- What was booked for the quiet time will not be sent: forgiven.
  level = math.min(0, level + (asked - quiet) * rate / 1000000)
  quiet = asked
end
if floor > 0 then
  if limited then
    if since >= 1000000 then -- else it belongs to the wave of the last cut
      local measured = rate * 0.8
      if sum >= 30 then measured = 0.97 * sum * 1000000000000 / since end
      change(math.max(floor, math.min(rate * 0.95, math.max(rate * 0.7, measured))))
      since, sum = 0, 0
    end
  elseif accepted > 0 then
    change(math.min(ceiling, rate + ceiling * 0.01 * accepted * 1000000 / rate))
  end
end

local function due(cost)
  return quiet + math.ceil(math.max(0, cost - level) * 1000000 / rate)
end

local reply = {epoch, now, 0, 0, 0, 0}
for i = 22, #ARGV, 2 do
  local cost, patience = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local wait = due(cost)
  if wait > patience then
    wait = -1 - wait
  else
    level = level - cost
  end
  reply[#reply + 1] = wait
end
for _ = 1, ahead do
  local wait = due(1000000)
  if wait > window then break end
  level = level - 1000000
  reply[#reply + 1] = wait
end

local live = 0
if beat == 'bye' then
  redis.pcall('ZREM', members, id)
elseif beat == 'beat' or back or known ~= epoch then
  local added = redis.pcall('ZADD', members, now, id)
  if type(added) == 'table' and added.err then
    redis.call('DEL', members)
    redis.call('ZADD', members, now, id)
  end
  redis.call('ZREMRANGEBYSCORE', members, '-inf', now - ttl)
  redis.call('ZREMRANGEBYSCORE', members, now + ttl, '+inf')
  redis.call('PEXPIRE', members, 3600000)
  live = redis.call('ZCARD', members)
end

level = math.floor(level)
local body = string.format('1 %s %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', epoch, now, level, quiet, math.floor(rate), since, sum, horizon, wall - now)
redis.call('SET', state, body .. ' ' .. string.sub(redis.sha1hex(state .. body), 1, 8), 'PX', 3600000)
if limited and quiet > 0 then redis.call('PUBLISH', channel, 'quiet') end

reply[3], reply[4], reply[5], reply[6] = level, math.floor(rate), quiet, live
return reply
