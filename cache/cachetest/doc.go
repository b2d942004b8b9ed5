// Package cachetest judges what backends of package cache promise, those of this
// module and those that others write, and has one for tests.
//
//	func TestNear(t *testing.T) {
//		cachetest.RunNear(t, func(t *testing.T) cache.Near { … })
//	}
//
//	func TestFar(t *testing.T) {
//		cachetest.RunFar(t, func(t *testing.T, processes int) []cache.Far { … })
//	}
//
// Each rule is a subtest on an empty backend of its own, named for what it says. A
// far tier is judged as a [cache.Leaser] and as a [cache.Bus] too if it is one; if it
// is not, those rules are skipped and say so. The rules use short real times: a
// backend that lives in a bubble of testing/synctest may be judged inside it.
//
// [Hub] is a far tier in memory that any number of "processes" in one test share. A
// [Link] to it does what a network and a server in trouble do: it is slow, it fails,
// it lies, it loses notices. It needs no server and keeps the time of a synctest
// bubble.
package cachetest
