package rediscache

import (
	"crypto/rand"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
)

// Marks stand in Redis as the generation, a point, the epoch.
const (
	markSize  = 26 // of rand.Text
	marksSize = 2*markSize + 1
)

// marksSpare is how much longer than a value its marks live at least, and how long marks
// live of which there is no value.
const marksSpare = time.Hour

func newMarks() string { return rand.Text() + "." + rand.Text() }

// parseMarks reads what stands under the key of marks; anything may.
func parseMarks(stored any) (cache.Marks, bool) {
	text, ok := stored.(string)
	if !ok || len(text) != marksSize || text[markSize] != '.' {
		return cache.Marks{}, false
	}
	return cache.Marks{Generation: text[:markSize], Epoch: text[markSize+1:]}, true
}

func formatMarks(m cache.Marks) string { return m.Generation + "." + m.Epoch }

// library is what scripts have in common. Whatever stands under a key may be of another
// program and of any type: get then finds nothing, and SET replaces it.
const library = `
local function get(key)
  local v = redis.pcall('GET', key)
  if type(v) == 'string' then return v end
  return false
end
local function sound(m) return m and #m == 53 and string.sub(m, 27, 27) == '.' end
`

// lookScript returns the marks and the value, making marks if there are none.
//
//	KEYS marks, value  ARGV new marks, their time to live (ms)
var lookScript = redis.NewScript(library + `
local m = get(KEYS[1])
if not sound(m) then
  m = ARGV[1]
  redis.call('SET', KEYS[1], m, 'PX', ARGV[2])
end
return {m, get(KEYS[2])}
`)

// fillScript stores a value if the marks are those named and, where a lease is named,
// that is held. It gives the lease back in any case and sees to it that the marks outlive
// the value.
//
//	KEYS marks, value, lease  ARGV marks, value, its time to live (ms), lease or "", spare (ms)
var fillScript = redis.NewScript(library + `
if ARGV[4] ~= '' then
  if get(KEYS[3]) ~= ARGV[4] then return 0 end
  redis.call('DEL', KEYS[3])
end
if get(KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
local ttl = tonumber(ARGV[3]) + tonumber(ARGV[5])
if redis.call('PTTL', KEYS[1]) < ttl then
  redis.call('PEXPIRE', KEYS[1], ttl + tonumber(ARGV[5]))
end
return 1
`)

// bumpScript draws a new generation. Where that cannot be stored the marks are removed,
// which takes back more and needs no memory.
//
//	KEYS marks  ARGV new generation
var bumpScript = redis.NewScript(library + `
local m = get(KEYS[1])
if sound(m) then
  local set = redis.pcall('SET', KEYS[1], ARGV[1] .. string.sub(m, 27), 'KEEPTTL')
  if not set.err then return 1 end
end
redis.call('DEL', KEYS[1])
return 0
`)

// leaseScript is lookScript that takes the lease too unless another has it. Who asks
// again under the same name has it still.
//
//	KEYS marks, value, lease  ARGV new marks, their time to live (ms), lease, its time to live (ms)
var leaseScript = redis.NewScript(library + `
local m = get(KEYS[1])
if not sound(m) then
  m = ARGV[1]
  redis.call('SET', KEYS[1], m, 'PX', ARGV[2])
end
local holder = get(KEYS[3])
if not holder then
  holder = ARGV[3]
  redis.call('SET', KEYS[3], holder, 'PX', ARGV[4])
end
return {m, get(KEYS[2]), holder}
`)

// releaseScript gives a lease back if it is still the one named.
//
//	KEYS lease  ARGV lease
var releaseScript = redis.NewScript(library + `
if get(KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`)

// pingScript does what the others do, but needs no memory: it fails where Redis takes no
// writes, runs no scripts, or lets this user not do it.
//
//	KEYS any
var pingScript = redis.NewScript(`
redis.call('DEL', KEYS[1])
redis.call('GET', KEYS[1])
redis.call('PTTL', KEYS[1])
redis.call('PEXPIRE', KEYS[1], 1)
local set = redis.pcall('SET', KEYS[1], '', 'PX', 1)
if set.err and not string.find(set.err, 'OOM', 1, true) then return redis.error_reply(set.err) end
return redis.call('DEL', KEYS[1])
`)

// ms is a time to live in milliseconds, at least one.
func ms(d time.Duration) int64 { return max(1, d.Milliseconds()) }
