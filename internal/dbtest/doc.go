// Package dbtest starts private database servers for tests: real ones, on free
// loopback ports, in folders of their own, gone when the test is.
//
// # The model
//
// [Redis], [RedisTLS], [RedisCluster], [RedisSentinel], [Postgres] and [Ferret] start servers
// for one test and end them with the test. A [Server] is a process that a test may also mistreat: it can be
// stalled ([Server.Stall]), killed ([Server.Kill]) and started again on the same
// port with what it had on disk ([Server.Restart]). [Cluster.Database] makes a
// PostgreSQL database for one test, which is cheaper than a server for each.
//
// [StartPostgres] is for programs that are no tests, such as benchmarks.
//
// [Ferret] speaks MongoDB's wire protocol. It is a Go program in a module of its
// own, internal/dbtest/ferret, which Go builds when the first test asks for it: a
// minute with an empty cache, half a second from then on.
//
// Servers end with the test binary even when that is killed, on Linux.
//
// # How it fails
//
// A server that is not installed skips the test and says what to install, or
// fails it when the environment has CI=true: there, a skipped test would be a hole
// that nobody sees. A server that does not come up fails the test with its log.
package dbtest
