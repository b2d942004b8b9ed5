package guarded_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/guarded"
	"github.com/asleep-sdk/asleep/store/memory"
)

// lost is a store whose database does not answer.
type lost struct{ store.Store }

func (lost) Sessions() store.Sessions { return lostSessions{} }

type lostSessions struct{ store.Sessions }

func (lostSessions) Get(ctx context.Context, _ string) (store.Session, error) {
	<-ctx.Done()
	return store.Session{}, ctx.Err()
}

// Two calls wait for the database; from then on callers are answered at once.
func Example() {
	db := guarded.New(lost{memory.New()}, guarded.Config{Timeout: 20 * time.Millisecond, Failures: 2, Pause: time.Minute})
	for range 3 {
		_, err := db.Sessions().Get(context.Background(), "a session")
		_, wait := guarded.RetryAfter(err)
		fmt.Println(errors.Is(err, store.ErrUnavailable), errors.Is(err, guarded.ErrOpen), wait)
	}
	for _, b := range db.Breakers() {
		fmt.Println(b.Name, b.State)
	}
	// Output:
	// true false false
	// true false false
	// true true true
	// reads open
	// writes closed
}
