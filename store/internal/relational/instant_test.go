package relational_test

import (
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

// A page is looked up where the one before it ended: it does not read through all
// that came before.
func TestAPageBeginsAtItsCursor(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.March, 14, 22, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		q    store.Query
		want time.Time
	}{
		"cursor":              {store.Query{After: store.Cursor{Start: at, ID: "x"}}, at.Add(time.Millisecond)},
		"an earlier end":      {store.Query{After: store.Cursor{Start: at, ID: "x"}, To: at.Add(-time.Hour)}, at.Add(-time.Hour)},
		"a later end":         {store.Query{After: store.Cursor{Start: at, ID: "x"}, To: at.Add(time.Hour)}, at.Add(time.Millisecond)},
		"no start at all yet": {store.Query{After: store.Cursor{ID: "x"}}, time.Time{}.Add(time.Millisecond)},
	} {
		if _, to := relational.Starts(c.q); to != c.want.UnixMilli() {
			t.Errorf("%s: up to %d, want %d", name, to, c.want.UnixMilli())
		}
	}
}
