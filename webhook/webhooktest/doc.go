// Package webhooktest judges receivers of Asleep webhooks: any handler, or any
// URL that something answers at.
//
//	func TestReceiver(t *testing.T) {
//		webhooktest.Run(t, webhooktest.Target{Handler: myReceiver, Key: key, Secret: secret})
//	}
//
// # How it judges
//
// Each case is a subtest whose name begins with its number in the list that this
// project keeps: what verifiers and receivers are known to get wrong. The suite
// sends real requests over a socket, makes up users and sessions of its own with
// every run, and looks at the answers. It never needs more than the [Target] says;
// it stores some dozens of events in what it tests, so do not point it at a
// receiver whose events are acted on.
//
// # What it cannot see
//
// A case that needs something the target does not offer, such as a way to make its
// store fail, is skipped and says what it needs; so are the cases that nothing
// shows over HTTP. In the end the run lists all that were skipped, so that a green
// run cannot be mistaken for a complete one.
package webhooktest
