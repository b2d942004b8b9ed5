package postgres

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
)

// Advisory locks close the races that rows cannot, as what they are about may not
// be there yet:
//
//   - A user's lock is shared by whatever writes news or events of the user, and
//     exclusive to an erasure. So a put either is seen by the erasure or sees its
//     tombstone.
//   - A session's lock is shared by puts of its settled report, and exclusive to
//     puts of its windows, of which none may stay beside the report, and all must
//     be one user's.
//
// The server's table of locks is small and shared by all connections, and a batch
// may name a thousand users. So locks are striped, and one transaction never holds
// more than 2 x 64 of them. All are taken in one order, so nobody waits in a circle.
const stripes = 64

type lockClass uint8

const (
	lockUser lockClass = iota + 1
	lockSession
	lockSchema
)

// lockKey keeps out of the way of the locks of other programs in the database.
func lockKey(class lockClass, stripe uint64) int64 {
	return 0x61736c65<<32 | int64(class)<<16 | int64(stripe%stripes)
}

// locks is the set of what a transaction needs: true is exclusive.
type locks map[int64]bool

func (l locks) add(class lockClass, t store.Tombstone, exclusive bool) {
	key := lockKey(class, binary.BigEndian.Uint64(t[:]))
	l[key] = l[key] || exclusive
}

// user adds a user's lock; nobody erases events that name no user by it.
func (l locks) user(id string, exclusive bool) {
	if id != "" {
		l.add(lockUser, store.UserTombstone(id), exclusive)
	}
}

func (l locks) session(id string, exclusive bool) {
	l.add(lockSession, store.SessionTombstone("", id), exclusive)
}

const takeLocks = `
SELECT CASE WHEN x THEN pg_advisory_xact_lock(k) ELSE pg_advisory_xact_lock_shared(k) END FROM unnest($1::bigint[], $2::boolean[]) AS l (k, x)`

// queue takes the locks, as the first statement of a transaction: the statements
// behind it see what those had committed who held them before.
func (l locks) queue(b *pgx.Batch) {
	keys := slices.SortedFunc(maps.Keys(l), cmp.Compare)
	if len(keys) == 0 {
		return
	}
	exclusive := make([]bool, len(keys))
	for i, k := range keys {
		exclusive[i] = l[k]
	}
	b.Queue(takeLocks, keys, exclusive).Query(func(rows pgx.Rows) error {
		rows.Close()
		return rows.Err()
	})
}
