// Package postgres is the [store.Store] on a PostgreSQL server: sessions and the
// inbox in one database that any number of processes share. The driver is pgx.
//
//	db, err := store.Open(ctx, "postgres://asleep@db/asleep?sslmode=verify-full", store.Options{}, postgres.Backend())
//
// # The model
//
// Sessions are one table, in which a put is one statement, for one session or a
// thousand: INSERT … SELECT FROM unnest … ON CONFLICT … WHERE it is newer. With
// the locks that it needs it is one round trip and one transaction. Ids compare byte by byte
// (COLLATE "C"), instants are milliseconds, payloads are bytes that were compressed
// and sealed before they are sent.
//
// The inbox is a queue and, beside it, the keys that were seen. Workers claim with
// FOR UPDATE SKIP LOCKED, so that none waits for another. Events that callers put
// one by one share commits: what waits while commits are under way goes into the
// next, up to 256 events or 4 MiB. A call with several events is one commit.
//
// # Several processes
//
// Nobody owns the inbox. A process hears of what others put by LISTEN and NOTIFY,
// at most 20 ms later; a poll is the backstop for what it does not hear. What a
// process that died had claimed is handed out when its leases end, so the lease is
// how long that may take: claim for 10 s, extend every 3 s and poll every second,
// and work is taken over within 11 s. Leases, due times and the times when the
// store heard of a session go by the server's clock.
//
// Two races cannot be closed by rows, as the rows may not be there yet. Advisory
// locks close them: an erasure shuts out writers of its user, and windows of a
// session shut out its settled report. Locks are striped and taken in one order.
//
// # URL
//
// What libpq knows works, TLS included; parameters of our own are schema (default
// asleep), timeout of a call (5s), and the pool's such as pool_max_conns (16).
// docs/postgres.md has them all, and how the tables are laid out for millions of
// users; the statements are the same on partitions.
//
// # Migrations
//
// Open brings the schema up to date, in one transaction under an advisory lock, by
// the files in migrations. That is what the other backends do with their schema,
// and it says of a newer one that it is newer; a migration library would bring
// database/sql and its own table for two files.
//
// # Failures
//
//   - The server is down or refuses the connection: [store.ErrUnavailable], at
//     once. When it is up again the next call works; nothing needs to be reopened.
//   - The server is silent, or the network: [store.ErrUnavailable] after timeout,
//     or the context's error if the caller's deadline comes first.
//   - A connection breaks in the middle of a call: a read is tried again. Of a
//     write that may have been sent the outcome is unknown: [store.ErrUnavailable].
//     Nothing was done by halves, and repeating it tells what was done:
//     [store.Duplicate], [store.Unchanged], or a token that is lost.
//   - A deadlock or a serialization failure: tried again, up to three times.
//   - A lock is held elsewhere for longer than half of timeout, all connections of
//     the pool are in use, more than 8,192 events wait, or the server has no
//     connection left: [store.ErrBusy].
//   - The server is a standby, or the role may not write: [store.ErrReadOnly].
//     Reads go on.
//   - The disk of the server is full: [store.ErrFull].
//   - The server is starting, or no longer takes the password:
//     [store.ErrUnavailable].
//   - The schema is newer: Open returns [store.ErrNewerSchema]. It belongs to
//     another program: [store.ErrCorrupt]. The password is wrong, or the role or the
//     database does not exist: [store.ErrInvalid].
//   - The listener is cut off: it comes back after 100 ms to 5 s, and wakes the
//     workers then. That is logged.
//
// No error and no line of the log contains the password. To answer quickly while
// a server is silent, put package store/guarded in front.
//
// # Erasing
//
// The rows go at once, their bytes with the next vacuum of the table. Archived
// WAL and backups are the operator's to erase.
package postgres
