// Package bench measures the client against the ways in which one would
// otherwise call the service, and the store, the inbox and the receiver against
// what one would otherwise write, on this machine, in one run.
//
// # The model
//
//	Upstream    an HTTP server on loopback that answers after a Script: an outage,
//	            a share of failures, a hard limit. It notes every attempt and dial
//	Contender   a client, ours or a peer's, made for a Setup; Get is one call
//	load        calls begun at a fixed rate (OpenLoop) or by workers (Workers)
//	Row         one line of the table: who contends, the figures, the goals
//
// A script never knows who asks: every contender of a row meets its own Upstream
// with the same script and the same load, side by side. What is compared in
// nanoseconds instead (Overhead) is run in turn, in slices of milliseconds, and
// quoted as the median of the ratios within each round, so that a machine that
// slows down slows down all.
//
// # Durable rows
//
// What is durable costs syncs of a disk, and disks differ. So rows about the
// store quote, from the same round, a commit for each row (what a handler does
// that uses SQLite directly), a bare insert loop with the same tables and pragmas,
// and raw write + fsync. Slow disks are made by a layer below SQLite that waits
// within every sync; the raw syncs wait as long. A receiver runs in a process of
// its own and the load generator in this one, over kept connections with requests
// that were signed before.
//
// # Peers
//
// Each is set up as its documentation advises for a production client, with the
// same number of attempts, the same waits and the same deadlines as ours; the
// comment on its constructor says what was set and why. A row that needs more
// (a body read within the attempt, a 403 understood as a rate limit) gives it to
// the peers from outside, at less cost to them than doing it themselves.
//
// The best peer of a row is the one that reaches most of its goals and, among
// those, has the best first figure.
//
// # How it fails
//
// Everything is bounded in time and in calls, and stays on loopback. A contender
// that cannot be set up as a row wants it is not measured, and the row says why;
// no figure is ever assumed. A machine that is busy with other things makes the
// absolute figures worse and leaves the ratios alone.
package bench
