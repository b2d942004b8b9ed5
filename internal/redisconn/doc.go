// Package redisconn reaches a Redis that may fail at any time without its callers
// noticing more than that it is away.
//
// # The model
//
// [Open] makes a client from a URL, tuned to give up early: no repetitions, one
// dial, short timeouts, contexts heeded. It dials nothing; the first command does.
// A client of the caller's own serves as well.
//
// A [Guard] stands before the commands. [Call] gives each a budget, 20 ms unless set
// otherwise; failures in a row declare Redis away, whereupon calls return [ErrAway]
// at once, at the cost of one atomic read, while a probe in the background finds out
// when it is back.
//
// # URLs
//
// They are those of go-redis, and two forms more that it leaves to the program:
//
//	redis://user:password@host:6379/0             one server
//	rediss://…                                    the same over TLS 1.2 or newer
//	unix:///path/to/socket?db=0                   one server, by its socket
//	redis://host:7000?cluster=true                a cluster, found from one node
//	redis://host:7000?addr=host2:7000             a cluster, found from any of several
//	redis://host:26379?master_name=m&addr=…       the master m that sentinels name
//
// User and password are those of the server. Sentinels that want some get them as
// sentinel_username and sentinel_password; go-redis' own form, where they stand in front
// and the server's are username and password in the query, is understood too. Options of
// go-redis in the query, such as dial_timeout, pool_size or skip_verify, go before what
// is tuned here.
//
// # TLS
//
// A server's certificate must be signed by an authority of the system and bear the name
// that was dialled (of a cluster, that of the URL). The query of a rediss URL may say else:
//
//	ca_file=/path/ca.pem        the authorities to trust, in place of the system's
//	cert_file=…&key_file=…      the client's own certificate; one file may hold both. It is
//	                            read anew for each connection, so that it can be renewed
//	server_name=redis.internal  the name that the certificate has to bear
//
// # How it fails
//
//	URL wrong       an error that says what to change and never quotes the URL, which
//	                may hold a password
//	Redis down      an error within the budget, then ErrAway at once
//	Redis slow      the same: an answer that comes after the budget is dropped
//	Redis refuses   (read-only, loading, out of memory, wrong type) the same as down: it is of
//	                no use. Only [redis.Nil] is an answer
//	TLS, password   the same. [Explain] says what to do
//	Redis lies      an answer that announces more than a Redis sends (64 MiB for a text, 65,536
//	                elements, 16 levels) ends the connection of a client that Open made. go-redis by
//	                itself makes room for whatever is announced, and the program ends for want of it
//	caller gone     its context's error, which counts for nothing
//
// go-redis reports failed dials to its logger, which is one for the whole program
// and prints to standard error: redis.SetLogger is for the program to call.
package redisconn
