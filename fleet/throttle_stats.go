package fleet

import "time"

// ThrottleStats is a [Throttle] at one moment.
type ThrottleStats struct {
	Away     bool      // Redis is, and the share paces
	Settling bool      // Redis is back, and the share still paces with it
	Members  int       // living processes, as last counted; 0 if not known
	Rate     float64   // per second over all of them, as adapted
	Share    float64   // of this process, per second, while Redis is away
	Ahead    int       // tokens taken that nobody has asked for yet
	Quiet    time.Time // when the quiet that the upstream asked for ends; zero if over

	Exchanges uint64 // round trips that were answered
	Failed    uint64 // and that were not
	Outages   uint64 // times that Redis went away
	Reserved  uint64 // callers served by the shared bucket,
	Stocked   uint64 // by what was taken ahead,
	Alone     uint64 // by the share
	Refused   uint64 // callers whose tokens lay past their maxWait
	Limited   uint64 // rate-limit answers of this process
}

type counts struct {
	exchanges, failed, outages, reserved, fromStock, alone, refused, limited uint64
}

// Stats returns a snapshot.
func (t *Throttle) Stats() ThrottleStats {
	quiet := t.Quiet()
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	s := ThrottleStats{
		Away: t.guard.Away(), Members: t.link.members, Rate: t.link.rate, Ahead: len(t.stock.due), Quiet: quiet,
		Exchanges: c.exchanges, Failed: c.failed, Outages: c.outages, Reserved: c.reserved, Stocked: c.fromStock,
		Alone: c.alone, Refused: c.refused, Limited: c.limited,
	}
	s.Settling = !s.Away && t.share.on && !t.share.until.IsZero()
	if s.Members > 0 {
		s.Share, _ = t.part()
	}
	return s
}
