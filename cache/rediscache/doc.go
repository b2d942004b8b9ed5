// Package rediscache is a tier of package cache that processes share, on Redis 6.2 or
// newer: one server, one behind sentinels, or a cluster.
//
//	shared, err := rediscache.Open(os.Getenv("REDIS_URL"), rediscache.Options{})
//	kept, err := cache.New(near, cache.WithFar(shared))
//	api, err := client.New(key, client.WithCache(kept))
//
// # The model
//
// A [Tier] does what [cache.Far], [cache.Leaser] and [cache.Bus] ask, each with one
// exchange, and decides nothing: what may be kept, for how long, and whether a value that
// comes back may be shown is judged by package cache. In Redis there are
//
//	PREFIX:{OWNER}:m        the two marks of an owner, random, 53 bytes
//	PREFIX:{OWNER}:v:HASH   a value in its envelope, with ":s:" in place of ":v:" if encrypted
//	PREFIX:{OWNER}:l:HASH   the lease of a value, while one process loads it
//	PREFIX:notices          the channel of the bus
//
// OWNER and HASH are digests over the tenant, which is itself an HMAC of the API key:
// whoever lacks the API key cannot tell users or sessions from the names of keys. The
// braces put all of an owner into one slot of a cluster. Every key has a time to live;
// marks outlive the values that bear them.
//
// A hit is one MGET of marks and value. A fill is one script, which stores the value only
// if the marks are still those that were read before it was loaded. To take back is one
// write, however much there is: changing values by a new generation, everything by
// removing the marks, whose successors are random again. Nothing ever scans. Scripts are
// run by their hash, and sent again where Redis has forgotten them; a script that runs
// twice, because an answer was lost, does no harm.
//
// # Encryption
//
// With [Options].Sealer values are encrypted, and each is bound to its full key: copied
// under another one it does not open. What does not open is reported as unreadable, so
// that the cache removes it. Processes with and without a Sealer do not see each other's
// values. A key is rotated by having every process open with the new one before any seals
// with it.
//
// # The client
//
// [Open] makes one that gives up early; forms of URL are in its comment. [New] takes the
// caller's own: where that waits longer than it was told to (redis.Options without
// ContextTimeoutEnabled), operations are left behind when their time is over. Clients that
// read from replicas, or that move keys to another server when one fails, are refused: they
// might show what was taken back.
//
// # How it fails
//
// Every operation tries once and returns an error soon after its context has ended. With
// the bounds that package cache puts around it no call fails, and none waits longer than
// 20 ms, three times; after that not at all until Redis is back.
//
//	slow, stalled, down   an error; the cache passes the tier by, and makes up for
//	                      invalidations before it reads again
//	restarted empty       new marks, no values: loads
//	evicts (allkeys-lru)  a value: a miss. Marks: all values of the owner are misses
//	full (noeviction)     values there are answered; none are stored. To take back still
//	                      works, by removing the marks
//	scripts flushed       they are sent again, within the same operation
//	read-only, loading,   an error of every operation that writes, and of Ping: the tier is
//	 cluster down         passed by
//	no rights, password   the same; the error says what to do, also of TLS and of a server that is
//	 wrong, no Redis      no Redis. What that announces is bounded by Open's client, at 64 MiB a value
//	                      (go-redis by itself makes room for any length, and the program may end)
//	node of a cluster     its slots are passed by, in 64 runs; the others go on being served. With
//	 down                 cluster-require-full-coverage all are, once the cluster says so
//	foreign values        handed to the cache, which removes them; of a wrong type: a miss, and
//	                      replaced
//	marks foreign, lost   replaced by random ones, of which no value is
//	bus cut               Subscribe returns within 6 s and is called again; on listening again the
//	                      near tiers are flushed
//	notice garbled        as one that was lost: the near tier is flushed
//
// What Redis itself loses it cannot tell: a failover to a replica that lagged behind, or a
// restart from an old snapshot, may bring back marks and values as they were. Every process
// that lives tells it again what was taken back in the last 30 s ([cache.Guard].Recall),
// before it reads there: none shows anything from before. It notices by an operation that
// failed, or by the end of a connection that it keeps for this alone: its subscription, and
// in a cluster one to every master besides. That ends at once with the server, and within 6 s
// where the network swallows everything; a master that another has replaced is missed after
// 3 s. What was lost besides (a snapshot of an hour ago; the process that took it back has ended too)
// is as old as its time to live at most, and an erasure has to be made again. Replicas that
// confirm writes (min-replicas-to-write) make that less likely.
package rediscache
