// Package storetest judges a [store.Store]: one suite of rules that every backend
// keeps, the ones of this module and those that others write.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{Open: func(t *testing.T) store.Store { … }})
//	}
//
// # How it judges
//
// Each rule is a subtest with an empty store of its own, named for what it says.
// Rules about order try permutations; rules about races run writers against each
// other; the last one drives the backend and [memory.Store], the oracle, with the
// same random steps and compares all that can be read. A failure of it prints its
// seed; set STORETEST_SEED to see it again, and STORETEST_ROUNDS to run it so often.
//
// # What a backend lacks
//
// A backend that cannot do something says so in [Harness.Lacks], with the reason.
// The rules concerned are skipped with that reason in the log, and named again
// in the end. A rule that Lacks names by mistake fails the run.
//
// # Benchmarks
//
// [Bench] measures the calls that matter, with bodies of the usual size, so that
// backends can be put side by side.
package storetest
