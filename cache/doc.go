// Package cache keeps what the service said, for as long as it stays true, and
// shows nobody what belongs to another. It is policy and seams on the standard
// library alone; what keeps the values are backends: cache/memory for one
// process, a shared one behind it.
//
//	near, err := memory.New(memory.Options{MaxBytes: 64 << 20})
//	c, err := cache.New(near)
//	api, err := client.New(key, client.WithCache(c))
//
// # The model
//
// A value belongs to an [Owner], one user of one tenant, and is found under a
// [Key]: tenant, user, kind, id, timezone, schema version. The timezone is part
// of it because the service renders its answers in it. A [Class] says how long a
// value stays true:
//
//	durable      a complete report, which never changes      near and far, long
//	mutable      a list page, averages                       far, else near; minutes
//	unfinished   a report that will still change             near only; seconds
//	absent       "there is no such thing"                    near only; seconds
//	forbidden    everything else, and every failure          nowhere
//
// There are two tiers. The near tier ([Near]) holds decoded values in the process,
// bounded by bytes; whoever is given one gets a deep copy. The far tier ([Far],
// optional) holds bytes that many processes share, each value in an envelope that
// carries its full key and is judged when it is read. With a far tier, mutable
// values are not kept near, where no other process could take them back.
//
// [Get] asks near, then far, then loads. A key is asked for and loaded once however
// many want it. The load is on a goroutine of its own: whoever gives up leaves at once
// and costs the others nothing. The far tier is asked on that of the first caller, whom
// it holds for its budget at most, also where the caller's context is cancelled meanwhile:
// waking another takes longer than most answers.
// With a [Leaser] one process loads while the others wait.
//
// # Taking back
//
// [Cache.Invalidate] takes back what may have changed of an owner, when a night
// completes; [Cache.Erase] takes back everything, when it is deleted. A load that
// began before is never stored after: near, the load is struck from the list of
// those that may store; far, an owner has two random [Marks], a value is stored
// only if they are still those that were read before the load, and a new mark makes
// all older values unreadable with one write, however many there are. A [Bus]
// tells the other processes, whose near tiers then drop theirs.
//
// A far tier may be told and forget: a replica that takes over has not always heard of the
// last writes. So each process remembers for [Guard].Recall, 30 s, what it or others took
// back, and tells the tier again after any trouble, before it reads from there. Trouble is
// an operation that failed, three in a row where they were only slow, or a bus that was cut.
//
// Erasures that the far tier could not be told of are kept by a [Journal] ([WithJournal],
// package cache/journal) over the end of the process: the next one tells the tier first.
// Until then other processes, which heard nothing, may still read there. A program that
// ends soon, such as a command, looks at the error of Erase or [Cache.Close] instead.
//
// # Names
//
// Near and Far are what a backend implements, Leaser and Bus what a far one may
// add; package cache/cachetest judges them. A [Kind] says how values of one
// kind are decoded, copied, weighed and classed. [Keep] says how long a class is
// kept, [Origin] where a value came from.
//
// # How it fails
//
// A cache makes no call fail. The far tier has a budget of 20 ms an operation;
// three failures in a row, or one invalidation that failed, shut it: calls then
// pass it by at the cost of one atomic read, and a probe in the background opens it
// again, after all invalidations made meanwhile were made up for.
//
//	far slow, down    passed by; loads go to the service; Invalidate and Erase work near and
//	                  return ErrDeferred, as the far part is still to come
//	far in parts      ([Parted], a cluster) trouble of one part is none of the others
//	far fails over    what it lost of the last 30 s it is told again. Lost is what a process took
//	                  back that then ended too: that is as with "process killed"
//	far empty         random marks: nothing older can be read again
//	far lying         a value that is foreign, old, cut off or of another key is a miss and removed
//	clocks apart      a mutable value goes Keep.Mutable after it was stored, whatever they say; where
//	                  there is Keep.StaleIfError, later by as much as the clocks are apart
//	bus cut           near values live for Keep.Backstop at most; all go when the bus is back
//	load fails        its error, to all who waited for it; nothing is kept. With Keep.StaleIfError
//	                  an outage is answered with the last mutable value, marked [Origin].Stale
//	load panics       the caller that began it panics, the others get a *PanicError
//	load hangs        it is cut off after its timeout; whoever waits leaves when their own context ends
//	process killed    what was deferred is lost: mutable values are then as old as their time to live
//	                  at most, and an erasure has to be made again, unless there is a journal
//	journal fails     Erase says so in its error, and works as without one
package cache
