package relational_test

import (
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

func TestATokenNamesTheRowAndItsClaim(t *testing.T) {
	t.Parallel()
	c := relational.ClaimOf(store.Entry{ID: "7", Claims: 3}, time.Unix(9, 0))
	if id, claims := relational.RowOf(c.Token); id != 7 || claims != 3 || !c.Until.Equal(time.Unix(9, 0)) {
		t.Errorf("%d, %d of %+v", id, claims, c)
	}
}

func TestATokenOfOthersFitsNoRow(t *testing.T) {
	t.Parallel()
	for _, token := range []store.Token{"", "-", "7", "7-", "-3", "a-3", "7-b", "7-3-1", "99999999999999999999-1"} {
		if id, claims := relational.RowOf(token); id != 0 || claims != 0 {
			t.Errorf("%q is row %d, claim %d", token, id, claims)
		}
	}
}
