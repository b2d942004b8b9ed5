// Package sqlite is the embedded [store.Store]: one file, nothing to install. It
// keeps sessions and the inbox, and writes a session and the step of its event
// in one commit. The driver is modernc.org/sqlite, in Go alone.
//
//	db, err := store.Open(ctx, "sqlite:./asleep.db", store.Options{}, sqlite.Backend())
//
// # One writer, many readers
//
// SQLite has one writer at a time, so one goroutine does all writing of a [DB]. It takes
// what is waiting, up to 256 rows or 4 MiB, runs it in one immediate transaction and
// commits; only then do the callers return. A hundred callers thus share one sync of the
// disk; where that is slow, the goroutine waits up to an eighth of it, 1 ms at most, for
// callers that were just answered to call again, and before every batch it lets
// goroutines run that can, on whatever disk. Claims and settlements go ahead of inserts,
// so that an inbox is emptied as fast as it is filled. A row that cannot be written is
// rolled back with its batch, and then every call of the batch is tried alone, so that
// one bad row fails one call. Reads go to a pool of connections beside the writer and see
// the last commit.
//
// The file is in write-ahead mode and synced with every commit
// (synchronous=FULL): what was acknowledged survives a power cut, if the disk
// keeps its promises. The file must lie on a local disk; locks over a network
// cannot be trusted. It can be read and written by its owner only (mode 0600).
//
// What is stored of a body is checked, compressed and sealed by its caller before
// it waits for its turn, and opened by its caller after a claim: the goroutine
// only moves rows. The write-ahead file is moved into the database every 16 MiB.
//
// # Several processes
//
// Any number of processes may open the file, read it and put sessions; writers
// wait for each other. The inbox belongs to one of them, by a lock on
// FILE-owner that the operating system frees when the process ends, however it
// ends. A new owner hands out at once what the old one had claimed.
//
// # URL
//
// sqlite:PATH with a relative or absolute path, in which '?', '#' and '%' are
// percent-encoded; sqlite:///PATH works too. Parameters: mode=ro opens the file
// for reads only, and busy_timeout=5s bounds the wait for other processes.
//
// # Failures
//
//   - The disk fails to sync or write: every call of the batch returns
//     [store.ErrUnavailable], and nothing more is acknowledged until the database
//     was opened anew and checkpointed, which the next call tries. A failed sync
//     may have lost what was written before it in the same pages; the checkpoint
//     writes them again.
//   - The disk is full: [store.ErrFull]. Reads go on, and writes as soon as there
//     is room again.
//   - Another process holds the write lock for longer than busy_timeout, or more
//     than 8,192 calls are waiting: [store.ErrBusy].
//   - The file or its medium is read-only: [store.ErrReadOnly] for writes.
//   - The file has the schema of a newer program: Open returns
//     [store.ErrNewerSchema] and touches nothing. An older one is migrated, one
//     version a transaction.
//   - The file is no database, damaged, or belongs to another program:
//     [store.ErrCorrupt].
//
// # Erasing
//
// Deleted content is overwritten with zeros (secure_delete), and an erasure ends
// with a checkpoint that empties the write-ahead file, so that no byte of an
// erased user is left in either. A reader of another process can hold up that
// checkpoint; it is then tried again with later writes and at Close.
package sqlite
