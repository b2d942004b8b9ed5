package relational

import (
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// ClaimOf is the claim of an entry that is leased until then. Its token names the
// row and how often that was claimed, so that an earlier claim of it fits no more.
func ClaimOf(e store.Entry, until time.Time) store.Claim {
	return store.Claim{
		Token: store.Token(e.ID + "-" + strconv.Itoa(e.Claims)), Event: e.Event, ID: e.ID, Revision: e.Revision,
		Attempts: e.Attempts, Claims: e.Claims, Steps: e.Steps, Until: until,
	}
}

// RowOf takes a token apart. One that ClaimOf did not make fits no claim.
func RowOf(t store.Token) (id, claims int64) {
	a, b, _ := strings.Cut(string(t), "-")
	id, err := strconv.ParseInt(a, 10, 64)
	if err != nil {
		return 0, 0
	}
	if claims, err = strconv.ParseInt(b, 10, 64); err != nil {
		return 0, 0
	}
	return id, claims
}
