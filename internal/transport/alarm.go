package transport

import "time"

// An alarm wakes one who waits in a line. Its timer is made when it is first set, as
// most are never at the head. The zero alarm is not set.
type alarm struct {
	timer *time.Timer
	due   <-chan time.Time // nil while it is not set
}

// set has the alarm go off after wait; with a negative wait it does not.
func (a *alarm) set(wait time.Duration) {
	switch {
	case wait < 0:
		a.due = nil
		return
	case a.timer == nil:
		a.timer = time.NewTimer(wait)
	default:
		a.timer.Reset(wait)
	}
	a.due = a.timer.C
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
