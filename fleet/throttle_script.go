package fleet

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed throttle.lua
var throttleSource string

var throttleScript = redis.NewScript(throttleSource)

// micro is a token, and a second, as the script counts them.
const micro = 1_000_000

// request is what this process tells the bucket, and asks of it, in one exchange.
type request struct {
	epoch    string        // of the bucket as it was last seen, "" if never
	clock    int64         // the server's then, in microseconds,
	elapsed  time.Duration // and the time since on the own clock
	wall     time.Time     // now, by the own wall clock
	beat     string        // "beat" to be counted among the living, "bye" to leave
	back     bool          // Redis was away, or seemed to be
	refund   float64       // tokens that were taken and not used
	owed     float64       // tokens that were used and not taken
	queue    time.Duration // how long it took to earn all that was booked, then,
	tail     time.Duration // and how long that takes now
	accepted int64         // attempts that were let through
	limited  bool          // a rate-limit answer came,
	quiet    time.Duration // which asked for so much quiet
	asks     []*ask
	ahead    int           // tokens to take on top,
	window   time.Duration // if they are earned so soon
}

// reply is the bucket's answer.
type reply struct {
	epoch   string
	clock   int64         // the server's, in microseconds
	level   float64       // tokens there; below 0, booked
	rate    float64       // per second, as adapted
	quiet   time.Duration // nothing is to be sent before
	members int           // living processes; 0 if not counted now
	waits   []int64       // for each ask microseconds to wait, or -1 less that if refused
	ahead   []time.Duration
}

// tail is how long until all is earned that is booked.
func (r reply) tail() time.Duration {
	if r.level >= 0 {
		return 0
	}
	return r.quiet + seconds(-r.level/r.rate)
}

// maxWait bounds what a reply can impose: a longer wait is taken for a lie.
const maxWait = 24 * time.Hour

func (t *Throttle) exchange(ctx context.Context, r request) (reply, error) {
	args := make([]any, 0, 21+2*len(r.asks))
	expected := int64(-1)
	if r.clock > 0 {
		expected = r.clock + (r.elapsed + clockSlack).Microseconds()
	}
	args = append(args, r.epoch, nonce(), t.fleet.member,
		millionths(t.rate.PerSecond), millionths(t.rate.Floor), millionths(t.rate.depth()),
		expected, memberTTL.Microseconds(), r.beat, flag(r.back),
		millionths(r.refund), millionths(r.owed), r.tail.Microseconds(),
		r.accepted, flag(r.limited), r.quiet.Microseconds(), t.channel, r.ahead, r.window.Microseconds(), r.queue.Microseconds(), r.wall.UnixMicro())
	for _, a := range r.asks {
		args = append(args, int64(a.cost)*micro, min(a.maxWait, maxWait).Microseconds())
	}
	raw, err := throttleScript.Run(ctx, t.fleet.client, []string{t.state, t.members}, args...).Result()
	if err != nil {
		return reply{}, err
	}
	return parseReply(raw, len(r.asks), r.ahead)
}

// clockSlack is by how much time on the way can make two exchanges look closer
// together than they were.
const clockSlack = 5 * time.Millisecond

func millionths(v float64) int64 { return int64(math.Ceil(v * micro)) }

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// errLie means that what Redis answers cannot come from the script.
var errLie = errors.New("fleet: redis answers nonsense")

// parseReply believes nothing that the script would not say.
func parseReply(raw any, asks, ahead int) (reply, error) {
	list, ok := raw.([]any)
	if !ok || len(list) < 6+asks || len(list) > 6+asks+ahead {
		return reply{}, fmt.Errorf("%w: a %T of the wrong length", errLie, raw)
	}
	epoch, ok := list[0].(string)
	if !ok || len(epoch) != 16 {
		return reply{}, fmt.Errorf("%w: no epoch", errLie)
	}
	numbers := make([]int64, 0, len(list)-1)
	for i, v := range list[1:] {
		n, ok := v.(int64)
		if !ok {
			return reply{}, fmt.Errorf("%w: a %T in place %d", errLie, v, i+1)
		}
		numbers = append(numbers, n)
	}
	r := reply{
		epoch: epoch, clock: numbers[0], level: float64(numbers[1]) / micro, rate: float64(numbers[2]) / micro,
		quiet: time.Duration(numbers[3]) * time.Microsecond, members: int(numbers[4]), waits: numbers[5 : 5+asks],
	}
	limit := maxWait.Microseconds()
	if numbers[1] > maxFigure*micro || numbers[2] <= 0 || numbers[3] < 0 || numbers[3] > limit || numbers[4] < 0 {
		return reply{}, fmt.Errorf("%w: figures %v", errLie, numbers[1:5])
	}
	for i, wait := range numbers[5:] {
		if wait > limit || i >= asks && wait < 0 {
			return reply{}, fmt.Errorf("%w: a wait of %d", errLie, wait)
		}
		if i >= asks {
			r.ahead = append(r.ahead, time.Duration(wait)*time.Microsecond)
		}
	}
	return r, nil
}

// verdict is the wait for one ask, and whether it was granted.
func verdict(wait int64) (time.Duration, bool) {
	if wait < 0 {
		wait = min(-1-wait, math.MaxInt64/int64(time.Microsecond))
		return time.Duration(wait) * time.Microsecond, false
	}
	return time.Duration(wait) * time.Microsecond, true
}
