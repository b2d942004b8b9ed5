package asleeptest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
)

// The population is not stored. A user is a number, a session is a number of a
// user, and everything about them follows from those and the seed.

// Salts keep the random sequences apart that start from the same seed.
const (
	saltStream = iota + 1
	saltFaults
	saltIDs
	saltUser
	saltNap
	saltSession
	saltStages
	saltEvents
)

// mix hashes numbers into a seed (SplitMix64's finaliser over a running sum).
func mix(seed uint64, values ...int) uint64 {
	h := seed
	for _, v := range values {
		h += uint64(v) + 0x9e3779b97f4a7c15 //nolint:gosec // any bits will do
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

func random(seed uint64, values ...int) *rand.Rand {
	h := mix(seed, values...)
	return rand.New(rand.NewPCG(h, mix(h, saltStream)))
}

// userName is the id of a user of the population, counted from 1.
func userName(number int) string { return fmt.Sprintf("user-%04d", number) }

// userNumber is the inverse of userName.
func userNumber(id string) (number int, ok bool) {
	digits, ok := strings.CutPrefix(id, "user-")
	if !ok || len(digits) < 4 || len(digits) > 8 {
		return 0, false
	}
	number, err := strconv.Atoi(digits)
	return number, err == nil && number > 0 && userName(number) == id
}

// habits are what all sessions of a user have in common.
type habits struct {
	zone     *zone
	plan     Plan
	metadata *asleep.UserMetadata
}

func (s *Server) habits(number int) habits {
	rnd := random(s.config.Seed, saltUser, number)
	h := habits{zone: s.zones[rnd.IntN(len(s.zones))]}
	switch p := rnd.IntN(100); {
	case s.config.Ordinary:
	case p < 10:
		h.plan = PlanNoBreathing
	case p < 15:
		h.plan = PlanTwoStage
	}
	if rnd.IntN(5) > 0 {
		h.metadata = metadata(rnd)
	}
	return h
}

func metadata(rnd *rand.Rand) *asleep.UserMetadata {
	integer := func(low, high int) *asleep.Int {
		n := asleep.Int(low + rnd.IntN(high-low+1))
		return &n
	}
	tenths := func(low, high int) *float64 {
		v := float64(low*10+rnd.IntN((high-low)*10)) / 10
		return &v
	}
	genders := []asleep.Gender{asleep.GenderFemale, asleep.GenderMale, asleep.GenderNonBinary, asleep.GenderOther, asleep.GenderPreferNotToSay}
	return &asleep.UserMetadata{
		BirthYear: integer(1940, 2008), BirthMonth: integer(1, 12), BirthDay: integer(1, 28),
		Gender: genders[rnd.IntN(len(genders))], Height: tenths(150, 200), Weight: tenths(45, 110),
	}
}

// The sessions of a user are numbered from the newest to the oldest. Every
// seven days have seven nights and one nap, so eight sessions; the nap comes
// before the night of its day, hence after it in this order.
const (
	weekDays     = 7
	weekSessions = 8
)

// napDay is the day of a week, counted back from its newest, that has the nap.
func (s *Server) napDay(number, week int) int {
	return int(mix(s.config.Seed, saltNap, number, week) % weekDays)
}

// day tells how many days before LastNight a session begins, and whether it is
// a nap.
func (s *Server) day(number, index int) (days int, nap bool) {
	week, k := index/weekSessions, index%weekSessions
	switch napDay := s.napDay(number, week); {
	case k <= napDay:
		return week*weekDays + k, false
	case k == napDay+1:
		return week*weekDays + napDay, true
	default:
		return week*weekDays + k - 1, false
	}
}

// indexes returns the numbers of the sessions that begin on a day: its night,
// and its nap or -1.
func (s *Server) indexes(number, days int) (night, nap int) {
	week, k := days/weekDays, days%weekDays
	napDay, first := s.napDay(number, week), week*weekSessions
	switch {
	case k < napDay:
		return first + k, -1
	case k == napDay:
		return first + k, first + k + 1
	default:
		return first + k + 1, -1
	}
}

// recording makes the session of a number. It is always COMPLETE.
func (s *Server) recording(number, index int, h habits) *recording {
	days, nap := s.day(number, index)
	seed := mix(s.config.Seed, saltSession, number, index)
	rnd := random(seed)
	r := &recording{zone: h.zone, scope: h.plan, seed: seed, forced: true}
	// A night begins from 21:30 to 00:30, a nap from 13:00 to 15:00. Sessions
	// of a user never begin in the same second, nor out of order.
	hour, minute, spread := 21, 30, 3*60*60
	if nap {
		hour, minute, spread = 13, 0, 2*60*60
		r.kind = Nap
	}
	if !s.config.Ordinary {
		r.kind = unusual(r.kind, rnd)
	}
	evening := s.config.LastNight.AddDays(-days)
	r.start = time.Date(evening.Year, evening.Month, evening.Day, hour, minute, rnd.IntN(spread), 0, h.zone.loc).UTC()
	r.plan = usualLength(r.kind, rnd)
	r.length = r.plan
	r.closed = r.end()
	r.complete = r.closed.Add(s.config.AnalysisTime)
	r.id = sessionID(r.start, number)
	return r
}

// unusual makes one session in ten an unusual one.
func unusual(usual NightKind, rnd *rand.Rand) NightKind {
	switch p := rnd.IntN(100); {
	case p < 3:
		return NeverSlept
	case p < 4:
		return NeverSleptNull
	case p < 7:
		return TooShort
	case p < 9:
		return Defects
	case p < 10 && usual == Night:
		return TooLong
	}
	return usual
}

// usualLength draws a length in whole seconds.
func usualLength(kind NightKind, rnd *rand.Rand) time.Duration {
	low, high := 6*60*60, 9*60*60+30*60
	switch kind {
	case Nap:
		low, high = 60*60, 2*60*60
	case NeverSlept, NeverSleptNull:
		low, high = 40*60, 3*60*60
	case TooShort:
		low, high = 60, 5*60-1
	case TooLong:
		low, high = 24*60*60+1, 26*60*60
	case Night, Defects:
	}
	return time.Duration(low+rnd.IntN(high-low)) * time.Second
}

const (
	idLayout   = "20060102150405"
	idLetters  = "abcdefghijklmnopqrstuvwxyz0123456789"
	idLength   = 5
	idNumbers  = 36 * 36 * 36 * 36 * 36
	idFactor   = 22_695_479 // has no divisor in common with idNumbers, so the suffix is a permutation
	idOffset   = 12_345_678
	idSuffixAt = len(idLayout) + 1
)

// sessionID is the id of the session of a user that begins at start. The
// suffix tells the users apart.
func sessionID(start time.Time, number int) string {
	b := make([]byte, 0, idSuffixAt+idLength)
	b = append(start.UTC().AppendFormat(b, idLayout), '_')
	for n, i := (number*idFactor+idOffset)%idNumbers, 0; i < idLength; i++ {
		b = append(b, idLetters[n%len(idLetters)])
		n /= len(idLetters)
	}
	return string(b)
}

// parseSessionID is the inverse of sessionID.
func parseSessionID(id string) (start time.Time, number int, ok bool) {
	if len(id) != idSuffixAt+idLength || id[len(idLayout)] != '_' {
		return time.Time{}, 0, false
	}
	start, err := time.Parse(idLayout, id[:len(idLayout)])
	if err != nil {
		return time.Time{}, 0, false
	}
	n := 0
	for i := len(id) - 1; i >= idSuffixAt; i-- {
		c := strings.IndexByte(idLetters, id[i])
		if c < 0 {
			return time.Time{}, 0, false
		}
		n = n*len(idLetters) + c
	}
	return start, (n - idOffset + idNumbers) % idNumbers * idInverse % idNumbers, true
}

// idInverse undoes idFactor.
var idInverse = func() int {
	// Powers of a unit modulo idNumbers = 2^10 * 3^10 come back to one; the one
	// before that is the inverse. The order of the group divides 2^9 * 2*3^9.
	inverse, square := 1, idFactor
	for e := 512*2*19683 - 1; e > 0; e >>= 1 {
		if e&1 == 1 {
			inverse = inverse * square % idNumbers
		}
		square = square * square % idNumbers
	}
	return inverse
}()

// find returns the session of the population that has the id.
func (s *Server) find(number int, id string, h habits) (*recording, bool) {
	start, owner, ok := parseSessionID(id)
	if !ok || owner != number {
		return nil, false
	}
	// A night that began after midnight belongs to the evening before.
	around := asleep.DateOf(start.In(h.zone.loc)).DaysUntil(s.config.LastNight)
	for days := max(around, 0); days <= around+1; days++ {
		night, nap := s.indexes(number, days)
		for _, index := range []int{night, nap} {
			if index < 0 || index >= s.config.SessionsPerUser {
				continue
			}
			if r := s.recording(number, index, h); r.id == id {
				return r, true
			}
		}
	}
	return nil, false
}
