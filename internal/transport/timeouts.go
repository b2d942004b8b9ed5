package transport

import "time"

// Timeouts bound one attempt each, by the kind of operation. 0 means
// [Config].AttemptTimeout, negative means none. [Limits].AttemptTimeout wins over
// both.
type Timeouts struct {
	Get, List, Delete, Create, Ping time.Duration
}

// table fills the gaps.
func (t Timeouts) table(byDefault time.Duration) [kinds]time.Duration {
	all := [kinds]time.Duration{KindGet: t.Get, KindList: t.List, KindDelete: t.Delete, KindCreate: t.Create, KindPing: t.Ping}
	for i, d := range all {
		if d == 0 {
			all[i] = byDefault
		}
	}
	return all
}
