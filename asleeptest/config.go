package asleeptest

import (
	"errors"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep"
)

// Config says what a [Server] holds and how it behaves. The zero value is a
// service without users that accepts any API key.
type Config struct {
	// Users is the number of users that exist from the start: user-0001,
	// user-0002 and so on. They cost no memory until something about them is
	// changed, so a million is as good as ten.
	Users int

	// SessionsPerUser is the number of complete sessions that each of them
	// has: one a night going back from LastNight, and a nap every seven days.
	SessionsPerUser int

	// Seed makes another population. The same Seed, Users, Zones and LastNight
	// always make the same one.
	Seed uint64

	// LastNight is the evening on which the newest session of every user
	// begins, on the clock of the user's zone. Defaults to two days before
	// New, so that no night of the population lies in the future anywhere.
	LastNight asleep.Date

	// Zones are the IANA names of the zones that the users live in. Defaults
	// to a dozen all over the world, with and without daylight saving.
	Zones []string

	// Ordinary leaves out the unusual: every night of the population is
	// complete, analysed on the full plan, and slept. By default one in ten
	// is not: never slept, too short, too long, or with too many defects; and
	// some users are on the two-stage plan or on one without breathing.
	Ordinary bool

	// APIKeys are the keys that are accepted; other ones are answered 401
	// Unauthorized. Any key is accepted when it is empty.
	APIKeys []string

	// AnalysisTime is how long a session that closes by the clock stays
	// CLOSED before it is COMPLETE. Defaults to 41 s.
	AnalysisTime time.Duration

	// DeletionDelay is how long a deleted user still reads, marked
	// to_be_deleted. Zero: the user is gone at once.
	DeletionDelay time.Duration

	// PageSize, if positive, is the size of every list page whatever limit
	// asks for: a server that ignores limit.
	PageSize int

	// ETags puts an ETag, made of the body, on every 200 to a GET, and answers 304
	// without a body to an If-None-Match that names it. The service is not known to.
	// It can be changed later by [Server.SetETags].
	ETags bool

	// RateLimit refuses what comes too fast; zero: nothing. It can be changed
	// later by [Server.SetRateLimit].
	RateLimit RateLimit

	// LogSize is the number of requests that [Server.Requests] remembers; the
	// oldest go first. Defaults to 4096; negative: none. Counters cover all
	// requests whatever it is.
	LogSize int

	// AllowViolations keeps [NewServer] from failing the test because of
	// requests outside the contract. They are still answered 4xx and listed.
	AllowViolations bool
}

// Defaults of Config.
const (
	DefaultAnalysisTime = 41 * time.Second
	DefaultLogSize      = 4096
)

// MaxUsers bounds the population, for session ids tell users apart by five
// characters.
const MaxUsers = 50_000_000

// Validate reports everything that is wrong with the configuration. [New]
// does not fail: it takes the nearest value that works, and leaves out zones
// that do not exist.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("asleeptest: "+format, args...)) }
	if c.Users < 0 || c.Users > MaxUsers {
		bad("Users is %d: want 0 to %d", c.Users, MaxUsers)
	}
	if c.SessionsPerUser < 0 || c.SessionsPerUser > maxSessions {
		bad("SessionsPerUser is %d: want 0 to %d", c.SessionsPerUser, maxSessions)
	}
	if !c.LastNight.IsZero() && !c.LastNight.Valid() {
		bad("LastNight is %s: no such date", c.LastNight)
	}
	for _, name := range c.Zones {
		if loadZone(name) == nil {
			bad("zone %q is not known: want an IANA name such as Asia/Seoul", name)
		}
	}
	if c.AnalysisTime < 0 || c.DeletionDelay < 0 {
		bad("AnalysisTime and DeletionDelay are %s and %s: want no negative ones", c.AnalysisTime, c.DeletionDelay)
	}
	if err := c.RateLimit.validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// maxSessions keeps the oldest night of a population after the year 1700.
const maxSessions = 100_000

func (c Config) withDefaults() Config {
	c.Users = min(max(c.Users, 0), MaxUsers)
	c.SessionsPerUser = min(max(c.SessionsPerUser, 0), maxSessions)
	if c.LastNight.IsZero() || !c.LastNight.Valid() {
		c.LastNight = asleep.DateOf(time.Now().UTC()).AddDays(-2)
	}
	if c.AnalysisTime <= 0 {
		c.AnalysisTime = DefaultAnalysisTime
	}
	c.DeletionDelay = max(c.DeletionDelay, 0)
	if c.LogSize == 0 {
		c.LogSize = DefaultLogSize
	}
	c.LogSize = max(c.LogSize, 0)
	if c.RateLimit.validate() != nil {
		c.RateLimit = RateLimit{}
	}
	return c
}
