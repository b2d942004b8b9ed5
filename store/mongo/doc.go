// Package mongo is a [store.Store] in MongoDB, for sessions alone: it has no
// inbox. The driver is go.mongodb.org/mongo-driver/v2. It is tested over the wire
// against FerretDB; MONGO_URI points the same tests at another server.
//
//	db, err := store.Open(ctx, "mongodb://db1,db2,db3/asleep?replicaSet=rs0", store.Options{}, mongo.Backend())
//
// # The model
//
// Nothing here needs a transaction: every promise is kept by updates of single
// documents that commute, and by the order in which documents are written and
// read. So a single server will do, and a replica set or a sharded cluster too.
//
// A session is a document of the collection sleep_sessions. Putting news of it is
// two updates in one bulkWrite: "make it if it is not there" and "replace its news
// if they are older". Whatever their order, and however often they run, the newest
// news stay. The windows of a session that is still recorded are one document of
// sleep_nights, whose _id is the session's, so that a night has one owner.
//
// An erasure writes its tombstone (sleep_tombstones), then deletes. A put reads
// the tombstones, writes, and reads them again: either the erasure deletes what
// was written, or the put sees the tombstone and takes it back.
//
// # Other programs
//
// The collection, its members session_id, user_id, session_start_time,
// session_end_time, statistics, sleep_stages, created_at and updated_at, and its
// indexes are those that programs written after the service's examples use: they
// can go on reading. What is ours stands in the member asleep. A session is found
// by session_id, which is unique; new documents have it as their _id too.
//
// Documents that such a program has written are sessions here: their members make
// a report in the service's shape. News of the service replace theirs in place,
// and members that nobody here knows stay. Open turns starts that are text into
// dates, for ranges would pass over them, and keeps the text beside. One program
// at a time should write: what another one changes in a document of ours is not
// seen here.
//
// With a Sealer, statistics and sleep_stages are null, as figures and epochs are
// encrypted; [DB.Reseal] empties those of old documents.
//
// # URL
//
// The driver's own, mongodb://[USER:PASSWORD@]HOST[,HOST…]/DATABASE?OPTIONS and
// mongodb+srv://, with asleep as the default DATABASE. Two options are not the
// driver's: batch=N is how many sessions go into one command ([Config.Batch]),
// lean=true leaves out what only other programs read ([Config.Lean]). Writes wait
// for a majority and its journal (w=majority, j=true) unless the URL says
// otherwise; with less, a failover can lose what was acknowledged.
//
// # Failures
//
// Every command has a deadline ([Config.Timeout]) and its caller's.
//
//   - The server is down, silent, or electing a primary: [store.ErrUnavailable]
//     when the deadline ends, which the caller may repeat; the driver connects
//     again by itself.
//   - A put of several sessions fails in the middle: some of them are stored, for
//     there is no commit over many documents. The same call again stores the rest
//     and changes nothing of those.
//   - A put fails, or its process dies, between a write and the second look at the
//     tombstones, in the milliseconds in which an erasure runs: the session may
//     stay. The same put again, or erasing again, removes it.
//   - A session comes to more than 16 MiB: [store.ErrInvalid].
//   - The disk of the server is full: [store.ErrFull].
//   - The store was opened read-only: [store.ErrReadOnly] for writes. Ping tells it
//     too when there is no primary.
//   - A newer program has changed the database: [store.ErrNewerSchema]. It holds
//     two documents of one session, or an index that is in the way: Open returns
//     [store.ErrCorrupt] and says what to do.
//
// No error tells the password. Inbox returns an error that matches
// [errors.ErrUnsupported]: a queue promises to put and to settle many events in
// one commit. Use store/sqlite or store/postgres beside it, and erase a user in
// both.
//
// Deleted documents are unreadable by queries at once. When their bytes are
// overwritten on the disk, in the oplog and in backups is the server's matter.
package mongo
