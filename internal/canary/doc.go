// Package canary finds out whether the tests' logs, errors and dumps tell what
// they must not: the API key, or a user's id.
//
// The suites of the pipeline, the client and the command run with one well-known
// key and user ([Key], [User]), which stand nowhere else. Whatever they write to a log,
// get as an error or see in a dump goes through [Record], which looks for them, in the
// clear and in the encodings a formatter may make. [Suite] is a suite's TestMain: it
// fails the run if anything was found, or if a whole run has recorded nothing, as
// the wires are cut then.
//
//	func TestMain(m *testing.M) { os.Exit(canary.Suite{M: m}.Run()) }
//
// `make test` looks for the same in what the tests printed (package scan).
//
// It is for tests alone, and the program links none of it.
package canary
