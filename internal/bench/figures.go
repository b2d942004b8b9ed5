package bench

import (
	"fmt"
	"strings"
)

// Figure is one number of a row.
type Figure struct {
	Name   string
	Format string // of Value, such as "%.2f ms"
	Value  float64
}

func (f Figure) String() string {
	text := fmt.Sprintf(f.Format, f.Value)
	if f.Name != "" {
		text += " " + f.Name
	}
	return text
}

// Goal is what a figure should come to.
type Goal struct {
	Figure string
	// AtLeast turns the comparison round: without it the figure should be at
	// most Limit.
	AtLeast bool
	Limit   float64
	// BelowPeers takes the least figure of the peers as the limit.
	BelowPeers bool
}

// limit is the goal's number, given what the peers have come to.
func (g Goal) limit(peers []Outcome) (limit float64, known bool) {
	if !g.BelowPeers {
		return g.Limit, true
	}
	for _, p := range peers {
		if v, ok := p.value(g.Figure); ok && (!known || v < limit) {
			limit, known = v, true
		}
	}
	return limit, known
}

// Outcome is what one contender came to in a row.
type Outcome struct {
	Contender string
	Figures   []Figure
	Err       error // why there are none
}

// measured reports whether there are figures.
func (o Outcome) measured() bool { return o.Err == nil && len(o.Figures) > 0 }

func (o Outcome) value(name string) (float64, bool) {
	if o.Err != nil {
		return 0, false
	}
	for _, f := range o.Figures {
		if f.Name == name {
			return f.Value, true
		}
	}
	return 0, false
}

func (o Outcome) String() string {
	if o.Err != nil {
		return o.Err.Error()
	}
	texts := make([]string, len(o.Figures))
	for i, f := range o.Figures {
		texts[i] = f.String()
	}
	return strings.Join(texts, ", ")
}

// missed names the figures that do not reach their goals.
func (o Outcome) missed(goals []Goal, peers []Outcome) (names []string) {
	for _, g := range goals {
		v, ok := o.value(g.Figure)
		limit, known := g.limit(peers)
		if !ok || !known || g.AtLeast && v < limit || !g.AtLeast && v > limit {
			names = append(names, g.Figure)
		}
	}
	return names
}

// best chooses among the peers of a row: most goals reached, then the better first
// figure, then the better second one, and so on.
func best(peers []Outcome, goals []Goal) (Outcome, bool) {
	var chosen Outcome
	found := false
	for _, p := range peers {
		if p.Err == nil && (!found || betterThan(p, chosen, goals)) {
			chosen, found = p, true
		}
	}
	return chosen, found
}

func betterThan(a, b Outcome, goals []Goal) bool {
	missedA, missedB := len(a.missed(plain(goals), nil)), len(b.missed(plain(goals), nil))
	if missedA != missedB {
		return missedA < missedB
	}
	for _, g := range goals {
		va, okA := a.value(g.Figure)
		vb, okB := b.value(g.Figure)
		if okA && okB && va != vb {
			return va > vb == g.AtLeast
		}
	}
	return false
}

// plain leaves out the goals that are relative to the peers themselves.
func plain(goals []Goal) (some []Goal) {
	for _, g := range goals {
		if !g.BelowPeers {
			some = append(some, g)
		}
	}
	return some
}
