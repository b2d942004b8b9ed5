package client

import (
	"slices"
	"strconv"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/cache"
)

// What is kept, by kind. A schema is raised when the Go type changes, or what
// the same JSON decodes to.

var reportKind = &cache.Kind[*asleep.Report]{
	Name: "session", Schema: 1,
	Decode: func(_ cache.Key, raw string) (*asleep.Report, error) { return parseReport(raw) },
	Clone:  (*asleep.Report).Clone,
	Size: func(r *asleep.Report) int {
		s := &r.Session
		return 1200 + len(r.Raw) + len(s.SleepStages) + len(s.BreathStages) + len(s.SnoringStages) + 32*len(r.Peculiarities)
	},
	Class: func(key cache.Key, r *asleep.Report) cache.Class {
		switch {
		case r.Session.ID != key.ID: // not what was asked for
			return cache.Forbidden
		case r.Immutable():
			return cache.Durable
		}
		return cache.Unfinished
	},
}

var pageKind = &cache.Kind[*SessionPage]{
	Name: "list", Schema: 1,
	Decode: func(_ cache.Key, raw string) (*SessionPage, error) { return parsePage(raw) },
	Clone:  (*SessionPage).clone,
	Size: func(p *SessionPage) int {
		n := 64
		for i := range p.Sessions {
			n += 256 + 2*len(p.Sessions[i].Raw) // its texts are copies
		}
		return n
	},
	Class: func(cache.Key, *SessionPage) cache.Class { return cache.Mutable },
}

var averagesKind = &cache.Kind[*asleep.AverageStats]{
	Name: "averages", Schema: 1,
	Decode: func(_ cache.Key, raw string) (*asleep.AverageStats, error) { return parseAverages(raw) },
	Clone:  (*asleep.AverageStats).Clone,
	Size: func(a *asleep.AverageStats) int {
		return 1200 + len(a.Raw) + 1000*(len(a.SleptSessions)+len(a.NeverSleptSessions))
	},
	Class: func(cache.Key, *asleep.AverageStats) cache.Class { return cache.Mutable },
}

func (p *SessionPage) clone() *SessionPage {
	c := *p
	c.Sessions = slices.Clone(p.Sessions)
	for i := range c.Sessions {
		c.Sessions[i] = c.Sessions[i].Clone()
	}
	return &c
}

// id is the canonical form of a checked query: equal for queries that are the
// same to the service, whose defaults for order and page size are not guessed.
func (q PageQuery) id() string {
	order := q.Order
	if order == "" {
		order = asleep.SortOrderDescending
	}
	b := make([]byte, 0, 48)
	b = append(b, dateText(q.From)...)
	b = append(b, '|')
	b = append(b, dateText(q.To)...)
	b = append(b, '|')
	b = append(b, order...)
	b = append(b, '|')
	b = strconv.AppendInt(b, int64(q.Offset), 10)
	b = append(b, '|')
	return string(strconv.AppendInt(b, int64(q.PageSize), 10))
}
